"""Whether a project file is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from segstudio.core.errors import StorageError
from segstudio.core.mask import Mask
from segstudio.store import codec, sqlite_file
from segstudio.store.schema import annotation, category, edit, image, origin, run

_DECODERS: tuple[tuple[Table, Callable[[Mapping[Any, Any]], object]], ...] = (
    (image, codec.image_record),
    (category, codec.category_record),
    (edit, codec.whole_edit_record),
    (run, codec.run_record),
    (origin, codec.origin_record),
)


def faults(connection: Connection) -> list[str]:
    """Structure, references, then every row: it decodes, and each mask fits its image."""
    return [
        *sqlite_file.structural_faults(connection),
        *_undecodable(connection),
        *_wrong_masks(connection),
    ]


def _undecodable(connection: Connection) -> Iterator[str]:
    for table, decode in _DECODERS:
        rows = connection.execution_options(yield_per=200).execute(
            select(table).order_by(table.c.id)
        )
        for row in rows.mappings():
            try:
                codec.read(decode, row, table.name)
            except StorageError as error:
                yield str(error)


def _wrong_masks(connection: Connection) -> Iterator[str]:
    joined = annotation.outerjoin(image, annotation.c.image_id == image.c.id)
    query = select(annotation, image.c.height, image.c.width).select_from(joined)
    rows = connection.execution_options(yield_per=200).execute(query.order_by(annotation.c.id))
    for row in rows.mappings():
        try:
            record = codec.read(codec.whole_annotation_record, row, "annotation")
        except StorageError as error:
            yield str(error)
            continue
        if record.mask.size != (row["height"], row["width"]):
            yield f"The mask of annotation {row['id']} has not the size of its image."
        repeated = (row["area"], row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"])
        mask = Mask(record.mask.size, record.mask.runs)  # one that finds area and box itself
        if repeated != (mask.area, *mask.bbox):
            yield f"The area or box of annotation {row['id']} is not that of its mask."

"""Records of `core` to rows and JSON, and back. Equal records give equal rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, SegStudioError, StorageError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Box, Mask
from segstudio.core.origin import Origin, OriginKind
from segstudio.core.prompt import Prompt

Row = dict[str, Any]
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
T = TypeVar("T")


@dataclass(frozen=True)
class NewImage:
    """An image that is to be added: what `ImageRecord` holds, before it has an id."""

    path: str
    width: int
    height: int
    sha256: str
    state: ImageState = ImageState.TODO
    split: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One import, export, batch or training; `progress` is what a restart resumes from."""

    id: int
    kind: str
    parameters: Any
    progress: Any
    result: Any
    started_at: float
    finished_at: float | None


def to_json(value: object) -> str:
    """Compact JSON. Raises StorageError for what JSON cannot hold (objects, NaN)."""
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise StorageError(f"A value cannot be stored in the project: {error}.") from error


def _finite(value: float | None, what: str) -> float | None:
    if value is None:
        return None
    if not math.isfinite(value):
        raise StorageError(f"An annotation's {what} is not a finite number and cannot be stored.")
    return float(value)


def read(decode: Callable[[Mapping[Any, Any]], T], row: Mapping[Any, Any], what: str) -> T:
    """`decode(row)`; raises StorageError where the stored row makes no sense."""
    try:
        return decode(row)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, SegStudioError) as error:
        number = row.get("id", "?")
        raise StorageError(
            f"The project file is damaged: {what} {number} cannot be read ({error}); "
            "go back to a copy, or delete what is damaged."
        ) from error


# -- images and categories ---------------------------------------------------------------------


def image_row(record: ImageRecord) -> Row:
    return {"id": int(record.id), **new_image_row(record)}


def new_image_row(record: ImageRecord | NewImage) -> Row:
    return {
        "path": record.path,
        "width": int(record.width),
        "height": int(record.height),
        "sha256": record.sha256,
        "state": str(record.state),
        "split": record.split,
    }


def image_record(row: Mapping[Any, Any]) -> ImageRecord:
    return ImageRecord(
        id=int(row["id"]),
        path=str(row["path"]),
        width=int(row["width"]),
        height=int(row["height"]),
        sha256=str(row["sha256"]),
        state=ImageState(row["state"]),
        split=str(row["split"]),
    )


def category_row(record: Category) -> Row:
    return {
        "id": int(record.id),
        "name": record.name,
        "colour": record.colour,
        "supercategory": record.supercategory,
        "isthing": bool(record.isthing),
        "key": record.key,
    }


def category_record(row: Mapping[Any, Any]) -> Category:
    return Category(
        id=int(row["id"]),
        name=str(row["name"]),
        colour=str(row["colour"]),
        supercategory=str(row["supercategory"]),
        isthing=bool(row["isthing"]),
        key=str(row["key"]),
    )


# -- annotations -------------------------------------------------------------------------------


def annotation_row(record: Annotation) -> Row:
    mask, bbox = record.mask, record.mask.bbox
    return {
        "id": int(record.id),
        "image_id": int(record.image_id),
        "category_id": int(record.category_id),
        "mask_height": int(mask.size[0]),
        "mask_width": int(mask.size[1]),
        "counts": mask.counts,
        "area": mask.area,
        "bbox_x": float(bbox[0]),
        "bbox_y": float(bbox[1]),
        "bbox_w": float(bbox[2]),
        "bbox_h": float(bbox[3]),
        "z_order": int(record.z_order),
        "iscrowd": bool(record.iscrowd),
        "attributes": to_json(dict(record.attributes)),
        "stage": str(record.stage),
        "tool": record.tool,
        "model_key": record.model_key,
        "prompt": None if record.prompt is None else to_json(record.prompt.to_json()),
        "predicted_iou": _finite(record.predicted_iou, "predicted IoU"),
        "stability": _finite(record.stability, "stability"),
        "seconds": _finite(record.seconds, "time spent"),
        "review": record.review,
        "locked": bool(record.locked),
        "created_at": _finite(record.created_at, "time of making"),
        "updated_at": _finite(record.updated_at, "time of change"),
    }


def stored_mask(
    size: tuple[int, int], counts: bytes, area: int, bbox: tuple[float, float, float, float]
) -> Mask:
    """A mask as it was stored with what it says, decoded when somebody asks for its pixels.

    `size` is (H, W), `bbox` (x, y, w, h). Reading the pixels raises StorageError where the counts
    are damaged.
    """
    x, y, w, h = (int(value) for value in bbox)
    box = Box(x, y, x + w, y + h)
    return Mask.deferred(size, partial(_decoded, size, counts), counts=counts, area=area, box=box)


def _decoded(size: tuple[int, int], counts: bytes) -> Mask:
    try:
        return Mask.from_coco(size, counts)
    except BadInputError as error:
        raise StorageError(
            f"The project file is damaged: a mask cannot be read ({error}); go back to a copy, or "
            "delete what is damaged."
        ) from error


def annotation_record(row: Mapping[Any, Any]) -> Annotation:
    prompt, counts = row["prompt"], row["counts"]
    counts = counts.encode("ascii") if isinstance(counts, str) else bytes(counts)
    return Annotation(
        id=int(row["id"]),
        image_id=int(row["image_id"]),
        category_id=int(row["category_id"]),
        mask=stored_mask(
            (int(row["mask_height"]), int(row["mask_width"])),
            counts,
            int(row["area"]),
            (row["bbox_x"], row["bbox_y"], row["bbox_w"], row["bbox_h"]),
        ),
        z_order=int(row["z_order"]),
        iscrowd=bool(row["iscrowd"]),
        attributes=json.loads(row["attributes"]),
        stage=Stage(row["stage"]),
        tool=str(row["tool"]),
        model_key=str(row["model_key"]),
        prompt=None if prompt is None else Prompt.from_json(json.loads(prompt)),
        predicted_iou=row["predicted_iou"],
        stability=row["stability"],
        seconds=float(row["seconds"]),
        review=str(row["review"]),
        locked=bool(row.get("locked", False)),  # the ledger of an older version does not say
        created_at=float(row["created_at"]),
        updated_at=float(row["updated_at"]),
    )


def whole_annotation_record(row: Mapping[Any, Any]) -> Annotation:
    """The same with its mask decoded, so that one that is damaged shows here."""
    record = annotation_record(row)
    _ = record.mask.runs
    return record


# -- edits -------------------------------------------------------------------------------------


def records_json(records: Records) -> str:
    """The rows of `records` as one JSON object; masks as COCO text."""
    return to_json(
        {
            "annotations": [_without_bytes(annotation_row(a)) for a in records.annotations],
            "categories": [category_row(record) for record in records.categories],
            "images": [image_row(record) for record in records.images],
        }
    )


def _without_bytes(row: Row) -> Row:
    return {**row, "counts": row["counts"].decode("ascii")}


def records_from_json(text: str) -> Records:
    """The inverse of `records_json`."""
    return records_from_rows(json.loads(text))


def records_from_rows(data: Mapping[str, Any]) -> Records:
    """Records of the JSON object that `records_json` writes, once it is read."""
    return Records(
        annotations=tuple(annotation_record(row) for row in data["annotations"]),
        categories=tuple(category_record(row) for row in data["categories"]),
        images=tuple(image_record(row) for row in data["images"]),
    )


def edit_record(row: Mapping[Any, Any]) -> Edit:
    """The edit of a ledger row; its image is 0 where it stands in the project's own history."""
    return Edit(
        text=str(row["text"]),
        image_id=int(row["image_id"] or 0),
        before=records_from_json(row["before"]),
        after=records_from_json(row["after"]),
    )


def whole_edit_record(row: Mapping[Any, Any]) -> Edit:
    """The same with its masks decoded, so that one that is damaged shows here."""
    edit = edit_record(row)
    for record in (*edit.before.annotations, *edit.after.annotations):
        _ = record.mask.runs
    return edit


def origin_row(kind: OriginKind, row_id: int, origin: Origin) -> Row:
    return {
        "kind": str(kind),
        "row_id": int(row_id),
        "format": origin.format,
        "key": origin.key,
        "record": to_json(dict(origin.record)),
        "mask": origin.mask,
    }


def origin_record(row: Mapping[Any, Any]) -> Origin:
    record = json.loads(row["record"])
    if not isinstance(record, dict):
        raise ValueError("its record is not an object")
    return Origin(str(row["format"]), str(row["key"]), record, str(row["mask"]))


def run_record(row: Mapping[Any, Any]) -> RunRecord:
    return RunRecord(
        id=int(row["id"]),
        kind=str(row["kind"]),
        parameters=json.loads(row["parameters"]),
        progress=None if row["progress"] is None else json.loads(row["progress"]),
        result=None if row["result"] is None else json.loads(row["result"]),
        started_at=float(row["started_at"]),
        finished_at=None if row["finished_at"] is None else float(row["finished_at"]),
    )

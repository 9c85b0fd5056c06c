"""Carrying an edit out inside a transaction, or refusing it when it no longer fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from segstudio.core.changes import Edit
from segstudio.core.errors import StorageError
from segstudio.store import codec
from segstudio.store.codec import Row
from segstudio.store.schema import annotation, category, image

# Databases limit the number of values in one statement; SQLite's old limit is 999.
_BATCH = 500

# Made once: a run carries out as many edits as there are images.
_AMONG: BindParameter[int] = bindparam("among", expanding=True)
_TABLES = (annotation, category, image)
_ROWS = {table.name: select(table).where(table.c.id.in_(_AMONG)) for table in _TABLES}
_SIZES = select(image.c.id, image.c.height, image.c.width).where(image.c.id.in_(_AMONG))
_ADDING = {table.name: insert(table) for table in (annotation, category)}


@dataclass(frozen=True)
class _Change:
    """What an edit does to one table: rows by id, as they were and as they become."""

    table: Table
    before: dict[int, Row]
    after: dict[int, Row]

    @property
    def removed(self) -> list[int]:
        return [number for number in self.before if number not in self.after]

    @property
    def added(self) -> list[Row]:
        return [row for number, row in self.after.items() if number not in self.before]

    def columns_changed(self) -> Iterator[tuple[int, Row]]:
        """The id of each replaced row and its new values, where they differ."""
        for number, row in self.after.items():
            if number in self.before:
                old = self.before[number]
                if new := {name: value for name, value in row.items() if old[name] != value}:
                    yield number, new


def apply(connection: Connection, edit: Edit) -> None:
    """Make the rows what `edit.after` says.

    A row that is removed must be stored exactly as `edit.before` has it, one that is replaced must
    be so in the columns that the edit changes, and one that is added must not be there. Raises
    StorageError otherwise, or where a mask has not its image's size, or a category is still used.
    """
    annotations = _change(
        annotation, codec.annotation_row, edit.before.annotations, edit.after.annotations
    )
    categories = _change(
        category, codec.category_row, edit.before.categories, edit.after.categories
    )
    images = _change(image, codec.image_row, edit.before.images, edit.after.images)
    if images.removed or images.added:
        raise ValueError("an edit never adds or deletes images")
    for change in (annotations, categories, images):
        _require_unchanged(connection, change, edit.text)
    _require_image_sizes(connection, annotations.after)
    # The order keeps every reference whole at every step.
    _remove(connection, annotations)
    _write(connection, categories)
    _write(connection, images)
    _write(connection, annotations)
    _require_unused(connection, categories)
    _remove(connection, categories)


def _change(
    table: Table, encode: Callable[[Any], Row], before: Sequence[Any], after: Sequence[Any]
) -> _Change:
    change = _Change(
        table,
        {int(record.id): encode(record) for record in before},
        {int(record.id): encode(record) for record in after},
    )
    if len(change.before) != len(before) or len(change.after) != len(after):
        raise ValueError(f"an edit names one {table.name} twice")
    return change


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _BATCH):
        yield numbers[start : start + _BATCH]


def _require_unchanged(connection: Connection, change: _Change, text: str) -> None:
    stored: dict[int, Row] = {}
    for batch in _batches(sorted({*change.before, *change.after})):
        rows = connection.execute(_ROWS[change.table.name], {"among": batch}).mappings()
        stored |= {row["id"]: dict(row) for row in rows}
    faults = [row["id"] for row in change.added if row["id"] in stored]
    for number in change.removed:
        old = change.before[number]
        if number not in stored or any(stored[number][name] != old[name] for name in old):
            faults.append(number)
    for number in change.before:
        if number in change.after and number not in stored:
            faults.append(number)
    for number, new in change.columns_changed():
        old = change.before[number]
        if number in stored and any(stored[number][name] != old[name] for name in new):
            faults.append(number)
    if faults:
        raise StorageError(
            f"“{text}” does not fit any more: {change.table.name} {faults[0]} was changed "
            "meanwhile; open the image again and repeat."
        )


def _require_image_sizes(connection: Connection, rows: dict[int, Row]) -> None:
    sizes: dict[int, tuple[int, int]] = {}
    for batch in _batches(sorted({row["image_id"] for row in rows.values()})):
        found = connection.execute(_SIZES, {"among": batch})
        sizes |= {number: (height, width) for number, height, width in found}
    for row in rows.values():
        size = sizes.get(row["image_id"])
        if size is None:
            raise StorageError(f"The project has no image {row['image_id']}; open it again.")
        if size != (row["mask_height"], row["mask_width"]):
            raise StorageError(
                f"A mask of {row['mask_width']} x {row['mask_height']} pixels does not fit its "
                f"image of {size[1]} x {size[0]}; make it again on that image."
            )


def _require_unused(connection: Connection, categories: _Change) -> None:
    for number in categories.removed:
        query = select(func.count()).where(annotation.c.category_id == number)
        if count := connection.scalar(query):
            name = categories.before[number]["name"]
            plural = "" if count == 1 else "s"
            raise StorageError(
                f"The category “{name}” is still used by {count} annotation{plural}; "
                "give them another category or delete them first."
            )


def _remove(connection: Connection, change: _Change) -> None:
    for batch in _batches(change.removed):
        connection.execute(delete(change.table).where(change.table.c.id.in_(batch)))


def _write(connection: Connection, change: _Change) -> None:
    for number, new in change.columns_changed():
        connection.execute(_changing(change.table, tuple(sorted(new))), {"which": number, **new})
    if added := change.added:
        connection.execute(_ADDING[change.table.name], added)


@cache
def _changing(table: Table, names: tuple[str, ...]) -> Update:
    values: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in names}
    return update(table).where(table.c.id == bindparam("which")).values(values)

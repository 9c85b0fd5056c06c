"""Taking an edit back after others came: what is still as it made it goes, the rest stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, func, select

from segstudio.core.changes import Edit, Records
from segstudio.store import codec
from segstudio.store.codec import Row
from segstudio.store.ledger import EditState
from segstudio.store.schema import annotation, category, image
from segstudio.store.schema import edit as edits

_BATCH = 500
# Moving another annotation moves these along: they do not make an annotation somebody's work.
_SIDE_EFFECTS = {"z_order", "updated_at"}


@dataclass
class _Turn:
    """What is to be done to one table: records as they are, and as they become."""

    before: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)


def reversal(connection: Connection, number: int, edit: Edit) -> tuple[Edit, Records]:
    """The edit that takes back the stored edit of that id, and the records that stay for good.

    An annotation or category that the edit brought goes, unless somebody changed it since or uses
    it; what it changed becomes as it was, where that is still as it was left; what it deleted
    comes back.
    """
    marks = _annotations(connection, edit)
    names = _categories(connection, edit)
    pictures = _images(connection, number, edit, marks)
    before = Records(tuple(marks.before), tuple(names.before), tuple(pictures.before))
    after = Records(tuple(marks.after), tuple(names.after), tuple(pictures.after))
    kept = Records(tuple(marks.kept), tuple(names.kept))
    return Edit(f"Take back: {edit.text}", edit.image_id, before, after), kept


def _stored(connection: Connection, table: Table, numbers: Sequence[int]) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for start in range(0, len(numbers), _BATCH):
        query = select(table).where(table.c.id.in_(numbers[start : start + _BATCH]))
        found |= {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    return found


def _sides(
    encode: Callable[[Any], Row], before: Sequence[Any], after: Sequence[Any]
) -> tuple[dict[int, Row], dict[int, Row]]:
    return {row.id: encode(row) for row in before}, {row.id: encode(row) for row in after}


def _annotations(connection: Connection, edit: Edit) -> _Turn:
    old, new = _sides(codec.annotation_row, edit.before.annotations, edit.after.annotations)
    now = _stored(connection, annotation, sorted({*old, *new}))
    known = _known_categories(connection) if old else set()
    turn = _Turn()
    for number, row in now.items():
        record = codec.read(codec.annotation_record, row, "annotation")
        if number in new and _differs(row, new[number], set(row) - _SIDE_EFFECTS):
            turn.kept.append(record)
        elif number in new and number not in old:
            turn.before.append(record)
        elif number in new and old[number]["category_id"] in known:
            turn.before.append(record)
            turn.after.append(codec.annotation_record(old[number]))
    for number in old:
        if number not in new and number not in now and old[number]["category_id"] in known:
            turn.after.append(codec.annotation_record(old[number]))
    return turn


def _categories(connection: Connection, edit: Edit) -> _Turn:
    old, new = _sides(codec.category_row, edit.before.categories, edit.after.categories)
    now = _stored(connection, category, sorted({*old, *new}))
    turn = _Turn()
    for number, row in now.items():
        record = codec.read(codec.category_record, row, "category")
        if number in new and number not in old:
            query = select(annotation.c.id).where(annotation.c.category_id == number)
            used = connection.scalar(query.limit(1)) is not None
            (turn.kept if used or _differs(row, new[number], set(row)) else turn.before).append(
                record
            )
        elif number in new and (back := _back(row, old[number], new[number])) != row:
            turn.before.append(record)
            turn.after.append(codec.category_record(back))
    for number in old:
        if number not in new and number not in now:
            turn.after.append(codec.category_record(old[number]))
    return turn


def _images(connection: Connection, number: int, edit: Edit, marks: _Turn) -> _Turn:
    old, new = _sides(codec.image_row, edit.before.images, edit.after.images)
    turn = _Turn()
    for image_id, row in _stored(connection, image, sorted(new)).items():
        back = _back(row, old[image_id], new[image_id])
        if back["state"] != row["state"] and _worked_on(connection, number, image_id, marks):
            back["state"] = row["state"]
        if back != {name: row[name] for name in back}:
            turn.before.append(codec.read(codec.image_record, row, "image"))
            turn.after.append(codec.image_record(back))
    return turn


def _worked_on(connection: Connection, number: int, image_id: int, marks: _Turn) -> bool:
    """Whether later work left annotations there: then how far it is, is no longer the edit's."""
    this = select(edits.c.sequence).where(edits.c.id == number).scalar_subquery()
    later = select(edits.c.id).where(
        edits.c.image_id == image_id, edits.c.state == EditState.DONE, edits.c.sequence > this
    )
    count = select(func.count()).where(annotation.c.image_id == image_id)
    left = (connection.scalar(count) or 0) - len(marks.before) + len(marks.after)
    return left > 0 and connection.scalar(later.limit(1)) is not None


def _known_categories(connection: Connection) -> set[int]:
    return {int(number) for number in connection.scalars(select(category.c.id))}


def _differs(row: Mapping[Any, Any], other: Row, names: set[str]) -> bool:
    return any(row[name] != other[name] for name in names if name in other)


def _back(row: Row, old: Row, new: Row) -> Row:
    """The row with the old values of the columns that were changed and are still as they were."""
    changed = {name for name, value in new.items() if old[name] != value}
    return {
        name: old[name] if name in changed and row[name] == new[name] else row[name] for name in new
    }

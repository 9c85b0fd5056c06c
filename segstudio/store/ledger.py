"""The `edit` table: undo and redo that survive a restart, and who did what and when."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from segstudio.core.changes import Edit, HistoryLine, HistoryState, HistoryStep
from segstudio.store import codec
from segstudio.store.lock import user_name
from segstudio.store.schema import edit as edits


class EditState(StrEnum):
    """DROPPED: undone, and then overtaken by another edit, so that it can never be redone."""

    DONE = "done"
    UNDONE = "undone"
    DROPPED = "dropped"


def append(connection: Connection, edit: Edit) -> float:
    """Put a new edit at the end of its image's history, drop what was undone; returns the time."""
    now, image_id = time.time(), edit.image_id or None
    mine = edits.c.image_id == image_id
    connection.execute(
        update(edits)
        .where(mine, edits.c.state == EditState.UNDONE)
        .values(state=EditState.DROPPED, state_user=user_name(), state_at=now)
    )
    last = connection.scalar(select(func.max(edits.c.sequence)).where(mine))
    connection.execute(
        insert(edits).values(
            image_id=image_id,
            sequence=(last or 0) + 1,
            text=edit.text,
            before=codec.records_json(edit.before),
            after=codec.records_json(edit.after),
            user=user_name(),
            made_at=now,
            state=EditState.DONE,
        )
    )
    return now


def next_undo(connection: Connection, image_id: int) -> Mapping[Any, Any] | None:
    """The row of the last edit that is done."""
    query = _undoable(select(edits), image_id)
    return connection.execute(query).mappings().first()


def next_redo(connection: Connection, image_id: int) -> Mapping[Any, Any] | None:
    """The row of the first edit that is undone."""
    query = _redoable(select(edits), image_id)
    return connection.execute(query).mappings().first()


def _undoable(query: Select[Any], image_id: int) -> Select[Any]:
    query = query.where(edits.c.image_id == (image_id or None), edits.c.state == EditState.DONE)
    return query.order_by(edits.c.sequence.desc()).limit(1)


def _redoable(query: Select[Any], image_id: int) -> Select[Any]:
    query = query.where(edits.c.image_id == (image_id or None), edits.c.state == EditState.UNDONE)
    return query.order_by(edits.c.sequence).limit(1)


def mark(connection: Connection, number: int, state: EditState) -> float:
    """Note that an edit is now done or undone, and by whom; returns the time."""
    now = time.time()
    query = update(edits).where(edits.c.id == number)
    connection.execute(query.values(state=state, state_user=user_name(), state_at=now))
    return now


def history(connection: Connection, image_id: int) -> HistoryState:
    """The texts of what would be undone and redone next."""
    return HistoryState(
        undo=connection.scalar(_undoable(select(edits.c.text), image_id)),
        redo=connection.scalar(_redoable(select(edits.c.text), image_id)),
    )


def line(connection: Connection, image_id: int, after: int) -> HistoryLine:
    """The steps past the sequence `after` that were not dropped; their records stay unread."""
    columns = (edits.c.sequence, edits.c.text, edits.c.made_at, edits.c.user)
    living = (edits.c.image_id == (image_id or None), edits.c.state != EditState.DROPPED)
    query = select(*columns).where(*living, edits.c.sequence > after)
    rows = connection.execute(query.order_by(edits.c.sequence))
    steps = tuple(HistoryStep(int(row[0]), str(row[1]), float(row[2]), str(row[3])) for row in rows)
    total = connection.scalar(select(func.count()).select_from(edits).where(*living))
    return HistoryLine(steps, position(connection, image_id), int(total or 0))


def position(connection: Connection, image_id: int) -> int:
    """The sequence of the last edit that is done; 0 if there is none."""
    mine = (edits.c.image_id == (image_id or None), edits.c.state == EditState.DONE)
    return int(connection.scalar(select(func.max(edits.c.sequence)).where(*mine)) or 0)


def is_living(connection: Connection, image_id: int, sequence: int) -> bool:
    """Whether one can go to that step: it is there and was not dropped."""
    query = select(edits.c.id).where(
        edits.c.image_id == (image_id or None),
        edits.c.sequence == sequence,
        edits.c.state != EditState.DROPPED,
    )
    return connection.scalar(query) is not None


def between(
    connection: Connection, image_id: int, low: int, high: int, state: EditState
) -> Iterator[tuple[str, str]]:
    """`before` and `after` of the edits low < sequence <= high in that state, a few at a time.

    Done ones come from the last to the first, as they are undone.
    """
    order = edits.c.sequence.desc() if state is EditState.DONE else edits.c.sequence
    query = select(edits.c.before, edits.c.after).where(
        *_span(image_id, low, high), edits.c.state == state
    )
    for row in connection.execute(query.order_by(order).execution_options(yield_per=64)):
        yield row[0], row[1]


def mark_between(
    connection: Connection, image_id: int, low: int, high: int, becomes: EditState
) -> float:
    """Note that the edits low < sequence <= high are now done, or undone; returns the time."""
    now = time.time()
    was = EditState.DONE if becomes is EditState.UNDONE else EditState.UNDONE
    query = update(edits).where(*_span(image_id, low, high), edits.c.state == was)
    connection.execute(query.values(state=becomes, state_user=user_name(), state_at=now))
    return now


def _span(image_id: int, low: int, high: int) -> tuple[ColumnElement[bool], ...]:
    mine = edits.c.image_id == (image_id or None)
    return mine, edits.c.sequence > low, edits.c.sequence <= high

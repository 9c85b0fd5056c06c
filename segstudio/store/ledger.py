"""The `edit` table: undo and redo that survive a restart, and who did what and when."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from segstudio.core.changes import Edit, HistoryState
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

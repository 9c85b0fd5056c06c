"""The `edit` table: undo and redo that survive a restart, and who did what and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    func,
    insert,
    select,
    update,
)

from segstudio.core.changes import Edit, HistoryLine, HistoryStep
from segstudio.store import codec
from segstudio.store.lock import user_name
from segstudio.store.schema import edit as edits


class EditState(StrEnum):
    """DROPPED: undone, and then overtaken by another edit, so that it can never be redone."""

    DONE = "done"
    UNDONE = "undone"
    DROPPED = "dropped"


# Made once: a run appends as many edits as there are images.
_OF = edits.c.image_id.is_not_distinct_from(bindparam("of"))
_BY_WHOM: dict[str, BindParameter[Any]] = {
    "state_user": bindparam("by"),
    "state_at": bindparam("at"),
}
_DROP = (
    update(edits)
    .where(_OF, edits.c.state == EditState.UNDONE)
    .values(state=EditState.DROPPED, **_BY_WHOM)
)
_LAST = select(func.max(edits.c.sequence)).where(_OF)
_ADD = insert(edits)
_STORED = select(edits).where(edits.c.id == bindparam("which"))
_MARK = (
    update(edits)
    .where(edits.c.id == bindparam("which"))
    .values(state=bindparam("becomes"), **_BY_WHOM)
)


_AMONG: BindParameter[int] = bindparam("among", expanding=True)
_DROP_AMONG = (
    update(edits)
    .where(edits.c.image_id.in_(_AMONG), edits.c.state == EditState.UNDONE)
    .values(state=EditState.DROPPED, **_BY_WHOM)
)
_LAST_AMONG = (
    select(edits.c.image_id, func.max(edits.c.sequence))
    .where(edits.c.image_id.in_(_AMONG))
    .group_by(edits.c.image_id)
)
_MARK_AMONG = (
    update(edits).where(edits.c.id.in_(_AMONG)).values(state=bindparam("becomes"), **_BY_WHOM)
)


@dataclass(frozen=True)
class Membership:
    """The run that an edit belongs to, and the edit of another run that it takes back, if any."""

    run_id: int
    takes_back: int | None = None


def append(
    connection: Connection, edit: Edit, now: float, membership: Membership | None = None
) -> int:
    """Put a new edit at the end of its image's history, drop what was undone; returns its id."""
    image_id = edit.image_id or None
    user = user_name()
    connection.execute(_DROP, {"of": image_id, "by": user, "at": now})
    last = connection.scalar(_LAST, {"of": image_id})
    values = _values(edit, (last or 0) + 1, user, now, membership)
    added = connection.execute(_ADD, values)
    key = added.inserted_primary_key
    assert key is not None, "one row was added"
    return int(key[0])


def append_together(
    connection: Connection, new: Sequence[tuple[Edit, float]], membership: Membership
) -> list[int]:
    """`append` for edits, each with its time, of as many images; returns their ids in order."""
    if len(new) == 1:
        return [append(connection, *new[0], membership)]
    user, images = user_name(), [edit.image_id for edit, _ in new]
    connection.execute(_DROP_AMONG, {"among": images, "by": user, "at": new[-1][1]})
    last = {row[0]: row[1] for row in connection.execute(_LAST_AMONG, {"among": images})}
    first = int(connection.scalar(select(func.max(edits.c.id))) or 0) + 1
    rows = [
        {"id": number, **_values(edit, last.get(edit.image_id, 0) + 1, user, now, membership)}
        for number, (edit, now) in enumerate(new, first)
    ]
    connection.execute(_ADD, rows)
    return [row["id"] for row in rows]


def _values(
    edit: Edit, sequence: int, user: str, now: float, membership: Membership | None
) -> codec.Row:
    return {
        "image_id": edit.image_id or None,
        "sequence": sequence,
        "text": edit.text,
        "before": codec.records_json(edit.before),
        "after": codec.records_json(edit.after),
        "user": user,
        "made_at": now,
        "state": EditState.DONE,
        "run_id": None if membership is None else membership.run_id,
        "takes_back": None if membership is None else membership.takes_back,
    }


@dataclass(frozen=True)
class NextEdit:
    """An edit that is undone or redone next, without what it changed.

    `run_id` is 0 where it belongs to no run; `state_at` is when it was undone or redone last.
    """

    id: int
    text: str
    run_id: int
    state_at: float | None


_NEXT = (edits.c.id, edits.c.text, edits.c.run_id, edits.c.state_at)


def next_undo(connection: Connection, image_id: int) -> NextEdit | None:
    """The last edit that is done."""
    mine = (edits.c.image_id == (image_id or None), edits.c.state == EditState.DONE)
    query = select(*_NEXT).where(*mine).order_by(edits.c.sequence.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else NextEdit(row[0], row[1], row[2] or 0, row[3])


def next_redo(connection: Connection, image_id: int) -> NextEdit | None:
    """The first edit that is undone."""
    mine = (edits.c.image_id == (image_id or None), edits.c.state == EditState.UNDONE)
    query = select(*_NEXT).where(*mine).order_by(edits.c.sequence)
    row = connection.execute(query.limit(1)).first()
    return None if row is None else NextEdit(row[0], row[1], row[2] or 0, row[3])


def stored(connection: Connection, number: int) -> Edit:
    """The edit of that id, as it was made."""
    row = connection.execute(_STORED, {"which": number}).mappings().one()
    return codec.read(codec.edit_record, row, "edit")


def mark(connection: Connection, number: int, state: EditState, now: float) -> None:
    """Note that an edit is now done or undone, and by whom."""
    values = {"which": number, "becomes": state, "by": user_name(), "at": now}
    connection.execute(_MARK, values)


def mark_together(
    connection: Connection, numbers: Sequence[int], state: EditState, now: float
) -> None:
    """`mark` for several, at most a few hundred."""
    values = {"among": list(numbers), "becomes": state, "by": user_name(), "at": now}
    connection.execute(_MARK_AMONG, values)


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
    connection: Connection, image_id: int, span: tuple[int, int], becomes: EditState, now: float
) -> None:
    """Note that the edits low < sequence <= high of the span are now done, or undone."""
    was = EditState.DONE if becomes is EditState.UNDONE else EditState.UNDONE
    query = update(edits).where(*_span(image_id, *span), edits.c.state == was)
    connection.execute(query.values(state=becomes, state_user=user_name(), state_at=now))


def _span(image_id: int, low: int, high: int) -> tuple[ColumnElement[bool], ...]:
    mine = edits.c.image_id == (image_id or None)
    return mine, edits.c.sequence > low, edits.c.sequence <= high

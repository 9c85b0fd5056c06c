"""Which edits are undone or redone together: one, or all that a run made of many images."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from segstudio.core.changes import Edit, HistoryState
from segstudio.store import codec
from segstudio.store.ledger import EditState, NextEdit, next_redo, next_undo
from segstudio.store.schema import annotation, image
from segstudio.store.schema import edit as edits


@dataclass(frozen=True)
class Stroke:
    """Edits in the order in which they are undone or redone.

    `own` is the one of the history that was asked. `run_id` is 0 where only that one is meant.
    """

    edit_ids: tuple[int, ...]
    own: int
    run_id: int = 0


def undoing(connection: Connection, image_id: int) -> Stroke | None:
    """What undoing in an image's history means now; None where there is nothing to undo.

    The whole of a run, where no history that it is in has gone on since, and nothing else uses the
    categories that it brought; else only this history's part.
    """
    row = next_undo(connection, image_id)
    if row is None:
        return None
    whole = undoing_run(connection, row.run_id) if row.run_id else ()
    return Stroke(whole or (row.id,), row.id, row.run_id if len(whole) > 1 else 0)


def undoing_run(connection: Connection, run_id: int) -> tuple[int, ...]:
    """The edits of a run in the order in which they can be undone together; () if they cannot."""
    if not _undone_whole(connection, run_id) or _brought_categories_used(connection, run_id):
        return ()
    return _ordered(connection, _done(run_id))[::-1]


def redoing(connection: Connection, image_id: int) -> Stroke | None:
    """What redoing means now: all of a run that was undone together, or this history's part."""
    row = next_redo(connection, image_id)
    if row is None:
        return None
    if not row.run_id or not _redone_whole(connection, row):
        return Stroke((row.id,), row.id)
    numbers = _ordered(connection, _undone_with(row))
    return Stroke(numbers, row.id, row.run_id if len(numbers) > 1 else 0)


def history(connection: Connection, image_id: int) -> HistoryState:
    """The texts of what would be undone and redone next, with the number of images if many."""
    undo, redo = next_undo(connection, image_id), next_redo(connection, image_id)
    undo_text = redo_text = None
    if undo is not None:
        whole = undo.run_id and _undone_whole(connection, undo.run_id)
        undo_text = _text(connection, undo.text, _done(undo.run_id) if whole else ())
    if redo is not None:
        whole = redo.run_id and _redone_whole(connection, redo)
        redo_text = _text(connection, redo.text, _undone_with(redo) if whole else ())
    return HistoryState(undo_text, redo_text)


_Terms = tuple[ColumnElement[bool], ...]


def _done(run_id: int) -> _Terms:
    return edits.c.run_id == run_id, edits.c.state == EditState.DONE


def _undone_with(row: NextEdit) -> _Terms:
    """The edits of the row's run that were undone at the very moment when it was."""
    return (
        edits.c.run_id == row.run_id,
        edits.c.state == EditState.UNDONE,
        edits.c.state_at == row.state_at,
    )


def _ordered(connection: Connection, members: _Terms) -> tuple[int, ...]:
    """Their ids, so that categories are added before annotations have them, and go after."""
    on_images = select(edits.c.id).where(*members, edits.c.image_id.is_not(None))
    adding: list[int] = []
    removing: list[int] = []
    for number, edit in _of_project(connection, members):
        adds = _brought(edit) or not edit.before.categories
        (adding if adds else removing).append(number)
    return (*adding, *connection.scalars(on_images.order_by(edits.c.id)), *removing)


def _of_project(connection: Connection, members: _Terms) -> list[tuple[int, Edit]]:
    query = select(edits).where(*members, edits.c.image_id.is_(None)).order_by(edits.c.id)
    rows = connection.execute(query).mappings().all()
    return [(row["id"], codec.read(codec.edit_record, row, "edit")) for row in rows]


def _brought(edit: Edit) -> set[int]:
    """The ids of the categories that an edit adds."""
    before = {record.id for record in edit.before.categories}
    return {record.id for record in edit.after.categories} - before


def _text(connection: Connection, text: str, members: _Terms) -> str:
    if not members:
        return text
    count = connection.scalar(select(func.count(edits.c.image_id)).where(*members)) or 0
    return f"{text} ({count} images)" if count > 1 else text


def _undone_whole(connection: Connection, run_id: int) -> bool:
    """Whether each part of the run is the last thing done in its history, or undone already."""
    part, later = edits.alias(), edits.alias()
    same = later.c.image_id.is_not_distinct_from(part.c.image_id)
    overtaken = select(later.c.id).where(
        same,
        later.c.state == EditState.DONE,
        later.c.sequence > part.c.sequence,
        later.c.run_id.is_distinct_from(run_id),
    )
    living = select(later.c.id).where(
        later.c.run_id == run_id, later.c.state != EditState.DROPPED, same
    )
    mine = part.c.run_id == run_id
    gone_on = (
        select(part.c.id).where(mine, part.c.state == EditState.DONE, overtaken.exists()),
        select(part.c.id).where(mine, part.c.state == EditState.DROPPED, ~living.exists()),
    )
    return all(connection.scalar(query.limit(1)) is None for query in gone_on)


def _redone_whole(connection: Connection, row: NextEdit) -> bool:
    """Whether each part undone with this one is the next to redo in its history."""
    part, earlier = edits.alias(), edits.alias()
    overtaken = select(earlier.c.id).where(
        earlier.c.image_id.is_not_distinct_from(part.c.image_id),
        earlier.c.state == EditState.UNDONE,
        earlier.c.sequence < part.c.sequence,
        earlier.c.run_id.is_distinct_from(row.run_id),
    )
    query = select(part.c.id).where(
        part.c.run_id == row.run_id,
        part.c.state == EditState.UNDONE,
        part.c.state_at == row.state_at,
        overtaken.exists(),
    )
    return connection.scalar(query.limit(1)) is None


def _brought_categories_used(connection: Connection, run_id: int) -> bool:
    """Whether an image that the run is not on has annotations of a category that it brought."""
    projects = _of_project(connection, _done(run_id))
    brought = {number for _, edit in projects for number in _brought(edit)}
    if not brought:
        return False
    part = select(edits.c.id).where(*_done(run_id), edits.c.image_id == image.c.id)
    using = select(annotation.c.id).where(
        annotation.c.image_id == image.c.id, annotation.c.category_id.in_(brought)
    )
    query = select(image.c.id).where(~part.exists(), using.exists())
    return connection.scalar(query.limit(1)) is not None

"""Edits of a run carried out many at a time, so that the database is asked once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from segstudio.core.changes import Edit, Records

T = TypeVar("T")

_MOST_EDITS = 100
_MOST_RECORDS = 2000  # memory stays level, whatever one image holds


def groups(items: Iterable[T], edit_of: Callable[[T], Edit]) -> Iterator[list[T]]:
    """The items in their order, cut into neighbours whose edits may be carried out as one.

    No two of a group touch the same record or stand in the same history. An edit of categories,
    which others may need, and one in the project's own history is a group by itself.
    """
    waiting: list[T] = []
    touched: set[tuple[str, int]] = set()
    for item in items:
        edit = edit_of(item)
        alone = not edit.image_id or bool(edit.before.categories or edit.after.categories)
        own = _touched(edit)
        full = len(waiting) == _MOST_EDITS or len(touched) + len(own) > _MOST_RECORDS
        if waiting and (alone or full or not touched.isdisjoint(own)):
            yield waiting
            waiting, touched = [], set()
        waiting.append(item)
        touched |= own
        if alone:
            yield waiting
            waiting, touched = [], set()
    if waiting:
        yield waiting


def _touched(edit: Edit) -> set[tuple[str, int]]:
    sides = (edit.before, edit.after)
    return {
        ("history", edit.image_id),
        *(("annotation", record.id) for side in sides for record in side.annotations),
        *(("image", record.id) for side in sides for record in side.images),
    }


def joined(edits: Sequence[Edit]) -> Edit:
    """One edit, of no history, that does what those of a group do."""
    if len(edits) == 1:
        return edits[0]
    return Edit(
        edits[0].text,
        0,
        _joined([edit.before for edit in edits]),
        _joined([edit.after for edit in edits]),
    )


def _joined(sides: Sequence[Records]) -> Records:
    return Records(
        annotations=tuple(record for side in sides for record in side.annotations),
        images=tuple(record for side in sides for record in side.images),
    )

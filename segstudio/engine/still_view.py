"""A project held still while it is read at length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from segstudio.core.errors import SegStudioError
from segstudio.core.project_view import ProjectView
from segstudio.store.reading import ProjectReading
from segstudio.store.snapshot import ProjectSnapshot

View = TypeVar("View", bound=ProjectView)


@contextmanager
def at_one_moment(view: View) -> Iterator[View | ProjectSnapshot]:
    """The project as it is now, however people go on working on it.

    Where that cannot be had (the file was moved away under the open project), the project itself.
    """
    snapshot = None
    if isinstance(view, ProjectReading) and not isinstance(view, ProjectSnapshot):
        try:
            snapshot = ProjectSnapshot.take(view.path)
        except SegStudioError:
            snapshot = None
    try:
        yield snapshot or view
    finally:
        if snapshot is not None:
            snapshot.close()

"""Edits and changes as data: what was touched, before and after. Nobody calls a panel."""

from __future__ import annotations

from dataclasses import dataclass, replace

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import ImageRecord


@dataclass(frozen=True)
class Records:
    """Rows of a project at one moment."""

    annotations: tuple[Annotation, ...] = ()
    categories: tuple[Category, ...] = ()
    images: tuple[ImageRecord, ...] = ()


@dataclass(frozen=True)
class Edit:
    """One undoable change.

    `before` and `after` hold every row that the edit touches, as it was and as it became: a row
    only in `before` is deleted, one only in `after` is added, one in both is replaced.
    `image_id` is the image in whose history the edit stands. `text` is what the user reads
    ("Accept mask"). Images are never added or deleted by an edit, only replaced. `run_id` is that
    of the run (an import) which changed other images along with this one; 0: only what is here.
    """

    text: str
    image_id: int
    before: Records
    after: Records
    run_id: int = 0

    def inverted(self) -> Edit:
        """The edit that undoes this one."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True)
class HistoryState:
    """What can be undone and redone on one image: the texts of the next steps, or None."""

    undo: str | None = None
    redo: str | None = None


@dataclass(frozen=True)
class HistoryStep:
    """One edit in an image's history, as it is listed.

    `sequence` counts the edits of the image from 1; steps that were dropped leave gaps. `made_at`
    is in seconds since 1970, `user` whose login made it.
    """

    sequence: int
    text: str
    made_at: float
    user: str = ""


@dataclass(frozen=True)
class HistoryLine:
    """The steps that one can go to, oldest first, and where one stands.

    Steps up to the sequence `at` are done, later ones are undone; 0 is before the first. `total`
    counts all of them, also where `steps` are only the later ones.
    """

    steps: tuple[HistoryStep, ...] = ()
    at: int = 0
    total: int = 0

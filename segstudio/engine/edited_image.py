"""The open image: what it is at one moment, and the steps that lead from one to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, HistoryLine, HistoryState, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.store.project import ProjectStore


class _Row(Protocol):
    @property
    def id(self) -> int: ...


RowT = TypeVar("RowT", bound=_Row)


@dataclass(frozen=True)
class Snapshot:
    """An image at one moment. Annotations are by depth (lowest first), then id."""

    image: ImageRecord
    annotations: tuple[Annotation, ...]
    categories: tuple[Category, ...]
    history: HistoryState

    @classmethod
    def read(cls, store: ProjectStore, image_id: int) -> Snapshot:
        """What the project file holds now."""
        return cls(
            image=store.image(image_id),
            annotations=tuple(store.annotations(image_id)),
            categories=tuple(store.categories()),
            history=store.history(image_id),
        )

    def keeping(self, old: Snapshot) -> Snapshot:
        """The same with the very annotations of `old`, or at least masks, where they are equal.

        Masks then keep what was found out about them, and who shows them sees what changed.
        """
        known = {row.id: row for row in old.annotations}
        return replace(
            self, annotations=tuple(_kept(row, known.get(row.id)) for row in self.annotations)
        )

    def category(self, category_id: int) -> Category:
        """Raises BadInputError if there is none with this id."""
        for category in self.categories:
            if category.id == category_id:
                return category
        raise BadInputError("That category is no longer in the project; choose another one.")

    def chosen(self, ids: Iterable[int]) -> tuple[Annotation, ...]:
        """The annotations of these ids, by depth. Raises BadInputError if one is not here."""
        wanted = set(ids)
        found = tuple(row for row in self.annotations if row.id in wanted)
        if len(found) != len(wanted):
            raise BadInputError("That annotation is no longer on the image; choose another one.")
        return found

    def changeable(self, ids: Iterable[int]) -> tuple[Annotation, ...]:
        """Those of `chosen` that are not locked. Raises BadInputError where all of them are."""
        found = self.chosen(ids)
        free = tuple(row for row in found if not row.locked)
        if found and not free:
            raise BadInputError(
                "That annotation is locked; unlock it first."
                if len(found) == 1
                else f"All {len(found)} of those annotations are locked; unlock them first."
            )
        return free

    def after(self, edit: Edit, history: HistoryState) -> Snapshot:
        """This snapshot once `edit` has been applied."""
        before, after = edit.before, edit.after
        own = tuple(row for row in after.annotations if row.image_id == self.image.id)
        annotations = _replaced(self.annotations, before.annotations, own)
        images = {row.id: row for row in after.images}
        return Snapshot(
            image=images.get(self.image.id, self.image),
            annotations=tuple(sorted(annotations, key=lambda row: (row.z_order, row.id))),
            categories=_replaced(self.categories, before.categories, after.categories),
            history=history,
        )


class EditedImage:
    """One image of a project, its undoable steps, and how one of them is stored.

    Every method runs synchronously and one at a time; the GUI calls them on the store lane.
    `snapshot`, `image`, `annotations`, `categories` and `history` never wait and may be read from
    any thread. Where the store refuses an edit, nothing changes here either.
    """

    def __init__(self, store: ProjectStore, image_id: int) -> None:
        self._store = store
        self._lock = threading.RLock()
        self.snapshot = Snapshot.read(store, image_id)

    @property
    def image(self) -> ImageRecord:
        return self.snapshot.image

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """By depth: later ones lie in front."""
        return self.snapshot.annotations

    @property
    def categories(self) -> tuple[Category, ...]:
        """The project's categories, by id."""
        return self.snapshot.categories

    @property
    def history(self) -> HistoryState:
        return self.snapshot.history

    # -- history --------------------------------------------------------------------------------

    def undo(self) -> Edit | None:
        """Undo the image's last edit; the change that was made (the edit inverted), or None."""
        with self._lock:
            return self._follow(self._store.undo(self.image.id))

    def redo(self) -> Edit | None:
        """Redo the edit undone last; the change that was made, or None."""
        with self._lock:
            return self._follow(self._store.redo(self.image.id))

    def go_to(self, sequence: int) -> Edit | None:
        """Go back or forward to a step of the history; 0 is before the first.

        What changed all in all, or None where one stands there already. Raises BadInputError for
        a step that is no longer in the history.
        """
        with self._lock:
            return self._follow(self._store.go_to(self.image.id, sequence))

    def history_line(self, after: int = 0) -> HistoryLine:
        """The steps past the sequence `after` and where one stands, read from the project file."""
        return self._store.history_line(self.image.id, after)

    def carry_out(self, plan: Callable[[Snapshot], Edit | None]) -> Edit | None:
        """Store the edit that `plan` makes after a look at the image; None where it wants nothing.

        The plan sees to locks and partition itself (`pixel_rights.with_rights`).
        """
        with self._lock:
            wanted = plan(self.snapshot)
            return None if wanted is None else self._store_edit(wanted)

    # -- changes from elsewhere -----------------------------------------------------------------

    def refresh(self) -> None:
        """Read the image anew, after a run changed the project."""
        with self._lock:
            self.snapshot = Snapshot.read(self._store, self.image.id).keeping(self.snapshot)

    @contextmanager
    def changed_elsewhere(self) -> Iterator[None]:
        """Let edits of this image wait while a run changes the project, then read it anew.

        Without, an edit asked for meanwhile would be made of what was there before the run.
        """
        with self._lock:
            try:
                yield
            finally:
                self.refresh()

    # -- inside, with the lock held ---------------------------------------------------------------

    def _commit(
        self,
        text: str,
        before: tuple[Annotation, ...],
        after: tuple[Annotation, ...],
        state: ImageState | None = None,
    ) -> Edit:
        old = (self.image,) if state is not None else ()
        new = (replace(self.image, state=state),) if state is not None else ()
        return self._store_edit(
            Edit(text, self.image.id, Records(before, images=old), Records(after, images=new))
        )

    def _store_edit(self, edit: Edit) -> Edit:
        self.snapshot = self.snapshot.after(edit, self._store.commit(edit))
        return edit

    def _follow(self, edit: Edit | None) -> Edit | None:
        if edit is not None:
            # Read, not applied: the store takes back what the edit changed and keeps what has
            # changed since in the same rows (a moved file's path).
            self.snapshot = Snapshot.read(self._store, self.image.id).keeping(self.snapshot)
        return edit


def _kept(row: Annotation, old: Annotation | None) -> Annotation:
    if old is None or row.mask != old.mask:
        return row
    return old if row == old else replace(row, mask=old.mask)


def _replaced(
    rows: Sequence[RowT], before: Sequence[RowT], after: Sequence[RowT]
) -> tuple[RowT, ...]:
    gone = {row.id for row in before} | {row.id for row in after}
    kept = [row for row in rows if row.id not in gone]
    return tuple(sorted([*kept, *after], key=lambda row: row.id))

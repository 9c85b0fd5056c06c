"""The open image: its annotations, the project's categories, and its history."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, HistoryState, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate, Prompt
from segstudio.engine.category_choice import check_category, new_category, with_key_moved
from segstudio.engine.refining import Refinement
from segstudio.store.project import ProjectStore

_STATE_TEXTS = {
    ImageState.TODO: "Mark as to do",
    ImageState.LABELLED: "Mark as labelled",
    ImageState.REVIEWED: "Mark as reviewed",
    ImageState.REJECTED: "Reject image",
}


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


class ImageSession:
    """Changes to one image, each an undoable edit that is stored before it is seen.

    Every method runs synchronously and one at a time; the GUI calls them on the store lane.
    `snapshot`, `image`, `annotations`, `categories` and `history` never wait and may be read from
    any thread. Where the store refuses an edit, nothing changes here either. All methods raise
    StorageError from the store, and BadInputError for ids that are not of this image or project.

    Locked annotations stay as they are: an edit of several leaves them out, an edit of none but
    locked ones is refused with BadInputError. Locking and unlocking are edits like others, so
    undoing leads through the unlocked state before it reaches what was done before the lock.
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

    # -- annotations ----------------------------------------------------------------------------

    def accept(
        self,
        candidates: Sequence[Candidate],
        category_id: int,
        *,
        tool: str,
        model_key: str = "",
        prompt: Prompt | None = None,
        stage: Stage = Stage.ASSISTED,
        seconds: float = 0.0,
        attributes: Mapping[str, Any] | None = None,
    ) -> Edit:
        """Make annotations of the candidates, in front of all others, as one undo step.

        An image that was to do becomes labelled in the same step. `seconds` is what a person spent
        on all of them together. Raises BadInputError for masks that are empty or of another size.
        """
        with self._lock:
            self.snapshot.category(category_id)
            masks = [candidate.mask for candidate in candidates]
            _check_masks(masks, self.image.size)
            now, top = time.time(), max((row.z_order for row in self.annotations), default=-1)
            made = tuple(
                Annotation(
                    id=self._store.new_annotation_id(),
                    image_id=self.image.id,
                    category_id=category_id,
                    mask=candidate.mask,
                    z_order=top + step,
                    attributes=dict(attributes or {}),
                    stage=stage,
                    tool=tool,
                    model_key=model_key,
                    prompt=prompt,
                    predicted_iou=candidate.predicted_iou,
                    stability=candidate.stability,
                    seconds=seconds / len(candidates),
                    created_at=now,
                    updated_at=now,
                )
                for step, candidate in enumerate(candidates, start=1)
            )
            text = "Accept mask" if len(made) == 1 else f"Accept {len(made)} masks"
            labelled = self.image.state is ImageState.TODO
            return self._commit(text, (), made, ImageState.LABELLED if labelled else None)

    def delete(self, ids: Iterable[int]) -> Edit | None:
        """Delete annotations; with the last one, a labelled or reviewed image is to do again."""
        with self._lock:
            gone = self.snapshot.changeable(ids)
            if not gone:
                return None
            emptied = len(gone) == len(self.annotations)
            worked_on = self.image.state in (ImageState.LABELLED, ImageState.REVIEWED)
            text = "Delete annotation" if len(gone) == 1 else f"Delete {len(gone)} annotations"
            return self._commit(text, gone, (), ImageState.TODO if emptied and worked_on else None)

    def set_category(self, ids: Iterable[int], category_id: int) -> Edit | None:
        """Give annotations a category; None where they all have it already."""
        with self._lock:
            name = self.snapshot.category(category_id).name
            free = self.snapshot.changeable(ids)
            old = tuple(row for row in free if row.category_id != category_id)
            now = time.time()
            new = tuple(replace(row, category_id=category_id, updated_at=now) for row in old)
            return self._commit(f"Change category to {name}", old, new) if old else None

    def change_mask(
        self, annotation_id: int, mask: Mask, refinement: Refinement | None = None
    ) -> Edit | None:
        """Give one annotation another mask; None where it has that mask already.

        A `refinement` says which model made the mask from the old one: its key, prompt (whose prior
        is the old mask) and scores become the annotation's, and the stage is assisted, as a person
        led it; `tool` goes on to say what made the annotation in the first place.
        """
        with self._lock:
            (old,) = self.snapshot.changeable([annotation_id])
            _check_masks([mask], self.image.size)
            if old.mask == mask:
                return None
            new = replace(old, mask=mask, updated_at=time.time())
            if refinement is not None:
                new = refinement.noted(new)
            return self._commit("Refine mask" if refinement else "Change mask", (old,), (new,))

    def reorder(self, ids: Iterable[int], to_front: bool) -> Edit | None:
        """Bring annotations before all others, or behind; None where they are there already.

        Among themselves they keep their order.
        """
        with self._lock:
            moved = self.snapshot.changeable(ids)
            rest = tuple(row for row in self.annotations if row not in moved)
            wanted = (*rest, *moved) if to_front else (*moved, *rest)
            if not moved or wanted == self.annotations:
                return None
            levels = [row.z_order for row in rest]
            first = max(levels) + 1 if to_front else min(levels) - len(moved)
            new = tuple(replace(row, z_order=first + step) for step, row in enumerate(moved))
            return self._commit("Bring to front" if to_front else "Send to back", moved, new)

    def set_locked(self, ids: Iterable[int], locked: bool) -> Edit | None:
        """Lock annotations or unlock them; None where they all are so already."""
        with self._lock:
            old = tuple(row for row in self.snapshot.chosen(ids) if row.locked != locked)
            new = tuple(replace(row, locked=locked) for row in old)
            many = "annotation" if len(old) == 1 else f"{len(old)} annotations"
            return (
                self._commit(f"{'Lock' if locked else 'Unlock'} {many}", old, new) if old else None
            )

    def set_state(self, state: ImageState) -> Edit | None:
        """Say how far the work on the image is; None where it is that far already."""
        with self._lock:
            if self.image.state is state:
                return None
            return self._commit(_STATE_TEXTS[state], (), (), state)

    # -- categories -----------------------------------------------------------------------------

    def add_category(
        self, name: str, colour: str | None = None, *, isthing: bool = True, supercategory: str = ""
    ) -> Edit:
        """Add a category, with the next free colour and digit key unless told another colour.

        Raises BadInputError for a name that is empty or taken, or for text that is no colour.
        """
        with self._lock:
            made = new_category(self._store.new_category_id(), name, self.categories, colour)
            made = replace(made, isthing=isthing, supercategory=supercategory)
            return self._store_edit(
                _category_edit(f"Add category {made.name}", self.image.id, (), (made,))
            )

    def change_category(self, category: Category) -> Edit | None:
        """Store a category's new name, colour, key, ...; None where nothing differs.

        A digit that another category had is swapped with it. Raises BadInputError as above.
        """
        with self._lock:
            old = self.snapshot.category(category.id)
            new = check_category(category, self.categories)
            if new == old:
                return None
            before, after = with_key_moved(old, new, self.categories)
            return self._store_edit(
                _category_edit(f"Change category {old.name}", self.image.id, before, after)
            )

    def delete_category(self, category_id: int) -> Edit:
        """Delete a category. Raises BadInputError while any annotation of the project has it."""
        with self._lock:
            old = self.snapshot.category(category_id)
            used = self._store.category_counts().get(category_id, 0)
            if used:
                raise BadInputError(
                    f"{used} annotation{'s have' if used > 1 else ' has'} the category "
                    f"{old.name}; give {'them' if used > 1 else 'it'} another one first."
                )
            return self._store_edit(
                _category_edit(f"Delete category {old.name}", self.image.id, (old,), ())
            )

    # -- history --------------------------------------------------------------------------------

    def undo(self) -> Edit | None:
        """Undo the image's last edit; the change that was made (the edit inverted), or None."""
        with self._lock:
            return self._follow(self._store.undo(self.image.id))

    def redo(self) -> Edit | None:
        """Redo the edit undone last; the change that was made, or None."""
        with self._lock:
            return self._follow(self._store.redo(self.image.id))

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
            self.snapshot = Snapshot.read(self._store, self.image.id)
        return edit


def _category_edit(
    text: str, image_id: int, before: tuple[Category, ...], after: tuple[Category, ...]
) -> Edit:
    return Edit(text, image_id, Records(categories=before), Records(categories=after))


def _check_masks(masks: Sequence[Mask], size: tuple[int, int]) -> None:
    """Raises BadInputError unless there are masks, of that (H, W), none of them empty."""
    if not masks:
        raise BadInputError("There is no mask to accept; prompt the model first.")
    for mask in masks:
        if mask.size != size:
            raise BadInputError(
                f"The mask is {mask.size[1]} x {mask.size[0]} pixels where the image is "
                f"{size[1]} x {size[0]}; open the image again."
            )
        if not mask.area:
            raise BadInputError("The mask is empty; add a point on the object first.")


def _replaced(
    rows: Sequence[RowT], before: Sequence[RowT], after: Sequence[RowT]
) -> tuple[RowT, ...]:
    gone = {row.id for row in before} | {row.id for row in after}
    kept = [row for row in rows if row.id not in gone]
    return tuple(sorted([*kept, *after], key=lambda row: row.id))

"""The open image: changes to its annotations and to the project's categories."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate, Prompt
from segstudio.engine.category_choice import check_category, new_category, with_key_moved
from segstudio.engine.depth import at_depth, step_behind
from segstudio.engine.edited_image import EditedImage, Snapshot
from segstudio.engine.mask_change import MaskChange, rows_of
from segstudio.engine.partition import SETTING
from segstudio.engine.pixel_rights import with_rights
from segstudio.engine.refining import Refinement

_STATE_TEXTS = {
    ImageState.TODO: "Mark as to do",
    ImageState.LABELLED: "Mark as labelled",
    ImageState.REVIEWED: "Mark as reviewed",
    ImageState.REJECTED: "Reject image",
}


class ImageSession(EditedImage):
    """Changes to one image, each an undoable edit that is stored before it is seen.

    All methods raise StorageError from the store, and BadInputError for ids that are not of this
    image or project.

    Locked annotations stay as they are: an edit of several leaves them out, an edit of none but
    locked ones is refused with BadInputError. Locking and unlocking are edits like others, so
    undoing leads through the unlocked state before it reaches what was done before the lock.
    A locked annotation's pixels are added to no other one, and in partition mode annotations share
    the image without gaps and overlaps (`pixel_rights.with_rights`); deleting leaves its pixels
    unlabelled.
    """

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
        on all of them together. A mask that lies wholly under locked annotations is left out.
        Raises BadInputError where that leaves none, and for masks that are empty or of another
        size.
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
            before, after = self._with_rights((), made, now)
            kept = sum(row.z_order > top for row in after)
            text = "Accept mask" if kept == 1 else f"Accept {kept} masks"
            labelled = self.image.state is ImageState.TODO
            return self._commit(text, before, after, ImageState.LABELLED if labelled else None)

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
        led it; `tool` goes on to say what made the annotation in the first place. Raises
        BadInputError where all that it would add is locked.
        """
        with self._lock:
            (old,) = self.snapshot.changeable([annotation_id])
            _check_masks([mask], self.image.size)
            if old.mask == mask:
                return None
            now = time.time()
            new = replace(old, mask=mask, updated_at=now)
            if refinement is not None:
                new = refinement.noted(new)
            before, after = self._with_rights((old,), (new,), now)
            return self._commit("Refine mask" if refinement else "Change mask", before, after)

    def change(self, plan: Callable[[Snapshot], MaskChange | None]) -> Edit | None:
        """Change masks as `plan` wants it after a look at the image; None where it wants nothing.

        One undo step. An image that was to do becomes labelled with its first annotation, and is
        to do again without any. Raises BadInputError if only locked annotations would change, or
        for masks of another size.
        """
        with self._lock:
            wanted = plan(self.snapshot)
            if wanted is None:
                return None
            free = {row.id for row in self.snapshot.changeable(wanted.touched)}
            masks = {id_: mask for id_, mask in wanted.masks.items() if id_ in free}
            gone = tuple(id_ for id_ in wanted.gone if id_ in free)
            change = replace(wanted, masks=masks, gone=gone)
            sized = [*masks.values(), *(row.mask for row in change.made)]
            if any(mask.size != self.image.size for mask in sized):
                raise BadInputError("A mask is of another size than the image; open it again.")
            new_id, now = self._store.new_annotation_id, time.time()
            before, after = rows_of(change, self.annotations, self.image.id, new_id, now)
            if not before and not after:
                return None
            before, after = self._with_rights(before, after, now)
            left = len(self.annotations) - len(before) + len(after)
            return self._commit(change.text, before, after, state_with(left, self.image.state))

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

    def put_at_depth(self, ids: Iterable[int], behind: int) -> Edit | None:
        """Put annotations right in front of so many of the others; None where they are there."""
        with self._lock:
            moved = {row.id for row in self.snapshot.changeable(ids)}
            before, after = at_depth(self.annotations, moved, behind)
            return self._commit("Change the order", before, after) if before else None

    def step_in_depth(self, ids: Iterable[int], forward: bool) -> Edit | None:
        """Bring annotations one step forward or backward; None where they cannot go further."""
        with self._lock:
            moved = {row.id for row in self.snapshot.changeable(ids)}
            behind = step_behind(self.annotations, moved, forward=forward)
            before, after = at_depth(self.annotations, moved, behind)
            text = "Bring forward" if forward else "Send backward"
            return self._commit(text, before, after) if before else None

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

    def _with_rights(
        self, before: tuple[Annotation, ...], after: tuple[Annotation, ...], now: float
    ) -> tuple[tuple[Annotation, ...], tuple[Annotation, ...]]:
        """The gate that every change of masks goes through: locks, and the project's partition."""
        partition = self._store.setting(SETTING, False) is True
        return with_rights(self.annotations, before, after, partition=partition, now=now)

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


def _category_edit(
    text: str, image_id: int, before: tuple[Category, ...], after: tuple[Category, ...]
) -> Edit:
    return Edit(text, image_id, Records(categories=before), Records(categories=after))


def state_with(annotations: int, state: ImageState) -> ImageState | None:
    """The state that an image with so many annotations gets; None where it keeps its own."""
    if annotations and state is ImageState.TODO:
        return ImageState.LABELLED
    if not annotations and state in (ImageState.LABELLED, ImageState.REVIEWED):
        return ImageState.TODO
    return None


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

"""Operations on selected annotations, as plans for `ImageSession.change`: one undo step each.

A plan looks at the image when it is carried out, on the store lane, so it finds what quicker edits
before it have made. Locked annotations stay as they are, and so does one of which nothing would be
left: where that leaves nothing to do at all, BadInputError says so. Ids are in the order in which
they were selected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.engine.edited_image import Snapshot
from segstudio.engine.mask_change import MaskChange
from segstudio.engine.superpixel_map import SuperpixelMap
from segstudio.imaging.mask_parts import mask_parts, part_count

MOST_PARTS = 1000  # of one annotation that are split: more are crumbs, not objects

Plan = Callable[[Snapshot], MaskChange | None]
Reshape = Callable[[Mask], Mask]


# -- several become one --------------------------------------------------------------------------


def united(ids: Sequence[int]) -> Plan:
    """The first one gets the pixels of all others, which go; locked others are left out."""

    def plan(snapshot: Snapshot) -> MaskChange:
        first, others = _first_and_others(snapshot, ids)
        free = [row for row in others if not row.locked]
        if not free:
            raise BadInputError("All the others are locked; unlock one to unite it.")
        mask = reduce(Mask.union, (row.mask for row in free), first.mask)
        gone = tuple(row.id for row in free)
        return MaskChange(f"Unite {len(free) + 1} annotations", {first.id: mask}, gone=gone)

    return plan


def subtracted(ids: Sequence[int]) -> Plan:
    """The first one loses the pixels of all others, which stay."""

    def plan(snapshot: Snapshot) -> MaskChange | None:
        first, others = _first_and_others(snapshot, ids)
        mask = reduce(Mask.subtract, (row.mask for row in others), first.mask)
        if not mask.area:
            raise BadInputError("Nothing would be left of the first one; delete it instead.")
        many = "an annotation" if len(others) == 1 else f"{len(others)} annotations"
        return MaskChange(f"Subtract {many}", {first.id: mask}) if mask != first.mask else None

    return plan


def intersected(ids: Sequence[int]) -> Plan:
    """The first one keeps what all of them share; the others go, but for locked ones."""

    def plan(snapshot: Snapshot) -> MaskChange:
        first, others = _first_and_others(snapshot, ids)
        mask = reduce(Mask.intersect, (row.mask for row in others), first.mask)
        if not mask.area:
            raise BadInputError("These annotations share no pixel; nothing would be left of them.")
        gone = tuple(row.id for row in others if not row.locked)
        return MaskChange(f"Intersect {len(ids)} annotations", {first.id: mask}, gone=gone)

    return plan


def _first_and_others(
    snapshot: Snapshot, ids: Sequence[int]
) -> tuple[Annotation, tuple[Annotation, ...]]:
    """The one that gets the result, and the others, in the order of `ids`."""
    rows = {row.id: row for row in snapshot.chosen(ids)}
    if len(rows) < 2:
        raise BadInputError("Select two annotations or more; the first one gets the result.")
    first, *others = (rows[id_] for id_ in dict.fromkeys(ids))
    if first.locked:
        raise BadInputError("The first one selected is locked; unlock it, or select another first.")
    return first, tuple(others)


# -- one becomes several -------------------------------------------------------------------------


def split(ids: Sequence[int]) -> Plan:
    """Each one becomes one annotation for each part that hangs together (at corners too).

    The largest part stays the annotation that it was; the others are like it and lie at its depth.
    """

    def plan(snapshot: Snapshot) -> MaskChange | None:
        masks: dict[int, Mask] = {}
        made: list[Annotation] = []
        for row in snapshot.changeable(ids):
            count = part_count(row.mask)
            if count > MOST_PARTS:
                raise BadInputError(
                    f"That annotation has {count} parts, which are too many to split; "
                    "remove its crumbs first."
                )
            if count > 1:
                masks[row.id], *rest = mask_parts(row.mask)
                made += [replace(row, mask=mask) for mask in rest]
        if not made:
            return None
        text = f"Split into {len(masks) + len(made)} parts"
        return MaskChange(text, masks, tuple(made), keeps_depth=True)

    return plan


def duplicated(ids: Sequence[int]) -> Plan:
    """Each one once more, in front of all others."""

    def plan(snapshot: Snapshot) -> MaskChange | None:
        made = tuple(copy_of(row) for row in snapshot.changeable(ids))
        many = "annotation" if len(made) == 1 else f"{len(made)} annotations"
        return MaskChange(f"Duplicate {many}", made=made) if made else None

    return plan


def copied(rows: Sequence[Annotation], size: tuple[int, int]) -> Plan:
    """Annotations of an image of `size` (H, W) on another one of the same size, in front of all.

    The plan raises BadInputError where the sizes differ. What a model said of the old image (the
    prompt and its scores) is not true of the new one and stays behind.
    """

    def plan(snapshot: Snapshot) -> MaskChange | None:
        other = snapshot.image.size
        if other != size:
            raise BadInputError(
                f"{snapshot.image.path} has {other[1]} x {other[0]} pixels where this image has "
                f"{size[1]} x {size[0]}; masks are copied between images of one size only."
            )
        made = tuple(
            replace(copy_of(row), prompt=None, predicted_iou=None, stability=None) for row in rows
        )
        many = "annotation" if len(made) == 1 else f"{len(made)} annotations"
        return MaskChange(f"Copy {many} from another image", made=made) if made else None

    return plan


def copy_of(row: Annotation) -> Annotation:
    """Like it, but nobody has locked or reviewed it or spent time on it."""
    return replace(row, locked=False, review="", seconds=0.0)


# -- each by itself ------------------------------------------------------------------------------


def reshaped(ids: Sequence[int], text: str, reshape: Reshape) -> Plan:
    """Each mask becomes what `reshape` makes of it; `text` is what undo and the history say.

    None where that changes nothing. Raises BadInputError where nothing would be left of any.
    """

    def plan(snapshot: Snapshot) -> MaskChange | None:
        rows = snapshot.changeable(ids)
        masks = {row.id: reshape(row.mask) for row in rows}
        if rows and not any(mask.area for mask in masks.values()):
            raise BadInputError("Nothing would be left of it; delete it instead.")
        changed = {row.id: masks[row.id] for row in rows if masks[row.id] != row.mask}
        left = {id_: mask for id_, mask in changed.items() if mask.area}
        return MaskChange(text, left) if left else None

    return plan


def snapped(mask: Mask, superpixels: SuperpixelMap) -> Mask:
    """The mask as whole superpixels: those of which at least half is in it.

    So its outline lies on the superpixels' borders, no further from the old one than they allow;
    what is small against one superpixel may vanish. Costs what the mask's superpixels cover.
    Raises BadInputError for superpixels of an image of another size.
    """
    if mask.size != superpixels.size:
        raise BadInputError("These superpixels are of another image; open it again.")
    x0, y0, x1, y1 = (int(value) for value in mask.box)
    if not mask.area:
        return mask
    inside = superpixels.crop((x0, y0, x1, y1))[mask.crop(x0, y0, x1, y1)]
    counts = np.bincount(inside, minlength=superpixels.count)
    chosen = np.flatnonzero((counts > 0) & (2 * counts >= superpixels.areas))
    patch = superpixels.patch(tuple(int(number) for number in chosen))
    return patch.mask(mask.size) if patch is not None else Mask.empty(mask.size)

"""Whose pixels are whose: what a step may do to an image's masks, given locks and partition mode.

Every step that makes or changes masks goes through `with_rights`. Nothing else needs to know of
locks or of partition mode. Work is done on runs, and only on annotations whose boxes meet what
changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.mask_difference import boxes_meet, flipped, shared, without
from segstudio.engine.partition import Claim, without_gaps_and_overlaps

Rows = tuple[Annotation, ...]


def with_rights(
    annotations: Rows, before: Rows, after: Rows, *, partition: bool, now: float
) -> tuple[Rows, Rows]:
    """A step's rows before and after, once every annotation has got its right.

    `annotations` are all of the image, by depth. `before` are those of them that the step changes
    or takes away, none of them locked; `after` are what they become, and new ones. `now` is in
    seconds since 1970.

    Pixels of locked annotations are not added to others. With `partition`, what is added is taken
    from all others that are not locked, and what is removed is given to the neighbours that touch
    it (`partition.without_gaps_and_overlaps`): both come back with the rows. A mask of which
    nothing is left is not made; an annotation that was changed to one stays as it was, and one
    that others covered wholly goes.

    Raises BadInputError if the step wanted something and nothing may be done of it.
    """
    touched = {row.id for row in before}
    others = [row for row in annotations if row.id not in touched]
    claims = _claims(before, after)
    for claim in claims:
        _leave_locked(claim, [row for row in others if row.locked])
    claims = [claim for claim in claims if claim.old != claim.new]
    changed: dict[int, Mask] = {}
    if partition:
        locked = [row.mask for row in others if row.locked]
        free = {row.id: row.mask for row in others if not row.locked}
        changed = without_gaps_and_overlaps(claims, free, locked)
    rows = _rows((*before, *others), after, claims, changed, now)
    if (before or after) and not (rows[0] or rows[1]):
        _refuse(before, after)
    return rows


def without_locked(mask: Mask, annotations: Rows) -> Mask:
    """What is left of a new mask beside the locked ones of an image's annotations."""
    for row in annotations:
        if row.locked and boxes_meet(row.mask, mask):
            mask = without(mask, row.mask)
    return mask


def _claims(before: Rows, after: Rows) -> list[Claim]:
    old = {row.id: row.mask for row in before}
    size = next((row.mask.size for row in (*before, *after)), (0, 0))
    kept = {row.id for row in after}
    empty = Mask.empty(size)
    claims = [Claim(row.id, old.get(row.id, empty), row.mask, row.z_order) for row in after]
    gone = [Claim(row.id, row.mask, empty, row.z_order) for row in before if row.id not in kept]
    return [*claims, *gone]


def _leave_locked(claim: Claim, locked: Sequence[Annotation]) -> None:
    wanted = claim.new
    for row in locked:
        added = claim.added
        if boxes_meet(row.mask, added):
            held = shared(row.mask, added)
            if held.area:
                claim.set_new(flipped(claim.new, held))
    if wanted.area and not claim.new.area:
        claim.set_new(claim.old)


def _rows(
    existing: Rows, after: Rows, claims: Sequence[Claim], changed: dict[int, Mask], now: float
) -> tuple[Rows, Rows]:
    masks = {claim.id: claim.new for claim in claims} | changed
    wanted = {row.id: row for row in after}
    known = {row.id for row in existing}
    gone = {id_ for id_, mask in masks.items() if not mask.area}
    old = tuple(row for row in existing if row.id in masks)
    new = []
    for row in old:
        if row.id not in gone:
            base = wanted.get(row.id) or replace(row, updated_at=now)
            new.append(replace(base, mask=masks[row.id]))
    made = [row for row in after if row.id not in known and row.id in masks]
    new += [replace(row, mask=masks[row.id]) for row in made if row.id not in gone]
    return old, tuple(new)


def _refuse(before: Rows, after: Rows) -> None:
    known = {row.id for row in before}
    made = sum(row.id not in known for row in after)
    if made == len(after) == 1:
        sentence = "The mask lies wholly under locked annotations; unlock them first."
    elif made == len(after) and made:
        sentence = f"All {made} masks lie wholly under locked annotations; unlock them first."
    else:
        sentence = "All those pixels belong to locked annotations; unlock them first."
    raise BadInputError(sentence)

"""Partition mode: the annotations of an image share its pixels without gaps and overlaps.

A step's own annotations are its claims. What a claim adds is taken from whoever has it, and what
it gives up goes to the neighbours: moving a border moves it for both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import distance_transform_edt

from segstudio.core.mask import Mask
from segstudio.core.mask_difference import boxes_meet, difference, flipped, shared
from segstudio.imaging.mask_parts import mask_parts

NEAREST_PIXELS = 1 << 24  # of a larger part, distances would take too much memory and time
SETTING = "partition_mode"  # its name among the project's settings


@dataclass
class Claim:
    """An annotation's mask before a step and after it; empty before it is made, and once gone.

    `depth` is its z order. Change `new` with `set_new` only.
    """

    id: int
    old: Mask
    new: Mask
    depth: int

    def set_new(self, mask: Mask) -> None:
        self.new = mask
        for name in ("changed", "added", "removed"):
            self.__dict__.pop(name, None)

    @cached_property
    def changed(self) -> Mask:
        return difference(self.old, self.new)

    @cached_property
    def added(self) -> Mask:
        return shared(self.new, self.changed)

    @cached_property
    def removed(self) -> Mask:
        return shared(self.old, self.changed)


def without_gaps_and_overlaps(
    claims: Sequence[Claim], free: Mapping[int, Mask], locked: Sequence[Mask]
) -> dict[int, Mask]:
    """Bring a step's claims and the annotations around them together; the masks that change too.

    `free` are the other annotations that are not locked, by id; `locked` only count as covering
    what they cover, and no claim adds pixels of theirs. The claims' `new` masks are changed in
    place.

    A pixel that several claims want stays with the one that had it; else the smallest gets it,
    so that an object is not lost under the one around it. A connected part of what was given up,
    and that nobody covers, goes to those that touch it along an edge and lost nothing of it, each
    pixel to the nearest. Where there is none, it becomes unlabelled.
    """
    _share_out(claims)
    masks = dict(free)
    for claim in claims:
        _take(claim.added, masks)
    gap = _uncovered(claims, [*masks.values(), *locked])
    for part in mask_parts(gap):
        _give(part, claims, masks)
    return {id_: mask for id_, mask in masks.items() if mask is not free[id_]}


def _share_out(claims: Sequence[Claim]) -> None:
    areas = {claim.id: claim.new.area for claim in claims}
    for one, other in _meeting(claims):
        both = shared(one.added, other.added)
        if both.area:
            larger = max(one, other, key=lambda claim: (areas[claim.id], -claim.depth))
            larger.set_new(flipped(larger.new, both))
        for wants, has in ((one, other), (other, one)):
            kept = shared(has.new, wants.added)
            if kept.area:
                wants.set_new(flipped(wants.new, kept))


def _meeting(claims: Sequence[Claim]) -> list[tuple[Claim, Claim]]:
    """Pairs of claims, one of which may want what the other has or wants."""
    some = [claim for claim in claims if claim.new.area]
    if len(some) < 2 or not any(claim.added.area for claim in some):
        return []
    x0, y0, x1, y1 = np.array([claim.new.box for claim in some]).T
    meet = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    return [(some[i], some[k]) for i, k in np.argwhere(np.triu(meet, 1))]


def _take(added: Mask, masks: dict[int, Mask]) -> None:
    for id_, mask in masks.items():
        if boxes_meet(mask, added):
            taken = shared(mask, added)
            if taken.area:
                masks[id_] = flipped(mask, taken)


def _uncovered(claims: Sequence[Claim], others: Sequence[Mask]) -> Mask:
    """What claims gave up, and no annotation has."""
    gap = Mask.empty(claims[0].old.size) if claims else Mask.empty((0, 0))
    covering = [*others, *(claim.new for claim in claims)]
    for claim in claims:
        rest = claim.removed
        for mask in covering:
            if boxes_meet(mask, rest):
                rest = flipped(rest, shared(mask, rest))
        gap = gap.union(rest) if rest.area else gap
    return gap


def _give(part: Mask, claims: Sequence[Claim], masks: dict[int, Mask]) -> None:
    """Give a connected part without an owner to its neighbours; they are changed in place."""
    ring = _around(part)
    own = {claim.id: claim for claim in claims if not _lost(claim, part)}
    takers = masks | {id_: claim.new for id_, claim in own.items()}
    borders = {
        id_: shared(mask, ring).area for id_, mask in takers.items() if boxes_meet(mask, ring)
    }
    touching = {id_: takers[id_] for id_, length in borders.items() if length}
    if len(touching) > 1 and _pixels_of_box(part) <= NEAREST_PIXELS:
        shares = _nearest(part, ring, touching)
    else:  # all of it goes to the one with the longest border
        shares = {max(touching, key=borders.__getitem__): part} if touching else {}
    for id_, share in shares.items():
        if id_ in own:
            own[id_].set_new(flipped(own[id_].new, share))
        else:
            masks[id_] = flipped(masks[id_], share)


def _lost(claim: Claim, part: Mask) -> bool:
    return boxes_meet(claim.removed, part) and shared(claim.removed, part).area > 0


def _around(part: Mask) -> Mask:
    """The pixels that share an edge with one of the part's, and are not the part's own."""
    (height, width), (columns, tops, bottoms) = part.size, part.column_runs()
    around = part
    for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        x = columns + right
        y0, y1 = np.maximum(tops + down, 0), np.minimum(bottoms + down, height)
        inside = (x >= 0) & (x < width) & (y0 < y1)
        moved = Mask.from_column_runs(x[inside], y0[inside], y1[inside], part.size)
        around = around.union(moved)
    return flipped(around, part)


def _nearest(part: Mask, ring: Mask, touching: Mapping[int, Mask]) -> dict[int, Mask]:
    """The part's pixels by the annotation whose pixels, within the part's box and the ring around
    it, are nearest; of equally near ones the first.
    """
    # Where the part ends at the image's edge there is no ring, so both boxes count.
    boxes = np.array((part.box, ring.box), dtype=np.int64)
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    owner = np.zeros((y1 - y0, x1 - x0), dtype=np.int32)
    for number, mask in enumerate(touching.values(), start=1):
        owner[mask.crop(x0, y0, x1, y1)] = number
    rows, columns = distance_transform_edt(owner == 0, return_distances=False, return_indices=True)
    nearest = owner[rows, columns]
    pixels = part.crop(x0, y0, x1, y1)
    shares = {
        id_: Mask.from_crop(pixels & (nearest == number), (x0, y0), part.size)
        for number, id_ in enumerate(touching, start=1)
    }
    return {id_: share for id_, share in shares.items() if share.area}


def _pixels_of_box(mask: Mask) -> float:
    _, _, width, height = mask.box.xywh
    return width * height

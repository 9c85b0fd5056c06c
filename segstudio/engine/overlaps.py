"""What is unlabelled or doubly labelled on an image: counted, found, and resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segstudio.core.annotation import Annotation
from segstudio.core.mask_difference import boxes_meet, flipped, shared
from segstudio.core.progress import CancelToken
from segstudio.engine.edited_image import Snapshot
from segstudio.engine.mask_change import MaskChange
from segstudio.imaging.mask_coverage import coverage
from segstudio.imaging.mask_parts import Place, largest_places

MOST_PLACES = 1000  # to go through by hand; with the next change they are counted anew


@dataclass(frozen=True)
class Flaws:
    """Pixels that hurt a partition, and the largest places where they lie, largest first."""

    unlabelled: int = 0
    doubly: int = 0
    unlabelled_places: tuple[Place, ...] = ()
    doubly_places: tuple[Place, ...] = ()


def find_flaws(
    annotations: Sequence[Annotation], size: tuple[int, int], cancel: CancelToken
) -> Flaws:
    """The flaws of an image of `size` (H, W), exactly. Raises Cancelled when `cancel` says so."""
    found = coverage([row.mask for row in annotations], size, cancel)
    cancel.check()
    return Flaws(
        found.unlabelled.area,
        found.doubly.area,
        largest_places(found.unlabelled, MOST_PLACES),
        largest_places(found.doubly, MOST_PLACES),
    )


def resolve_overlaps(snapshot: Snapshot) -> MaskChange | None:
    """Give each doubly labelled pixel to the annotation in front; None where there is none.

    A locked annotation keeps its pixels wherever it lies. What lies wholly under others goes.
    """
    rows = snapshot.annotations
    size = (snapshot.image.height, snapshot.image.width)
    doubly = coverage([row.mask for row in rows], size).doubly
    free, masks = doubly, {}
    front_first = rows[::-1]
    for row in sorted(front_first, key=lambda row: not row.locked):
        if not boxes_meet(row.mask, doubly):
            continue
        kept = shared(free, row.mask)
        lost = flipped(shared(doubly, row.mask), kept)
        if lost.area and not row.locked:
            masks[row.id] = flipped(row.mask, lost)
        free = flipped(free, kept)
    return MaskChange("Resolve overlaps", masks=masks) if masks else None

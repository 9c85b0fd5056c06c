"""From everything that a model found to what is worth adding to an image."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.mask import BoolArray
from segstudio.core.prompt import Candidate, Candidates

COVERED = 0.9


def new_candidates(
    candidates: Candidates, existing: Iterable[Annotation], *, covered: float = COVERED
) -> tuple[Candidate, ...]:
    """The candidates that show something new, largest first, so that small ones lie in front.

    Left out are empty masks and those of whose pixels at least the share `covered` lies in
    existing annotations together. A mask whose IoU with one of them is that high is among these,
    as its IoU can be no more than its covered share. Masks of equal area stay in the model's order.
    """
    found = [item for item in candidates.items if item.mask.area]
    if not found:
        return ()
    taken = _painted(existing, found[0].mask.size)
    fresh = [item for item in found if _share(item, taken) < covered]
    return tuple(sorted(fresh, key=lambda item: -item.mask.area))


def _painted(annotations: Iterable[Annotation], size: tuple[int, int]) -> BoolArray:
    """(H, W) bool: the pixels of any annotation. Raises ValueError for another image's."""
    painted = np.zeros(size, dtype=np.bool_)
    for annotation in annotations:
        if annotation.mask.size != size:
            raise ValueError(f"masks of different images: {annotation.mask.size} and {size}")
        crop, (x, y) = annotation.mask.box_crop()
        painted[y : y + crop.shape[0], x : x + crop.shape[1]] |= crop
    return painted


def _share(candidate: Candidate, taken: BoolArray) -> float:
    """Which share of the candidate's pixels is taken."""
    crop, (x, y) = candidate.mask.box_crop()
    shared = crop & taken[y : y + crop.shape[0], x : x + crop.shape[1]]
    return int(np.count_nonzero(shared)) / candidate.mask.area

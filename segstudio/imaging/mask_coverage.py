"""Which pixels of an image no mask covers, and which several do: counted on runs, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segstudio.core.mask import Mask, Runs
from segstudio.core.mask_difference import bounds_of
from segstudio.core.progress import CancelToken


@dataclass(frozen=True)
class Coverage:
    """The pixels under no mask, and those under two or more."""

    unlabelled: Mask
    doubly: Mask


def coverage(
    masks: Sequence[Mask], size: tuple[int, int], cancel: CancelToken | None = None
) -> Coverage:
    """How `masks` of an image of `size` (H, W) cover it. Costs what their runs cost to sort.

    Raises ValueError for a mask of another size, Cancelled when `cancel` says so.
    """
    if any(mask.size != size for mask in masks):
        raise ValueError("a mask of another image")
    bounds = []
    for mask in masks:
        if cancel is not None:
            cancel.check()
        bounds.append(bounds_of(mask))
    joined = np.concatenate(bounds) if bounds else np.empty(0, dtype=np.int64)
    starts, ends = np.sort(joined[0::2]), np.sort(joined[1::2])
    return Coverage(
        unlabelled=_merged(starts, ends, size).inverted(),
        doubly=_merged(*_at_least_two(starts, ends), size),
    )


def _at_least_two(starts: Runs, ends: Runs) -> tuple[Runs, Runs]:
    """Where two runs or more lie on each other.

    `starts` and `ends` are those of all runs, each in order. Before the end i, at most i runs have
    ended; from the start i + 1 on, i + 2 have begun: two are open in between.
    """
    deep = starts[1:] < ends[:-1]
    return starts[1:][deep], ends[:-1][deep]


def _merged(starts: Runs, ends: Runs, size: tuple[int, int]) -> Mask:
    """What runs cover together; `starts` and `ends` are each in order."""
    if not len(starts):
        return Mask.empty(size)
    apart = ends[:-1] < starts[1:]
    bounds = np.stack(
        (np.append(starts[:1], starts[1:][apart]), np.append(ends[:-1][apart], ends[-1:])), axis=1
    )
    return Mask.from_bounds(bounds.ravel(), size)

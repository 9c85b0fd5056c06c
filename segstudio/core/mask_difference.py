"""What differs between masks, and masks with a difference applied, at the cost of what differs.

A stroke changes a small part of a mask with many runs. These work on the runs between the first
and the last one that differ; of the rest, which is the same before and after, they only make a
copy.
"""

from __future__ import annotations

import numpy as np

from segstudio.core.mask import Mask, Runs


def bounds_of(mask: Mask) -> Runs:
    """Where a mask's runs begin and end, in turn: (2N,) int64 column-major pixel indices."""
    bounds = np.cumsum(mask.runs)
    return bounds[: len(bounds) - len(bounds) % 2]


def difference(one: Mask, other: Mask) -> Mask:
    """The pixels that are in just one of two masks. Raises ValueError for different sizes."""
    _check_sizes(one, other)
    a, b = bounds_of(one), bounds_of(other)
    least = min(len(a), len(b))
    first = _same(a[:least], b[:least])
    rest = least - first
    last = _same(a[len(a) - rest :][::-1], b[len(b) - rest :][::-1])
    pieces = np.concatenate((a[first : len(a) - last], b[first : len(b) - last]))
    return Mask.from_bounds(np.sort(pieces, kind="stable"), one.size)


def shared(mask: Mask, part: Mask) -> Mask:
    """The pixels of a small `part` that are in `mask`. Raises ValueError for different sizes."""
    _check_sizes(mask, part)
    a, b = bounds_of(mask), bounds_of(part)
    if not len(a) or not len(b):
        return Mask.empty(mask.size)
    first = int(np.searchsorted(a[1::2], b[0], side="right"))
    last = int(np.searchsorted(a[0::2], b[-1], side="left"))
    starts = np.sort(np.concatenate((a[2 * first : 2 * last : 2], b[0::2])), kind="stable")
    ends = np.sort(np.concatenate((a[2 * first + 1 : 2 * last : 2], b[1::2])), kind="stable")
    # With i runs at an end, the pixels before the end i are in both from where run i + 1 begins.
    both = starts[1:] < ends[:-1]
    bounds = np.stack((starts[1:][both], ends[:-1][both]), axis=1).ravel()
    return Mask.from_bounds(bounds, mask.size)


def flipped(mask: Mask, part: Mask) -> Mask:
    """`mask` with the pixels of a small `part` the other way round: what is in goes, and comes.

    Where the two share nothing, that adds `part`. Raises ValueError for different sizes.
    """
    _check_sizes(mask, part)
    a, b = bounds_of(mask), bounds_of(part)
    if not len(b):
        return mask
    first = int(np.searchsorted(a, b[0], side="left"))
    last = int(np.searchsorted(a, b[-1], side="right"))
    middle = np.sort(np.concatenate((a[first:last], b)), kind="stable")
    return Mask.from_bounds(np.concatenate((a[:first], middle, a[last:])), mask.size)


def without(mask: Mask, part: Mask) -> Mask:
    """`mask` less the pixels of a small `part`. Raises ValueError for different sizes."""
    return flipped(mask, shared(mask, part))


def boxes_meet(one: Mask, other: Mask) -> bool:
    """Whether the boxes of two masks have a pixel in common; never where one mask is empty."""
    a, b = one.box, other.box
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


def _same(one: Runs, other: Runs) -> int:
    """How many elements two arrays of one length have in common at their beginning."""
    differs = one != other
    return int(np.argmax(differs)) if differs.any() else len(one)


def _check_sizes(one: Mask, other: Mask) -> None:
    if one.size != other.size:
        raise ValueError(f"masks of different images: {one.size} and {other.size}")

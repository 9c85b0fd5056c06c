"""Which device pixels a mask covers, read from its runs: no polygon and no full-size mask is made.

Only the columns and the rows that are in sight are looked at, so the cost follows the screen and
the runs in sight, whatever the image's size.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask
from segstudio.gui.canvas.place import Pixels, Place

ENLARGED = 2.0  # from so many device pixels an image pixel on, each image pixel is read once


def first_centre(edge: float) -> int:
    """The first device pixel whose centre lies at or beyond `edge`."""
    return math.ceil(edge - 0.5)


def coverage(mask: Mask, place: Place) -> Pixels:
    """(h, w) uint8 of 0 and 1: the pixel under each device pixel's centre.

    The place has to lie on the image; what lies beyond it repeats the image's edge.
    """
    height, width = mask.size
    columns = _under(place.x, place.scale, place.size[0], width)
    rows = _under(place.y, place.scale, place.size[1], height)
    if place.scale < ENLARGED:
        return _sampled(mask, columns, rows)
    left, top = int(columns[0]), int(rows[0])
    wide, high = int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
    native = _sampled(mask, np.arange(left, left + wide), np.arange(top, top + high))
    return np.take(np.take(native, columns - left, axis=1), rows - top, axis=0)


def _sampled(mask: Mask, columns: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Pixels:
    """(rows, columns) of 0 and 1, of ascending image rows and columns."""
    height = mask.size[0]
    bounds = np.cumsum(mask.runs)
    ends = bounds[1::2]
    starts = bounds[0::2][: len(ends)]
    low = columns * height
    first = np.searchsorted(ends, low, side="right")
    counts = np.searchsorted(starts, low + height, side="left") - first
    which = np.repeat(np.arange(len(columns)), counts)
    steps = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    runs = np.repeat(first, counts) + steps
    # Column by column: where the pixels of runs begin and end, ascending, so that the lengths
    # between two of them alternate between what is not covered and what is.
    edges = np.empty(2 * len(runs) + 2, dtype=np.int64)
    offset = which * len(rows)
    edges[0], edges[-1] = 0, len(columns) * len(rows)
    edges[1:-1:2] = np.searchsorted(rows, starts[runs] - low[which]) + offset
    edges[2:-1:2] = np.searchsorted(rows, ends[runs] - low[which]) + offset
    covered = np.zeros(len(edges) - 1, dtype=np.uint8)
    covered[1::2] = 1
    inside = np.repeat(covered, np.diff(edges)).reshape(len(columns), len(rows))
    return np.ascontiguousarray(inside.T)


def _under(offset: float, scale: float, count: int, limit: int) -> npt.NDArray[np.int64]:
    """The image pixel under each of `count` device pixels' centres, ascending."""
    found = np.floor((np.arange(count) + 0.5 - offset) / scale).astype(np.int64)
    return np.asarray(np.clip(found, 0, limit - 1), dtype=np.int64)

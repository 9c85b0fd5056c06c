"""Filling small holes and dropping small islands, on a mask's runs.

What the automatic mask generator of the `segment-anything` package does with the whole image's
pixels (its `remove_small_regions`): components are 8-connected, holes are filled before islands are
looked at, and the largest island stays where all are small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from segstudio.core.mask import Mask, Runs


def remove_small_regions(mask: Mask, min_area: int) -> tuple[Mask, bool]:
    """The mask without holes and islands of fewer than `min_area` pixels.

    Background that reaches the image's border counts as a hole as well when it is that small.
    Also tells whether anything was small, in which case the mask may be the same all the same:
    the largest island stays.
    """
    if not mask.area:
        return mask, False
    holes = _components(mask.inverted())
    small = holes.area < min_area
    changed = bool(small.any())
    if changed:
        mask = mask.union(holes.of(small, mask.size))
    islands = _components(mask)
    small = islands.area < min_area
    if not small.any():
        return mask, changed
    kept = ~small
    if not kept.any():
        kept[islands.largest(mask.size[0])] = True
    return islands.of(kept, mask.size), True


@dataclass(frozen=True, eq=False)
class _Components:
    """Runs within columns, `start` to `stop` in column-major pixels, and to which `label` each
    belongs; `area` of each component."""

    start: Runs
    stop: Runs
    label: npt.NDArray[np.integer]
    area: Runs

    def largest(self, height: int) -> int:
        """Index of the largest; of equals the one that OpenCV, going by rows of 2 x 2 pixels, has
        first, as the official code takes that."""
        place = (self.start % height // 2) * self.stop[-1] + self.start // height // 2
        first = np.full(len(self.area), np.iinfo(np.int64).max)
        np.minimum.at(first, self.label, place)
        return int(np.lexsort((first, -self.area))[0])

    def of(self, wanted: npt.NDArray[np.bool_], size: tuple[int, int]) -> Mask:
        """The mask of the wanted components."""
        chosen = wanted[self.label]
        bounds = np.stack((self.start[chosen], self.stop[chosen]), axis=1)
        return Mask.from_bounds(bounds.ravel(), size)


def _components(mask: Mask) -> _Components:
    """Label the foreground. Components are numbered by their first pixel, column by column."""
    height = mask.size[0]
    start, stop = _column_runs(mask)
    # The next column is `height` pixels on. A run touches those there that stop at or after its own
    # start, and start at or before its own stop, as corners touch too.
    first = np.searchsorted(stop, start + height + (start % height == 0))
    last = np.searchsorted(start, stop + height + (stop % height != 0))
    count = np.maximum(last - first, 0)
    one = np.repeat(np.arange(len(start)), count)
    other = np.arange(len(one)) + (first - np.cumsum(count) + count)[one]
    graph = sparse.coo_matrix(
        (np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(start), len(start))
    )
    total, label = csgraph.connected_components(graph, directed=False)
    area = np.bincount(label, weights=stop - start, minlength=total).astype(np.int64)
    return _Components(start, stop, label, area)


def _column_runs(mask: Mask) -> tuple[Runs, Runs]:
    """Starts and stops of the foreground's runs, cut at the columns' ends."""
    height = mask.size[0]
    bounds = np.cumsum(mask.runs)
    stop = bounds[1::2]
    start = bounds[0::2][: len(stop)]
    first, last = start // height, (stop - 1) // height
    pieces = last - first + 1
    if not np.any(pieces > 1):
        return start, stop
    run = np.repeat(np.arange(len(start)), pieces)
    column = np.arange(len(run)) + (first - np.cumsum(pieces) + pieces)[run]
    return (
        np.maximum(start[run], column * height),
        np.minimum(stop[run], (column + 1) * height),
    )

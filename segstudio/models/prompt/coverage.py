"""The fast mode's choice of points: a coarse grid first, then what no mask explains yet.

Approximate: a thing that lies inside a mask already found, and was hit by no point before, is
missed. To keep such losses small, a point's larger masks (it has up to three, nested) do not count:
what lies in its smallest one would likely get the same answers again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask

Points = npt.NDArray[np.float64]

_COARSEST = 4  # the first stage takes every so-manieth point along both sides of the grid


def grid_stages(points_per_side: int) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of a grid's points, row by row, in stages from coarse to fine; each comes once."""
    rows, columns = np.divmod(np.arange(points_per_side**2), points_per_side)
    left = np.ones(len(rows), dtype=np.bool_)
    stride = _COARSEST
    while stride >= 1:
        first = min(1, stride - 1)
        stage = left & (rows % stride == first) & (columns % stride == first)
        left &= ~stage
        yield np.flatnonzero(stage)
        stride //= 2


class Coverage:
    """Which of a grid's points, (N, 2) float64 xy in image pixels, lie in masks found so far."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._smallest: dict[tuple[float, float], Mask] = {}

    @property
    def is_covered(self) -> npt.NDArray[np.bool_]:
        """(N,) bool, as of now."""
        covered = np.zeros(len(self._points), dtype=np.bool_)
        for mask in self._smallest.values():
            covered |= _holds(mask, self._points)
        return covered

    def add(self, mask: Mask, point: tuple[float, float]) -> None:
        """A mask that the prompt at `point` gave."""
        before = self._smallest.get(point)
        if before is None or mask.area < before.area:
            self._smallest[point] = mask


def _holds(mask: Mask, points: Points) -> npt.NDArray[np.bool_]:
    """(N,) bool: which points lie on the mask."""
    x, y = points.astype(np.int64).T
    ends = np.cumsum(mask.runs)
    return np.asarray(np.searchsorted(ends, x * mask.size[0] + y, side="right") % 2 == 1)

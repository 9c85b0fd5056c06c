"""The fast mode's choice of points: a coarse grid first, then what no mask explains yet.

Approximate. A click anywhere in a small part of a thing mostly gets the same answers again, so a
point is left out where it lies in the smallest mask of an earlier one (of its up to three, which
are nested: part, thing, group). Larger masks do not count, as there may be other parts in them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.models.prompt.frame import CELL, ModelFrame

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_COARSEST = 4  # the first stage takes every so-manieth point along both sides of the grid


def coarse_to_fine(points_per_side: int) -> Indices:
    """The order in which to ask a grid's points, given row by row: stage by stage.

    Within a stage neighbours come far apart, so that one batch seldom asks the same thing twice.
    """
    rows, columns = np.divmod(np.arange(points_per_side**2), points_per_side)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    stage = np.zeros(len(rows), dtype=np.int64)
    stride = 2
    while stride <= _COARSEST:
        stage -= (rows % stride == 1) & (columns % stride == 1)
        stride *= 2
    return shuffled[np.argsort(stage[shuffled], kind="stable")]


class Coverage:
    """Which points of a grid, (N, 2) float64 xy in the model's frame, are left to be asked."""

    def __init__(self, points: Points, frame: ModelFrame) -> None:
        self._left = np.ones(len(points), dtype=np.bool_)
        rows, columns = (-(-length // CELL) for length in frame.size)
        self._seen = rows, columns
        self._cells = np.minimum((points / CELL).astype(np.int64), [columns - 1, rows - 1])

    def next(self, order: Indices, count: int) -> Indices:
        """The first `count` points of `order` that are left."""
        return order[self._left[order]][:count]

    def asked(self, points: Indices) -> None:
        """These are done."""
        self._left[points] = False

    def answered(self, logits: Tensor) -> int:
        """Leave out what lies in the smallest masks of `logits` (n, K, 256, 256), a prompt each.

        Returns how many points that were left no longer are.
        """
        rows, columns = self._seen
        inside = logits[:, :, :rows, :columns] > 0
        area = inside.flatten(2).sum(dim=2)
        area[area == 0] = torch.iinfo(area.dtype).max
        smallest = inside[torch.arange(len(inside)), area.argmin(dim=1)]
        x, y = torch.from_numpy(self._cells).to(logits.device).T
        covered = smallest[:, y, x].any(dim=0).cpu().numpy() & self._left
        self._left &= ~covered
        return int(np.count_nonzero(covered))

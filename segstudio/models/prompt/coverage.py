"""The fast mode's choice of points: a coarse grid first, then what no mask explains yet.

Approximate. Two clicks in the same small part of a thing mostly get the same answers, and then so
would a third: a point is left out where it lies in the smallest masks of two earlier ones (of their
up to three, which are nested: part, thing, group) that agree. Larger masks do not count, as there
may be other parts in them. And no more than a certain share of the points is asked at all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.models.prompt.frame import CELL, ModelFrame

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

# At most this share of a grid's points is asked: a bound on how long it takes.
LARGEST_SHARE = 1 / 3

_AGREE = 0.9  # IoU of two masks, counted in points of the grid

_KEPT_BYTES = 1 << 24  # for masks to compare with

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
        self._smallest = np.zeros((0, len(points)), dtype=np.bool_)

    def next(self, order: Indices, count: int) -> Indices:
        """The first `count` points of `order` that are left."""
        return order[self._left[order]][:count]

    def asked(self, points: Indices) -> None:
        """These are done."""
        self._left[points] = False

    def close(self) -> int:
        """Leave out all that are left, and return how many that were."""
        count = int(np.count_nonzero(self._left))
        self._left[:] = False
        return count

    def answered(self, logits: Tensor) -> int:
        """Leave out what lies in smallest masks that agree; `logits` (n, K, 256, 256), n prompts'.

        Returns how many points that were left no longer are.
        """
        new = self._smallest_masks(logits)
        kept = max(1, _KEPT_BYTES // max(1, len(self._left)))
        self._smallest = np.concatenate((self._smallest, new))[-kept:]
        masks, everyone = new.astype(np.float32), self._smallest.astype(np.float32)
        shared = masks @ everyone.T
        joint = masks.sum(axis=1)[:, None] + everyone.sum(axis=1) - shared
        agree = (shared > 0) & (shared >= _AGREE * joint)
        # Each agrees with itself, which says nothing.
        own = len(everyone) - len(masks) + np.arange(len(masks))
        agree[np.arange(len(masks))[own >= 0], own[own >= 0]] = False
        covered = ((agree.astype(np.float32) @ everyone > 0) & new).any(axis=0) & self._left
        self._left &= ~covered
        return int(np.count_nonzero(covered))

    def _smallest_masks(self, logits: Tensor) -> npt.NDArray[np.bool_]:
        """(n, N) bool: which points each prompt's smallest mask that is not empty holds."""
        rows, columns = self._seen
        inside = logits[:, :, :rows, :columns] > 0
        area = inside.flatten(2).sum(dim=2)
        area[area == 0] = torch.iinfo(area.dtype).max
        smallest = inside[torch.arange(len(inside)), area.argmin(dim=1)]
        x, y = torch.from_numpy(self._cells).to(logits.device).T
        return np.asarray(smallest[:, y, x].cpu().numpy(), dtype=np.bool_)

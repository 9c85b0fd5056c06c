"""Polygons to masks, straight to runs: a polygon costs its edges, whatever the image's size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask

Floats = npt.NDArray[np.float64]


def polygon_mask(
    rings: Sequence[npt.ArrayLike], size: tuple[int, int], columns: tuple[int, int] | None = None
) -> Mask:
    """The pixels of an image of `size` (H, W) whose centres lie inside the rings.

    With `columns`, only those of this half-open range, at the cost of the edges that lead there.

    Each ring is (N, 2) xy in image pixels, closed by joining its last vertex to its first; it may
    reach beyond the image. Inside is what the rings wind around (the non-zero rule, all of them
    together): where a ring crosses itself, both loops count. A centre on an edge belongs to the
    side below or to the right, so that polygons with a common edge share no pixel and leave none
    out; the same edge gives the same pixels in either direction.
    """
    edges = [_edges(np.asarray(ring, dtype=np.float64).reshape(-1, 2)) for ring in rings]
    height, width = size
    low, high = (0, width) if columns is None else np.clip(columns, 0, width).tolist()
    left, right, turn = _ordered(np.concatenate(edges) if edges else np.empty((0, 2, 2)))
    first = np.clip(np.ceil(left[:, 0] - 0.5), low, max(low, high)).astype(np.int64)
    last = np.clip(np.ceil(right[:, 0] - 0.5), low, max(low, high)).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(left)), counts)
    column = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    slope = (right[:, 1] - left[:, 1]) / (right[:, 0] - left[:, 0])
    y = left[edge, 1] + (column + 0.5 - left[edge, 0]) * slope[edge]
    row = np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64)
    return mask_of_steps(column * height + row, turn[edge], size)


def mask_of_steps(
    positions: npt.NDArray[np.int64], steps: npt.NDArray[np.int64], size: tuple[int, int]
) -> Mask:
    """The pixels at which the sum of all `steps` so far is not zero.

    `positions` (N,) are column-major pixel indices (column * H + row), in any order; up to H * W.
    """
    order = np.argsort(positions, kind="stable")
    positions, depth = positions[order], np.cumsum(steps[order])
    last = np.append(positions[1:] != positions[:-1], True)[: len(positions)]
    positions, inside = positions[last], depth[last] != 0
    return Mask.from_bounds(positions[np.diff(inside, prepend=False)], size)


def _edges(ring: Floats) -> Floats:
    """(N, 2, 2): from each vertex to the next, then xy."""
    return np.stack((ring, np.roll(ring, -1, axis=0)), axis=1)


def _ordered(edges: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Left and right ends (N, 2) of the edges that are not vertical, and 1 or -1 for turned ones.

    Equal edges of two rings are computed alike, whichever way they run.
    """
    edges = edges[edges[:, 0, 0] != edges[:, 1, 0]]
    forward = edges[:, 0, 0] < edges[:, 1, 0]
    left = np.where(forward[:, None], edges[:, 0], edges[:, 1])
    right = np.where(forward[:, None], edges[:, 1], edges[:, 0])
    return left, right, np.where(forward, 1, -1).astype(np.int64)

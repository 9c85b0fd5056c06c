"""Polygons to masks, straight to runs: a polygon costs its edges, whatever the image's size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask


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
    positions, turns, _ = _crossings(rings, size, columns)
    return mask_of_steps(positions, turns, size)


def union_of_polygons(
    rings: Sequence[npt.ArrayLike], size: tuple[int, int], columns: tuple[int, int] | None = None
) -> Mask:
    """The pixels inside at least one of the rings, each taken by itself; else as `polygon_mask`.

    For many small rings, which together cost little more than one.
    """
    positions, turns, ring = _crossings(rings, size, columns)
    order = np.lexsort((positions, ring))
    positions, turns, ring = positions[order], turns[order], ring[order]
    depth = np.cumsum(turns)  # the turns of a ring add up to nothing: the next begins with 0 again
    last = np.ones(len(positions), dtype=np.bool_)
    last[:-1] = (positions[1:] != positions[:-1]) | (ring[1:] != ring[:-1])
    positions, inside = positions[last], depth[last] != 0
    changes = np.diff(inside.astype(np.int64), prepend=0)
    at = changes != 0
    return mask_of_steps(positions[at], changes[at], size)


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


def _crossings(
    rings: Sequence[npt.ArrayLike], size: tuple[int, int], columns: tuple[int, int] | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where edges cross the middle of a column: pixel index, turn (1 or -1), and whose ring it is.

    The index is that of the first pixel below the crossing, column * H + row.
    """
    paths = [np.asarray(ring, dtype=np.float64).reshape(-1, 2) for ring in rings]
    starts = np.concatenate([np.empty((0, 2)), *paths])
    after = np.arange(1, len(starts) + 1)
    ends_at = np.cumsum([len(path) for path in paths], dtype=np.int64)
    filled = [number for number, path in enumerate(paths) if len(path)]
    after[ends_at[filled] - 1] = [ends_at[number] - len(paths[number]) for number in filled]
    owner = np.repeat(np.arange(len(paths)), [len(path) for path in paths])
    slanted = starts[:, 0] != starts[after, 0]
    start, end, owner = starts[slanted], starts[after][slanted], owner[slanted]
    # From left to right, so that an edge is computed alike whichever way it runs.
    forward = start[:, 0] < end[:, 0]
    left = np.where(forward[:, None], start, end)
    right = np.where(forward[:, None], end, start)
    height, width = size
    low, high = (0, width) if columns is None else np.clip(columns, 0, width).tolist()
    first = np.clip(np.ceil(left[:, 0] - 0.5), low, max(low, high)).astype(np.int64)
    last = np.clip(np.ceil(right[:, 0] - 0.5), low, max(low, high)).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(left)), counts)
    column = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    slope = (right[:, 1] - left[:, 1]) / (right[:, 0] - left[:, 0])
    y = left[edge, 1] + (column + 0.5 - left[edge, 0]) * slope[edge]
    row = np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64)
    return column * height + row, np.where(forward, 1, -1)[edge], owner[edge]

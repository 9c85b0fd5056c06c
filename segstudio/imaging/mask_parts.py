"""The connected parts of a mask and its holes, found on its runs: the image's size costs nothing.

Pixels that touch at a corner are one part; background pixels that only touch at a corner are not
one hole. So every closed chain of foreground pixels has an inside and an outside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segstudio.core.mask import Box, Mask, Runs

Labels = npt.NDArray[np.int32]


def mask_parts(mask: Mask) -> tuple[Mask, ...]:
    """The 8-connected parts of a mask, the largest first; of equal ones the left one first."""
    columns, tops, bottoms = mask.column_runs()
    count, labels = run_parts(columns, tops, bottoms, mask.size[0], corners=True)
    if count == 1:
        return (mask,)
    order = np.argsort(labels, kind="stable")
    pieces = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if count else []
    parts = [
        Mask.from_column_runs(columns[runs], tops[runs], bottoms[runs], mask.size)
        for runs in pieces
    ]
    return tuple(sorted(parts, key=lambda part: -part.area))


def part_at(mask: Mask, x: float, y: float, *, corners: bool = True) -> Mask | None:
    """The part that has the pixel under (x, y), if any; 4-connected without `corners`."""
    if not mask.contains(x, y):
        return None
    columns, tops, bottoms = mask.column_runs()
    pixel = int(x) * mask.size[0] + int(y)
    at = np.searchsorted(columns * mask.size[0] + tops, pixel, side="right") - 1
    _, labels = run_parts(columns, tops, bottoms, mask.size[0], corners=corners)
    runs = labels == labels[at]
    return Mask.from_column_runs(columns[runs], tops[runs], bottoms[runs], mask.size)


def part_count(mask: Mask) -> int:
    """How many 8-connected parts a mask has."""
    return run_parts(*mask.column_runs(), mask.size[0], corners=True)[0]


class Place(NamedTuple):
    """Where a connected part lies, and how many pixels it has."""

    area: int
    box: Box


def largest_places(mask: Mask, count: int) -> tuple[Place, ...]:
    """The `count` largest 8-connected parts of a mask, largest first; no mask of them is made."""
    columns, tops, bottoms = mask.column_runs()
    found, labels = run_parts(columns, tops, bottoms, mask.size[0], corners=True)
    areas = np.bincount(labels, weights=bottoms - tops, minlength=found).astype(np.int64)
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], np.arange(found))
    if not found:
        return ()
    sides = (
        np.minimum.reduceat(columns[order], first),
        np.minimum.reduceat(tops[order], first),
        np.maximum.reduceat(columns[order], first) + 1,
        np.maximum.reduceat(bottoms[order], first),
    )
    boxes = np.stack(sides, axis=1)
    largest = np.argsort(-areas, kind="stable")[:count]
    return tuple(Place(int(areas[at]), Box(*boxes[at].tolist())) for at in largest)


def without_crumbs(mask: Mask, least_area: int) -> Mask:
    """The mask without its 8-connected parts of fewer than `least_area` pixels.

    The largest part always stays, so that an object never vanishes.
    """
    columns, tops, bottoms = mask.column_runs()
    count, labels = run_parts(columns, tops, bottoms, mask.size[0], corners=True)
    if count <= 1:
        return mask
    areas = np.bincount(labels, weights=bottoms - tops, minlength=count)
    stays = areas >= least_area
    stays[np.argmax(areas)] = True
    kept = stays[labels]
    return Mask.from_column_runs(columns[kept], tops[kept], bottoms[kept], mask.size)


def holes_filled(mask: Mask) -> Mask:
    """The mask with the background that it encloses; see `holes`."""
    found = holes(mask)
    return mask.union(found) if found.area else mask


def holes(mask: Mask, less_than: int | None = None) -> Mask:
    """The background that a mask encloses; only holes of fewer than `less_than` pixels if given.

    What is open to the image's edge is no hole, as nobody knows what lies beyond
    (`scipy.ndimage.binary_fill_holes` does the same).
    """
    x0, y0, x1, y1 = (int(value) for value in mask.box)
    own = mask.column_runs()[0]
    if np.all(own[1:] != own[:-1]):  # no column has two runs that something could be between
        return Mask.empty(mask.size)
    background = mask.part(x0, y0, x1, y1).inverted()
    columns, tops, bottoms = background.column_runs()
    count, labels = run_parts(columns, tops, bottoms, y1 - y0, corners=False)
    at_edge = (columns == 0) | (columns == x1 - x0 - 1) | (tops == 0) | (bottoms == y1 - y0)
    inside = np.bincount(labels[at_edge], minlength=count) == 0
    if less_than is not None:
        inside &= np.bincount(labels, weights=bottoms - tops, minlength=count) < less_than
    if not inside.any():
        return Mask.empty(mask.size)
    hole = inside[labels]
    found = Mask.from_column_runs(columns[hole], tops[hole], bottoms[hole], background.size)
    return found.placed((x0, y0), mask.size)


def run_parts(
    columns: Runs,
    tops: Runs,
    bottoms: Runs,
    height: int,
    *,
    corners: bool,
    values: npt.NDArray[np.uint8] | None = None,
) -> tuple[int, Labels]:
    """The number of connected parts, and the part (0, 1, ...) of each run, in order of the runs.

    Runs down the columns are ordered by column, then row, and do not overlap. They are joined where
    they overlap with one of the next column; with `corners` also where they only touch at a corner;
    with `values`, one for each, only where these are equal.
    """
    reach = int(corners)
    stride = height + 2  # two rows between columns: no reach leads further
    starts, ends = columns * stride + tops + 1, columns * stride + bottoms + 1
    first = np.searchsorted(ends, starts + stride - reach, side="right")
    last = np.searchsorted(starts, ends + stride + reach, side="left")
    counts = np.maximum(last - first, 0)
    left = np.repeat(np.arange(len(columns)), counts)
    steps = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    right = np.repeat(first, counts) + steps
    if values is not None:
        equal = values[left] == values[right]
        left, right = left[equal], right[equal]
    graph = coo_array((np.ones(len(left), dtype=np.bool_), (left, right)), (len(columns),) * 2)
    count, labels = connected_components(graph, directed=False)
    return int(count), labels

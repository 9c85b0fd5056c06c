"""Exact outlines of masks, along the cracks between pixels.

Exact rings run on pixel corners (integer xy, so pixel (column x, row y) spans x..x+1, y..y+1) and
hold a vertex at every turn only. Foreground is 4-connected: pieces that touch at a corner alone
are polygons of their own, and background is 8-connected accordingly. Outer rings run clockwise on
the screen (y down), holes the other way; each starts at its topmost, then leftmost vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.mask import BoolArray, Mask

Ring = npt.NDArray[np.int32]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Polygon:
    """One connected piece of a mask.

    `outer` and each of `holes` are (N, 2) int32 xy corners in image pixels, not closed (the last
    vertex is not the first again). Filled by the even-odd rule they give the piece exactly.
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()


@dataclass(frozen=True, eq=False)
class _Cracks:
    """Turning points of the outlines: xy (N, 2), who follows whom, and rightward segments.

    `starts` are the vertices from which a segment leads right (foreground below it), in row-major
    order of their position, so that a segment is found by where it lies.
    """

    xy: _Ints
    following: _Ints
    starts: _Ints


def polygons(mask: Mask) -> tuple[Polygon, ...]:
    """The pieces of a mask with their holes, by the position of their first vertex.

    An empty mask gives an empty tuple. Cost follows the mask's box and the number of turns.
    """
    crop, (x0, y0) = mask.box_crop()
    if not mask.area:
        return ()
    pieces = _label(crop)
    cracks = _cracks(crop)
    outers: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {}
    for ring in _cycles(cracks.following):
        corners = cracks.xy[ring]
        x, y = corners[0]
        placed = (corners + np.array((x0, y0))).astype(np.int32)
        if crop[y, x]:
            outers[int(pieces[y, x])] = placed
        else:
            holes.setdefault(int(pieces[y - 1, x]), []).append(placed)
    return tuple(Polygon(outer, tuple(holes.get(piece, ()))) for piece, outer in outers.items())


def keyhole_rings(mask: Mask) -> list[Ring]:
    """One closed walk (N, 2) int32 xy a piece, holes reached by bridges walked there and back.

    For formats whose polygons cannot say "hole" (COCO's). A bridge is vertical and cancels itself
    under the even-odd rule, so that `pycocotools.mask.frPyObjects` rasterises the rings to exactly
    the mask that they came from: it toggles pixels where an edge crosses a column's centre, which
    corner-to-corner edges do at whole rows, and a vertical bridge never does.
    """
    crop, (x0, y0) = mask.box_crop()
    if not mask.area:
        return []
    cracks = _bridged(crop, _cracks(crop))
    placed = (cracks.xy + np.array((x0, y0))).astype(np.int32)
    return [placed[ring] for ring in _cycles(cracks.following)]


def _label(crop: BoolArray) -> npt.NDArray[np.int32]:
    _, labels = cv2.connectedComponents(crop.view(np.uint8), connectivity=4)
    return np.asarray(labels, dtype=np.int32)


def _cracks(crop: BoolArray) -> _Cracks:
    """Find the corners at which an outline turns and link each to the next one.

    In every row of corners, turns pair up into horizontal segments from left to right; in every
    column, into vertical ones. A corner between two diagonal pixels is two turns.
    """
    padded = np.pad(crop, 1).astype(np.uint8)
    # The 2 x 2 pixels around each corner as bits: 1 above left, 2 above right, 4 and 8 below.
    around = padded[:-1, :-1] + 2 * padded[:-1, 1:] + 4 * padded[1:, :-1] + 8 * padded[1:, 1:]
    turns = np.array([0, 1, 1, 0, 1, 0, 2, 1, 1, 2, 0, 1, 0, 1, 1, 0])
    row, column = np.nonzero(turns[around])
    kind = around[row, column]
    twice = turns[kind]
    row, column, kind = (np.repeat(values, twice) for values in (row, column, kind))
    second = np.zeros(len(row), dtype=bool)
    second[1:] = (row[1:] == row[:-1]) & (column[1:] == column[:-1])
    # A double turn's first copy holds the segment to its left, the second that to its right.
    # Of the vertical ones, the first holds the upper where the pixel above left is foreground
    # (each pixel keeps its own corner); where it is background, the second copy does.
    below = np.where(kind == 6, ~second, second)
    by_row = np.arange(len(row))
    by_column = np.lexsort((below, row, column))
    left, right = by_row[0::2], by_row[1::2]
    top, bottom = by_column[0::2], by_column[1::2]
    following = np.empty(len(row), dtype=np.int64)
    rightward = padded[row[left] + 1, column[left] + 1] == 1
    following[np.where(rightward, left, right)] = np.where(rightward, right, left)
    upward = padded[row[top] + 1, column[top] + 1] == 1
    following[np.where(upward, bottom, top)] = np.where(upward, top, bottom)
    return _Cracks(np.stack((column, row), axis=1), following, left[rightward])


def _cycles(following: _Ints) -> list[list[int]]:
    """The cycles of a permutation, each from its smallest index on, in order of that index."""
    after = following.tolist()
    cycles = []
    for start in range(len(after)):
        if after[start] < 0:
            continue
        ring = []
        at = start
        while after[at] >= 0:
            ring.append(at)
            after[at], at = -1, after[at]
        cycles.append(ring)
    return cycles


def _bridged(crop: BoolArray, cracks: _Cracks) -> _Cracks:
    """Join each hole to the outline straight above its first vertex, by links alone.

    That outline lies higher than the hole's own top, so joining every hole ends at outer rings.
    Several holes may hang on one segment; they are taken from left to right.
    """
    xy = cracks.xy
    firsts = np.array([ring[0] for ring in _cycles(cracks.following)], dtype=np.int64)
    firsts = firsts[~crop[xy[firsts, 1], xy[firsts, 0]]]
    firsts = firsts[np.argsort(xy[firsts, 0], kind="stable")]
    if not len(firsts):
        return cracks
    width = crop.shape[1] + 1
    places = xy[cracks.starts, 1] * width + xy[cracks.starts, 0]
    following = [*cracks.following.tolist(), *([0] * (3 * len(firsts)))]
    corners = [xy]
    tail: dict[int, int] = {}
    free = len(xy)
    before = np.empty_like(cracks.following)
    before[cracks.following] = np.arange(len(xy))
    for first in firsts.tolist():
        x, y = int(xy[first, 0]), int(xy[first, 1])
        above = crop[:y, x][::-1]
        reach = int(np.argmin(above)) if not above.all() else y
        at = int(np.searchsorted(places, (y - reach) * width + x, side="right")) - 1
        start = int(cracks.starts[at])
        start = tail.get(start, start)
        # start -> foot -> hole ... -> first again -> foot again -> what followed start
        foot, again, back = free, free + 1, free + 2
        corners.append(np.array([(x, y - reach), (x, y), (x, y - reach)], dtype=np.int64))
        following[back] = following[start]
        following[start], following[foot], following[again] = foot, first, back
        following[int(before[first])] = again
        tail[int(cracks.starts[at])] = back
        free += 3
    return _Cracks(np.concatenate(corners), np.array(following, dtype=np.int64), cracks.starts)

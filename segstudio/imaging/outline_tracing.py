"""From a mask to an outline that a hand can edit: the corners that matter become its vertices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.spatial import KDTree

from segstudio.core.mask import Mask
from segstudio.core.mask_difference import difference, without
from segstudio.imaging.contours import polygons
from segstudio.imaging.outlines import Floats, Outline, Piece, Ring

LEAST_TOLERANCE = 1.0  # teeth of one pixel, and the stairs of a slanted border, are no corners
TOLERANCE_OF_DIAGONAL = 0.004
_SAME_PLACE = 1.5  # a vertex between corners is found again at the corner beside it


def editable_outline(mask: Mask, like: Outline | None = None) -> Outline:
    """The outline of `mask`; what it goes around is exactly the mask.

    Vertices are those corners that Douglas and Peucker (1973) keep at a tolerance of one pixel,
    and more for rings that are large. `like` is the outline that was shown for this annotation
    before: where it fits the mask it comes back as it is, else those pieces that do, and of the
    others the vertices where the border still runs, so that nothing jumps under the hand. For the
    background: it takes time on large ragged masks.
    """
    fitting: tuple[Piece, ...] = ()
    rest = mask
    if like is not None and like.size == mask.size:
        changed = difference(mask, like.mask())
        if not changed.area:
            return like
        fitting = tuple(piece for piece in like.pieces if _untouched(piece, changed))
        rest = without(mask, Outline(mask.size, fitting).mask())
    found = [(piece.outer, *piece.holes) for piece in polygons(rest)]
    paths = [[np.asarray(ring, dtype=np.float64) for ring in rings] for rings in found]
    kept = _kept_of(like, [path for rings in paths for path in rings])
    traced = (Piece(tuple(_ring(path, next(kept)) for path in rings)) for rings in paths)
    return Outline(mask.size, (*fitting, *traced))


def _untouched(piece: Piece, changed: Mask) -> bool:
    """Whether a piece has rings, and none of its pixels or of those beside them is changed."""
    x0, y0, x1, y1 = piece.box
    left, top, right, bottom = changed.box
    if x0 - 1 > right or x1 + 1 < left or y0 - 1 > bottom or y1 + 1 < top:
        return bool(piece.rings)
    mask = piece.mask(changed.size)
    if not mask.area:
        return False
    crop = [int(value) for value in mask.box]
    height, width = changed.size
    crop = [
        max(crop[0] - 1, 0),
        max(crop[1] - 1, 0),
        min(crop[2] + 1, width),
        min(crop[3] + 1, height),
    ]
    near = changed.part(*crop)
    if not near.area:
        return True
    return not (binary_dilation(mask.crop(*crop)) & near.to_array()).any()


def _kept_of(like: Outline | None, paths: Sequence[Floats]) -> Iterator[list[int]]:
    """Of each path the indices of corners that were vertices of `like`, ascending."""
    vertices = [vertex for _, ring in like.rings for vertex in ring.vertices] if like else []
    if not vertices or not paths:
        yield from ([] for _ in paths)
        return
    away, corner = KDTree(np.concatenate(paths)).query(np.asarray(vertices))
    corners = np.unique(corner[away <= _SAME_PLACE])
    ends = np.cumsum([len(path) for path in paths])
    for end, path in zip(ends, paths, strict=True):
        start = end - len(path)
        inside = slice(*np.searchsorted(corners, (start, end)))
        yield [int(index - start) for index in corners[inside]]


def _ring(path: Floats, kept: list[int]) -> Ring:
    """A ring of at least three vertices, `kept` among them."""
    tolerance = max(LEAST_TOLERANCE, TOLERANCE_OF_DIAGONAL * float(np.hypot(*np.ptp(path, axis=0))))
    anchors = kept
    if len(anchors) < 2:
        start = anchors[0] if anchors else 0
        away = ((path - path[start]) ** 2).sum(axis=1)
        anchors = sorted((start, int(np.argmax(away))))
    chosen = _simplified(path, anchors, tolerance)
    while len(chosen) < 3:
        tolerance /= 2
        chosen = _simplified(path, anchors, tolerance)
    rolled = np.concatenate((path, path))
    ends = [*chosen[1:], chosen[0] + len(path)]
    details = tuple(rolled[i + 1 : j] for i, j in zip(chosen, ends, strict=True))
    return Ring(tuple((float(x), float(y)) for x, y in path[chosen]), details)


def _simplified(path: Floats, anchors: Sequence[int], tolerance: float) -> list[int]:
    """Indices of the corners of a closed path that stay, `anchors` (two or more) among them."""
    count = len(path)
    rolled = np.concatenate((path, path))
    chosen = set(anchors)
    open_parts = [*zip(anchors, [*anchors[1:], anchors[0] + count], strict=True)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        away = _distances(rolled[first + 1 : last], rolled[first], rolled[last])
        farthest = int(np.argmax(away))
        if away[farthest] > tolerance:
            middle = first + 1 + farthest
            chosen.add(middle % count)
            open_parts += [(first, middle), (middle, last)]
    return sorted(chosen)


def _distances(points: Floats, start: Floats, end: Floats) -> Floats:
    """(N,) distance of points from the segment between two others."""
    step = end - start
    square = float(step @ step)
    away = points - start
    if square:
        away = away - np.clip(away @ step / square, 0, 1)[:, None] * step
    return np.hypot(away[:, 0], away[:, 1])

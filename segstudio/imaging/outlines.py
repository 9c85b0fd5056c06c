"""Outlines that a hand can edit: few vertices, each edge with the exact border that it stands for.

A mask's exact border has a corner at every turn of a pixel. An outline keeps some of these corners
as vertices, and what lies between two of them as the edge's detail. As long as an edge is not
moved its detail stays, so that an edit changes the pixels beside it and no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import floor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask
from segstudio.core.mask_difference import without
from segstudio.imaging.enclosed import union_of
from segstudio.imaging.polygon_raster import polygon_mask, union_of_polygons

Point = tuple[float, float]
Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]
_NONE = np.empty((0, 2))


class At(NamedTuple):
    """A vertex of an outline, or the edge from it to the next one."""

    piece: int
    ring: int
    vertex: int


@dataclass(frozen=True, eq=False)
class Ring:
    """A closed line: `vertices` (x, y), and of each edge the (N, 2) xy corners between its ends.

    `details[i]` lies between vertex i and the next one; it is empty where that edge is straight.
    """

    vertices: tuple[Point, ...]
    details: tuple[Floats, ...]

    @cached_property
    def path(self) -> Floats:
        """(N, 2) xy: all vertices and details, not closed."""
        if not self.vertices:
            return _NONE
        parts = [
            part
            for vertex, detail in zip(self.vertices, self.details, strict=True)
            for part in ((vertex,), detail)
        ]
        return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])

    @cached_property
    def corners(self) -> Floats:
        """(N, 2) xy: the vertices."""
        return np.asarray(self.vertices, dtype=np.float64).reshape(-1, 2)

    @cached_property
    def box(self) -> Box:
        """xyxy around its path."""
        return _box_of([self.path])

    def edge(self, index: int) -> Floats:
        """(N, 2) xy: an edge with both its ends and its detail."""
        count = len(self.vertices)
        first, last = self.vertices[index % count], self.vertices[(index + 1) % count]
        return np.concatenate(([first], self.details[index % count], [last]))


@dataclass(frozen=True, eq=False)
class Piece:
    """An outer ring and, after it, its holes; without any ring, nothing."""

    rings: tuple[Ring, ...]

    def mask(self, size: tuple[int, int], near: Box | None = None) -> Mask:
        """Its pixels, of an image of `size` (H, W).

        With `near` (xyxy) they are right inside that box; beside it, it costs less.
        """
        if not self.rings:
            return Mask.empty(size)
        columns = _columns(near) if near is not None else None
        outer = polygon_mask([self.rings[0].path], size, columns)
        holes = [ring.path for ring in self.rings[1:] if near is None or _meet(ring.box, near)]
        return without(outer, union_of_polygons(holes, size, columns)) if holes else outer

    @property
    def box(self) -> Box:
        """xyxy around it."""
        return self.rings[0].box if self.rings else _box_of([])


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of a mask of an image of `size` (H, W)."""

    size: tuple[int, int]
    pieces: tuple[Piece, ...]

    def mask(self) -> Mask:
        """What it goes around."""
        plain = [piece.rings[0].path for piece in self.pieces if len(piece.rings) == 1]
        others = [piece.mask(self.size) for piece in self.pieces if len(piece.rings) > 1]
        return union_of([union_of_polygons(plain, self.size), *others], self.size)

    @cached_property
    def rings(self) -> tuple[tuple[At, Ring], ...]:
        """All rings, each with the place of its first vertex."""
        return tuple(
            (At(number, place, 0), ring)
            for number, piece in enumerate(self.pieces)
            for place, ring in enumerate(piece.rings)
        )

    def ring(self, at: At) -> Ring:
        return self.pieces[at.piece].rings[at.ring]

    def with_ring(self, at: At, ring: Ring | None) -> Outline:
        """Another ring there; None takes it away, and with an outer one its holes."""
        rings = self.pieces[at.piece].rings
        if ring is not None:
            rings = (*rings[: at.ring], ring, *rings[at.ring + 1 :])
        else:
            rings = (*rings[: at.ring], *rings[at.ring + 1 :]) if at.ring else ()
        pieces = (*self.pieces[: at.piece], Piece(rings), *self.pieces[at.piece + 1 :])
        return replace(self, pieces=pieces)


@dataclass(frozen=True, eq=False)
class OutlineChange:
    """An outline before and after an edit of one `piece`, and the `box` (xyxy) of what differs."""

    before: Outline
    after: Outline
    piece: int
    box: Box

    def pixels(self) -> tuple[Mask, Mask]:
        """The pixels that came, and those that went; what other pieces have does neither."""
        size = self.before.size
        old, new = (
            outline.pieces[self.piece].mask(size, self.box) for outline in (self.before, self.after)
        )
        others = tuple(
            piece
            for number, piece in enumerate(self.before.pieces)
            if number != self.piece and _meet(piece.box, self.box)
        )
        taken = Outline(size, others).mask()
        came, went = without(new, old), without(old, new)
        return without(came, taken), without(went, taken)


def moved(outline: Outline, at: At, place: Point) -> OutlineChange:
    """A vertex is put at `place`; the edges beside it become straight."""
    ring = outline.ring(at)
    vertices, details = list(ring.vertices), list(ring.details)
    touched = [ring.edge(at.vertex - 1), ring.edge(at.vertex), np.array([place])]
    vertices[at.vertex] = place
    details[at.vertex - 1] = details[at.vertex] = _NONE
    new = Ring(tuple(vertices), tuple(details))
    return OutlineChange(outline, outline.with_ring(at, new), at.piece, _box_of(touched))


def without_vertex(outline: Outline, at: At) -> OutlineChange:
    """A vertex goes, and its neighbours are joined; of the last three, the ring goes."""
    ring = outline.ring(at)
    if len(ring.vertices) <= 3:
        box = outline.pieces[at.piece].box
        return OutlineChange(outline, outline.with_ring(at, None), at.piece, box)
    vertices, details = list(ring.vertices), list(ring.details)
    touched = [ring.edge(at.vertex - 1), ring.edge(at.vertex)]
    details[at.vertex - 1] = _NONE
    del vertices[at.vertex], details[at.vertex]
    new = Ring(tuple(vertices), tuple(details))
    return OutlineChange(outline, outline.with_ring(at, new), at.piece, _box_of(touched))


def with_vertex(outline: Outline, at: At, place: Point) -> tuple[Outline, At]:
    """A new vertex on the edge `at`, where its exact border is nearest to `place`; and which it is.

    What the outline goes around stays as it is.
    """
    ring = outline.ring(at)
    border = ring.edge(at.vertex)
    step, x, y = _nearest_on(border, place)
    vertices, details = list(ring.vertices), list(ring.details)
    vertices.insert(at.vertex + 1, (x, y))
    details[at.vertex : at.vertex + 1] = [border[1 : step + 1], border[step + 1 : -1]]
    new = outline.with_ring(at, Ring(tuple(vertices), tuple(details)))
    return new, at._replace(vertex=at.vertex + 1)


def _nearest_on(line: Floats, place: Point) -> tuple[int, float, float]:
    """The segment of an open line that is nearest to `place`, and the place on it."""
    start, step = line[:-1], np.diff(line, axis=0)
    square = (step * step).sum(axis=1)
    along = ((np.asarray(place) - start) * step).sum(axis=1) / np.where(square > 0, square, 1)
    on = start + np.clip(along, 0, 1)[:, None] * step
    nearest = int(np.argmin(((on - place) ** 2).sum(axis=1)))
    return nearest, float(on[nearest, 0]), float(on[nearest, 1])


def _columns(box: Box) -> tuple[int, int]:
    return floor(box[0]), floor(box[2]) + 1


def _box_of(lines: Sequence[Floats]) -> Box:
    points = np.concatenate([_NONE, *lines])
    if not len(points):
        return 0.0, 0.0, 0.0, 0.0
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _meet(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]

"""Which vertex or edge of an outline lies under the pointer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segstudio.imaging.outlines import At, Outline, Ring
from segstudio.tools.contract import Point

REACH = 1.5  # a vertex is hit within six screen pixels: 1.5 times the slack
LEAST_SIZE = 2.0  # a ring of less than eight screen pixels is nothing to take hold of


@dataclass(frozen=True)
class OutlinePlace:
    """A vertex, at `point`; or with `inserts` the place `point` on the edge that begins at `at`."""

    at: At
    point: Point
    inserts: bool = False


def size_of(ring: Ring) -> float:
    """The longer side of the box around a ring."""
    x0, y0, x1, y1 = ring.box
    return max(x1 - x0, y1 - y0)


class OutlineHits:
    """Finds vertices and edges by place, quickly enough for every pointer move."""

    def __init__(self, outline: Outline | None) -> None:
        self._rings = outline.rings if outline is not None else ()
        empty = np.empty((0, 2))
        corners = [ring.corners for _, ring in self._rings]
        self._ends = np.cumsum([len(ring) for ring in corners], dtype=np.int64)
        self._starts = np.concatenate([empty, *corners])
        after = np.arange(1, len(self._starts) + 1)
        after[self._ends - 1] = np.append(0, self._ends)[: len(self._ends)]
        self._steps = self._starts[after] - self._starts
        sizes = np.array([size_of(ring) for _, ring in self._rings])
        self._sizes = np.repeat(sizes, [len(ring) for ring in corners])

    def at(self, x: float, y: float, slack: float) -> OutlinePlace | None:
        """The nearest vertex within six screen pixels, else the nearest edge within four, if any.

        Rings that are too small for a hand are passed over. `slack` is how many image pixels four
        screen pixels cover.
        """
        if not len(self._starts):
            return None
        away = np.array((x, y)) - self._starts
        hidden = np.where(self._sizes < LEAST_SIZE * slack, np.inf, 0.0)
        distance = np.hypot(away[:, 0], away[:, 1]) + hidden
        nearest = int(np.argmin(distance))
        if distance[nearest] <= REACH * slack:
            return OutlinePlace(self._place(nearest), _point(self._starts[nearest]))
        square = (self._steps * self._steps).sum(axis=1)
        along = (away * self._steps).sum(axis=1) / np.where(square > 0, square, 1)
        on = self._starts + np.clip(along, 0, 1)[:, None] * self._steps
        distance = np.hypot(on[:, 0] - x, on[:, 1] - y) + hidden
        nearest = int(np.argmin(distance))
        if distance[nearest] <= slack:
            return OutlinePlace(self._place(nearest), _point(on[nearest]), inserts=True)
        return None

    def _place(self, index: int) -> At:
        number = int(np.searchsorted(self._ends, index, side="right"))
        at, ring = self._rings[number]
        return at._replace(vertex=index - int(self._ends[number]) + len(ring.vertices))


def _point(place: np.ndarray) -> Point:
    return float(place[0]), float(place[1])

"""Which vertex or edge of an outline lies under the pointer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segstudio.imaging.outlines import At, Outline
from segstudio.tools.contract import Point


@dataclass(frozen=True)
class OutlinePlace:
    """A vertex, at `point`; or with `inserts` the place `point` on the edge that begins at `at`."""

    at: At
    point: Point
    inserts: bool = False


class OutlineHits:
    """Finds vertices and edges by place, quickly enough for every pointer move."""

    def __init__(self, outline: Outline | None) -> None:
        rings = [(at, ring) for at, ring in outline.rings] if outline is not None else []
        self._places = [at._replace(vertex=i) for at, r in rings for i in range(len(r.vertices))]
        empty = np.empty((0, 2))
        starts = [np.asarray(ring.vertices, dtype=np.float64) for _, ring in rings]
        self._starts = np.concatenate([empty, *starts])
        self._steps = np.concatenate([empty, *(np.roll(v, -1, axis=0) - v for v in starts)])

    def at(self, x: float, y: float, reach: float, edge_reach: float) -> OutlinePlace | None:
        """The nearest vertex within `reach`, else the nearest edge within `edge_reach`, if any."""
        if not self._places:
            return None
        away = np.array((x, y)) - self._starts
        distance = np.hypot(away[:, 0], away[:, 1])
        nearest = int(np.argmin(distance))
        if distance[nearest] <= reach:
            return OutlinePlace(self._places[nearest], _point(self._starts[nearest]))
        square = (self._steps * self._steps).sum(axis=1)
        along = (away * self._steps).sum(axis=1) / np.where(square > 0, square, 1)
        on = self._starts + np.clip(along, 0, 1)[:, None] * self._steps
        distance = np.hypot(on[:, 0] - x, on[:, 1] - y)
        nearest = int(np.argmin(distance))
        if distance[nearest] <= edge_reach:
            return OutlinePlace(self._places[nearest], _point(on[nearest]), inserts=True)
        return None


def _point(place: np.ndarray) -> Point:
    return float(place[0]), float(place[1])

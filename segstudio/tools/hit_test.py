"""Which annotation lies under a place of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Runs


class HitTest:
    """Finds annotations by place, quickly enough for every pointer move.

    `annotations` are by depth, the front one last. Boxes are compared at once; a mask's run ends
    are summed up when its box is first hit, and kept.
    """

    def __init__(self, annotations: Sequence[Annotation]) -> None:
        self._annotations = tuple(annotations)
        boxes = [annotation.mask.box for annotation in self._annotations]
        self._boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        self._ends: dict[int, Runs] = {}

    def at(self, x: float, y: float) -> Annotation | None:
        """The front annotation whose mask has the pixel under (x, y), if there is one."""
        x0, y0, x1, y1 = self._boxes.T
        inside = np.flatnonzero((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1))
        hits = (self._annotations[i] for i in inside[::-1] if self._covers(int(i), x, y))
        return next(hits, None)

    def _covers(self, index: int, x: float, y: float) -> bool:
        mask = self._annotations[index].mask
        ends = self._ends.get(index)
        if ends is None:
            ends = self._ends[index] = np.cumsum(mask.runs)
        pixel = int(x) * mask.size[0] + int(y)  # runs go column by column
        return bool(np.searchsorted(ends, pixel, side="right") % 2)

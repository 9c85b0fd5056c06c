"""One label map of superpixels, and the questions that a hand asks it."""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
import numpy.typing as npt

from segstudio.core.patch import Patch

Labels = npt.NDArray[np.unsignedinteger]
Boxes = npt.NDArray[np.int64]

_ROWS = 256  # of labels that one step of a walk over the map takes


class SuperpixelMap:
    """The superpixels of one image at one scale, numbered 0, 1, ... `count` - 1.

    Made of `labels`, (h, w) unsigned, of an image of `size` (H, W) that was made smaller by the
    whole number `step` (1 for all but huge images): one label stands for step x step pixels.
    Answers what tools ask (`SuperpixelsInSight`) at a cost that follows what is asked about, not
    the image. Everything outside is in image pixels. Nothing in it changes.
    """

    def __init__(self, labels: Labels, size: tuple[int, int], step: int = 1) -> None:
        small = (-(-size[0] // step), -(-size[1] // step))
        if labels.shape != small or labels.dtype.kind != "u":
            raise ValueError(f"labels must be {small} unsigned, not {labels.shape} {labels.dtype}")
        self.labels, self.size, self.step = labels, size, step
        self.labels.flags.writeable = False

    @property
    def nbytes(self) -> int:
        return int(self.labels.nbytes)

    @cached_property
    def count(self) -> int:
        return int(self.labels.max()) + 1

    @cached_property
    def boxes(self) -> Boxes:
        """(count, 4) half-open x0, y0, x1, y1 of each superpixel, in image pixels.

        Takes some milliseconds a megapixel the first time: ask for it off the GUI thread.
        """
        (height, width), step = self.labels.shape, self.step
        boxes = np.empty((self.count, 4), dtype=np.int64)
        boxes[:, :2], boxes[:, 2:] = max(height, width), 0
        for top in range(0, height, _ROWS):
            _grow_boxes(boxes, self.labels[top : top + _ROWS], top)
        boxes *= step
        boxes[:, 2] = np.minimum(boxes[:, 2], self.size[1])
        boxes[:, 3] = np.minimum(boxes[:, 3], self.size[0])
        return boxes

    @cached_property
    def areas(self) -> npt.NDArray[np.int64]:
        """(count,) image pixels in each superpixel."""
        (height, width), step = self.size, self.step
        areas = np.zeros(self.count, dtype=np.int64)
        columns = np.full(self.labels.shape[1], step)
        columns[-1] = width - step * (len(columns) - 1)
        for top in range(0, self.labels.shape[0], _ROWS):
            part = self.labels[top : top + _ROWS]
            rows = np.minimum(step, height - step * (top + np.arange(len(part))))
            if step == 1:
                areas += np.bincount(part.ravel(), minlength=self.count)
            else:
                weights = (rows[:, np.newaxis] * columns).ravel()
                areas += np.bincount(part.ravel(), weights, self.count).astype(np.int64)
        return areas

    def at(self, x: float, y: float) -> int | None:
        """The number of the superpixel that has the pixel under (x, y); None outside."""
        if not (0 <= x < self.size[1] and 0 <= y < self.size[0]):
            return None
        return int(self.labels[int(y) // self.step, int(x) // self.step])

    def along(
        self, start: tuple[float, float], end: tuple[float, float], radius: float
    ) -> tuple[int, ...]:
        """Those with a pixel centre within `radius` of the line from `start` to `end`, ascending.

        The ones under the two ends belong to it whatever the radius.
        """
        found = {self.at(*start), self.at(*end)} - {None}
        (x0, y0), (x1, y1) = start, end
        pieces = max(1, int(np.hypot(x1 - x0, y1 - y0) / (2 * radius + 64)) + 1)
        stops = np.linspace((x0, y0), (x1, y1), pieces + 1)
        for one, other in itertools.pairwise(stops):
            found.update(self._near(one, other, max(radius, 0.75)))
        return tuple(sorted(number for number in found if number is not None))

    def patch(self, numbers: tuple[int, ...]) -> Patch | None:
        """The pixels of these superpixels; None for none."""
        if not numbers:
            return None
        boxes = self.boxes[list(numbers)]
        x0, y0 = (int(value) for value in boxes[:, :2].min(axis=0))
        x1, y1 = (int(value) for value in boxes[:, 2:].max(axis=0))
        part = self.crop((x0, y0, x1, y1))
        if len(numbers) == 1:
            return Patch(part == numbers[0], (x0, y0))
        chosen = np.zeros(self.count, dtype=np.bool_)
        chosen[list(numbers)] = True
        return Patch(chosen[part], (x0, y0))

    def crop(self, box: tuple[int, int, int, int]) -> Labels:
        """(y1 - y0, x1 - x0) numbers of the pixels in a half-open box x0, y0, x1, y1 inside."""
        (x0, y0, x1, y1), step = box, self.step
        if step == 1:
            return self.labels[y0:y1, x0:x1]
        rows, columns = np.arange(y0, y1) // step, np.arange(x0, x1) // step
        return self.labels[rows[:, np.newaxis], columns]

    def _near(
        self, start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], radius: float
    ) -> list[int]:
        """The numbers within `radius` of a short line; whole blocks where step is over 1."""
        step = self.step
        low = np.floor((np.minimum(start, end) - radius) / step).astype(int)
        high = np.ceil((np.maximum(start, end) + radius) / step).astype(int)
        x0, y0 = np.maximum(low, 0)
        x1, y1 = np.minimum(high, self.labels.shape[::-1])
        if x0 >= x1 or y0 >= y1:
            return []
        dx = (np.arange(x0, x1) + 0.5) * step - start[0]
        dy = ((np.arange(y0, y1) + 0.5) * step - start[1])[:, np.newaxis]
        along = end - start
        length = float(along @ along)
        share = np.clip((dx * along[0] + dy * along[1]) / length, 0, 1) if length else 0.0
        away = (dx - share * along[0]) ** 2 + (dy - share * along[1]) ** 2
        inside = self.labels[y0:y1, x0:x1][away <= radius * radius]
        return [int(number) for number in np.unique(inside)]


def _grow_boxes(boxes: Boxes, part: Labels, top: int) -> None:
    """Take rows `top`, ... of the labels into the boxes (x0, y0, x1, y1) of their numbers."""
    edge = np.ones(part.shape, dtype=np.bool_)
    edge[:, 1:] = part[:, 1:] != part[:, :-1]
    rows, starts = np.nonzero(edge)
    last = np.ones(part.shape, dtype=np.bool_)
    last[:, :-1] = edge[:, 1:]
    ends = np.nonzero(last)[1] + 1
    numbers = part[rows, starts]
    np.minimum.at(boxes[:, 0], numbers, starts)
    np.maximum.at(boxes[:, 2], numbers, ends)
    np.minimum.at(boxes[:, 1], numbers, rows + top)
    np.maximum.at(boxes[:, 3], numbers, rows + top + 1)

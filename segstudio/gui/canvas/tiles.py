"""A picture kept as square tiles at one scale, each drawn again only where something changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QImage, QPainter

from segstudio.core.mask import Box
from segstudio.gui.canvas.looks import reach
from segstudio.gui.canvas.place import Pixels, Place

SIDE = 256
SAME_PHASE = 0.02  # of a device pixel: what floating point may lose while a photo is panned

Cell = tuple[int, int]  # column, row
Rect = tuple[int, int, int, int]  # half-open xyxy, in the grid's device pixels


@dataclass(frozen=True)
class Grid:
    """Device pixels of the image at one scale: grid pixel = image * scale + phase.

    `phase` (x, y), from 0 to 1, is the part of a device pixel by which the image is off the
    screen's pixels. `ratio` is the screen's, `ground` the colour (BGR) beside the photo.
    """

    scale: float
    phase: tuple[float, float]
    ratio: float
    ground: tuple[int, int, int]

    def place(self, rect: Rect) -> Place:
        x0, y0, x1, y1 = rect
        return Place(self.scale, self.phase[0] - x0, self.phase[1] - y0, (x1 - x0, y1 - y0))

    def rect_of(self, box: Box) -> Rect:
        """The device pixels that may show something of the box, outlines included."""
        around = reach(self.ratio) + 1
        (x, y), scale = self.phase, self.scale
        return (
            math.floor(box.x0 * scale + x) - around,
            math.floor(box.y0 * scale + y) - around,
            math.ceil(box.x1 * scale + x) + around,
            math.ceil(box.y1 * scale + y) + around,
        )

    def fits(self, place: Place, ratio: float, ground: tuple[int, int, int]) -> bool:
        """Whether the image on that place of the screen lies on whole pixels of this grid."""
        steps = place.x - self.phase[0], place.y - self.phase[1]
        on_pixels = all(abs(step - round(step)) < SAME_PHASE for step in steps)
        return on_pixels and (place.scale, ratio, ground) == (self.scale, self.ratio, self.ground)


class Tiles:
    """The tiles of one image on one grid: those that are there, and what of them is out of date."""

    def __init__(self, grid: Grid, image_size: tuple[int, int]) -> None:
        self.grid = grid
        height, width = image_size
        right = math.ceil(width * grid.scale + grid.phase[0])
        bottom = math.ceil(height * grid.scale + grid.phase[1])
        self._columns, self._rows = -(-right // SIDE), -(-bottom // SIDE)
        self._tiles: dict[Cell, tuple[Pixels, QImage]] = {}
        self._stale: dict[Cell, Rect] = {}

    @property
    def whole(self) -> Rect:
        """All there is of the image."""
        return 0, 0, self._columns * SIDE, self._rows * SIDE

    def cells(self, rect: Rect) -> list[Cell]:
        """Those of the image's cells that `rect` touches."""
        x0, y0, x1, y1 = rect
        columns = range(max(0, x0 // SIDE), min(self._columns, -(-x1 // SIDE)))
        rows = range(max(0, y0 // SIDE), min(self._rows, -(-y1 // SIDE)))
        return [(column, row) for row in rows for column in columns]

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._tiles

    def is_right(self, cells: Iterable[Cell]) -> bool:
        """Whether all of them are there and up to date."""
        return all(cell in self._tiles and cell not in self._stale for cell in cells)

    def is_up_to_date(self, cells: Iterable[Cell]) -> bool:
        """Whether those that are there are up to date."""
        return not any(cell in self._stale for cell in cells)

    # -- what changes ---------------------------------------------------------------------------

    def mark(self, boxes: Iterable[Box] | None) -> None:
        """Say what part of the image looks another way now; None for all of it."""
        if boxes is None:
            self._stale = {cell: _rect(cell) for cell in self._tiles}
            return
        for box in boxes:
            rect = self.grid.rect_of(box)
            for cell in self.cells(rect):
                if cell in self._tiles:
                    old = self._stale.get(cell)
                    new = cut(rect, _rect(cell))
                    self._stale[cell] = _joined(old, new) if old else new

    def wanted(self, cells: Iterable[Cell]) -> list[Rect]:
        """What has to be drawn to make the cells right, as few rectangles."""
        rects = []
        for cell in cells:
            if cell not in self._tiles:
                rects.append(_rect(cell))
            elif cell in self._stale:
                rects.append(self._stale[cell])
        return merged(rects)

    def take(self, rect: Rect, pixels: Pixels) -> None:
        """Put drawn (h, w, 4) BGRA pixels where they belong."""
        for cell in self.cells(rect):
            whole = _rect(cell)
            x0, y0, x1, y1 = cut(rect, whole)
            part = pixels[y0 - rect[1] : y1 - rect[1], x0 - rect[0] : x1 - rect[0]]
            if cell in self._tiles:
                left, top = whole[0], whole[1]
                self._tiles[cell][0][y0 - top : y1 - top, x0 - left : x1 - left] = part
                stale = self._stale.get(cell)
                if stale is not None and cut(stale, rect) == stale:
                    del self._stale[cell]
            elif (x0, y0, x1, y1) == whole:
                own = np.ascontiguousarray(part)
                image = QImage(own.data, SIDE, SIDE, 4 * SIDE, QImage.Format.Format_RGB32)
                self._tiles[cell] = own, image

    def drop_far(self, rect: Rect) -> None:
        """Forget the tiles that lie beyond `rect`."""
        near = set(self.cells(rect))
        for cell in [cell for cell in self._tiles if cell not in near]:
            del self._tiles[cell]
            self._stale.pop(cell, None)

    # -- painting -------------------------------------------------------------------------------

    def paint(self, painter: QPainter, cells: Iterable[Cell], origin: tuple[int, int]) -> bool:
        """Draw the cells pixel by pixel; `origin` is where grid pixel (0, 0) lies on the screen.

        Returns whether all of them are there.
        """
        complete = True
        for cell in cells:
            tile = self._tiles.get(cell)
            if tile is None:
                complete = False
            else:
                left, top = origin[0] + cell[0] * SIDE, origin[1] + cell[1] * SIDE
                painter.drawImage(left, top, tile[1])
        return complete

    def paint_scaled(self, painter: QPainter, at: Place) -> bool:
        """Draw what is there where it lies on another place, quickly and roughly.

        Returns whether all that was drawn is up to date.
        """
        right = True
        for cell, source, target in self._lying_on(at):
            painter.drawImage(target, self._tiles[cell][1], source)
            right = right and cell not in self._stale
        return right

    def _lying_on(self, at: Place) -> Iterator[tuple[Cell, QRectF, QRectF]]:
        factor = at.scale / self.grid.scale
        phase_x, phase_y = self.grid.phase
        x0, y0 = (-at.x / factor + phase_x), (-at.y / factor + phase_y)
        x1, y1 = x0 + at.size[0] / factor, y0 + at.size[1] / factor
        rect = math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)
        for cell in self.cells(rect):
            if cell in self._tiles:
                left, top, right, bottom = cut(rect, whole := _rect(cell))
                source = QRectF(left - whole[0], top - whole[1], right - left, bottom - top)
                corner = QPointF((left - x0) * factor, (top - y0) * factor)
                other = QPointF((right - x0) * factor, (bottom - y0) * factor)
                yield cell, source, QRectF(corner, other)


def _rect(cell: Cell) -> Rect:
    x, y = cell[0] * SIDE, cell[1] * SIDE
    return x, y, x + SIDE, y + SIDE


def cut(one: Rect, two: Rect) -> Rect:
    return max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3])


def _joined(one: Rect, two: Rect) -> Rect:
    return min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3])


def merged(rects: Iterable[Rect]) -> list[Rect]:
    """The same pixels as fewer rectangles: those that share a whole side become one."""
    rows: list[Rect] = []
    for rect in sorted(rects, key=lambda r: (r[1], r[3], r[0])):
        if rows and rows[-1][1::2] == rect[1::2] and rows[-1][2] == rect[0]:
            rows[-1] = (*rows[-1][:2], *rect[2:])
        else:
            rows.append(rect)
    found: list[Rect] = []
    for rect in sorted(rows, key=lambda r: (r[0], r[2], r[1])):
        if found and found[-1][0::2] == rect[0::2] and found[-1][3] == rect[1]:
            found[-1] = (*found[-1][:2], *rect[2:])
        else:
            found.append(rect)
    return found

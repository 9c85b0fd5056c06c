"""Outlines that a hand draws or edits: lines, corners to take hold of, and the one under the hand.

Lines and handles are of one size on the screen, whatever the zoom. An outline of thousands of
corners costs little: points that fall together on the screen are drawn as one, and the pens are
those that Qt draws quickly (a hair line smoothly, a wide one only without smoothing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from segstudio.gui.canvas.marks import ADD, BOX, REMOVE
from segstudio.gui.canvas.view import View
from segstudio.tools.contract import OutlineShown, Point

LINE, HALO = 1.0, 3.0
HANDLE, HANDLE_HALO = 5.0, 7.0
HOT, START = 5.0, 5.5  # radius of the handle under the pointer, and of a polygon's first corner
ROUND_LINE = 1.5
SHADE, LIGHT = QColor(0, 0, 0, 150), QColor("white")
_CLOSING = (4.0, 4.0)
MOST = 2_000  # corners in sight with a line and a handle each; of more only some handles
_APART = 6.0  # handles nearer than that cannot be told apart, so one of them is drawn
_AROUND = 16.0  # logical pixels: what lies that far beside the canvas shows nothing in it

Ring = tuple[Point, ...]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OutlineMarks:
    """What to draw; `corners` says that the points of the line were clicked, one by one."""

    shown: OutlineShown
    corners: bool = True

    def __bool__(self) -> bool:
        return bool(self.shown.rings or self.shown.line)

    def paint(self, painter: QPainter, view: View) -> None:
        """Draw it over everything."""
        shown = self.shown
        if shown.rings:
            arrays = _ARRAYS.of(shown.rings)
            seen = _in_sight(_placed(np.concatenate(arrays), view), view)
            for ring, array in zip(shown.rings, arrays, strict=True):
                # Of too many, the one under the hand; of the others the mask's own outline tells.
                if len(seen) <= MOST or shown.hot in ring:
                    place = _placed(array, view)
                    _paint_lines(painter, np.concatenate((place, place[:1])), BOX)
            _paint_handles(painter, seen)
        if shown.hot is not None:
            self._paint_hot(painter, QPointF(*view.to_screen(*shown.hot)))
        if shown.line:
            self._paint_line(painter, on_screen(shown.line, view), view)

    def _paint_hot(self, painter: QPainter, at: QPointF) -> None:
        """Full where a drag moves a corner, hollow where a press makes one."""
        painter.setPen(QPen(LIGHT, ROUND_LINE))
        painter.setBrush(QColor(255, 255, 255, 70) if self.shown.inserts else BOX)
        painter.drawEllipse(at, HOT, HOT)

    def _paint_line(self, painter: QPainter, points: Floats, view: View) -> None:
        colour = ADD if self.shown.adds else REMOVE
        _paint_lines(painter, points, colour)
        first, last = QPointF(*points[0].tolist()), QPointF(*points[-1].tolist())
        if len(points) > 2 and not self.shown.closes:
            closing = QPen(LIGHT, LINE)
            closing.setDashPattern(list(_CLOSING))
            painter.setPen(closing)
            painter.drawLine(last, first)
        if self.corners:
            _paint_handles(painter, _in_sight(points[:-1], view))
            painter.setPen(QPen(colour, ROUND_LINE))
            painter.setBrush(colour if self.shown.closes else QColor(255, 255, 255, 70))
            painter.drawEllipse(first, START, START)


def on_screen(points: Ring, view: View) -> Floats:
    """(N, 2) xy in logical screen pixels."""
    return _placed(_array(points), view)


def _placed(points: Floats, view: View) -> Floats:
    return points * view.scale + (view.x, view.y)


def _array(points: Ring) -> Floats:
    """(N, 2) xy."""
    return np.array(points, dtype=np.float64).reshape(-1, 2)


class _RingArrays:
    """The rings drawn last as arrays: they stay the same while the view or another ring changes.

    Nothing else is kept: a hand makes another ring or line, of thousands of points, in each move.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Ring, Floats]] = {}  # by identity: hashing takes as long

    def of(self, rings: Sequence[Ring]) -> list[Floats]:
        """(N, 2) xy of each ring."""
        known = self._known
        self._known = {id(ring): known.get(id(ring)) or (ring, _array(ring)) for ring in rings}
        return [self._known[id(ring)][1] for ring in rings]


_ARRAYS = _RingArrays()


def _paint_lines(painter: QPainter, points: Floats, colour: QColor) -> None:
    """An open line through the points, in a dark halo."""
    cells = np.rint(2 * points)
    moves = np.any(cells[1:] != cells[:-1], axis=1)
    line = _polygon(points[np.concatenate(([True], moves))])
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for shade, width, smooth in ((SHADE, HALO, False), (colour, LINE, True)):
        pen = QPen(shade, width)
        pen.setJoinStyle(Qt.PenJoinStyle.BevelJoin)
        painter.setPen(pen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, smooth)
        painter.drawPolyline(line)


def _in_sight(points: Floats, view: View) -> Floats:
    low, high = -_AROUND, np.add(view.viewport, _AROUND)
    seen: Floats = points[np.all((points > low) & (points < high), axis=1)]
    return seen


def _paint_handles(painter: QPainter, points: Floats) -> None:
    """A square at each of the points, as far as they can be told apart."""
    cells = np.floor(points / _APART).astype(np.int64)
    _, first = np.unique(cells[:, 0] << 32 | cells[:, 1] & 0xFFFFFFFF, return_index=True)
    step = -(-len(first) // MOST) or 1
    marks = _polygon(points[first[::step]])
    for colour, width in ((BOX, HANDLE_HALO), (LIGHT, HANDLE)):
        pen = QPen(colour, width)
        pen.setCapStyle(Qt.PenCapStyle.SquareCap)
        painter.setPen(pen)
        painter.drawPoints(marks)


def _polygon(points: Floats) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points.tolist()])

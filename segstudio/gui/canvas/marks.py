"""Marks of the hand on top of everything: points, boxes and the ring of a slow model."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from segstudio.core.mask import Box
from segstudio.core.prompt import Prompt
from segstudio.gui.canvas.view import View

ADD, REMOVE, BOX = QColor("#2ecc71"), QColor("#ff5c5c"), QColor("#4c9aff")
POINT_RADIUS = 5.0
HANDLE = 7.0
FRAME = 1.5
SOUGHT, AIR = QColor("#ffd23f"), 8.0


def paint_prompt(painter: QPainter, view: View, prompt: Prompt) -> None:
    """A filled dot adds, a hollow one removes; the box has 8 handles until it is accepted."""
    if prompt.box is not None:
        paint_box(painter, view, prompt.box, handles=True)
    for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
        centre = QPointF(*view.to_screen(x, y))
        colour = ADD if label else REMOVE
        painter.setPen(QPen(QColor(0, 0, 0, 160), 4.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, POINT_RADIUS, POINT_RADIUS)
        painter.setPen(QPen(QColor("white") if label else colour, 1.5))
        painter.setBrush(colour if label else QColor(255, 255, 255, 60))
        painter.drawEllipse(centre, POINT_RADIUS, POINT_RADIUS)


def paint_box(painter: QPainter, view: View, box: Box, *, handles: bool) -> None:
    rect = screen_rect(view, box)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(QColor(0, 0, 0, 140), 3.0), QPen(BOX, 1.5)):
        painter.setPen(pen)
        painter.drawRect(rect)
    if handles:
        painter.setBrush(QColor("white"))
        painter.setPen(QPen(BOX, 1.0))
        middle = rect.center()
        for x in (rect.left(), middle.x(), rect.right()):
            for y in (rect.top(), middle.y(), rect.bottom()):
                if (x, y) != (middle.x(), middle.y()):
                    painter.drawRect(QRectF(x - HANDLE / 2, y - HANDLE / 2, HANDLE, HANDLE))


def paint_part(painter: QPainter, view: View, part: Box, *, ready: bool) -> None:
    """A thin frame around what the model looks at, as far as it is in sight; dashed: not ready."""
    inset = FRAME / 2
    sight = QRectF(0, 0, *view.viewport).adjusted(inset, inset, -inset, -inset)
    rect = screen_rect(view, part).intersected(sight)
    style = Qt.PenStyle.SolidLine if ready else Qt.PenStyle.DashLine
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(QColor(0, 0, 0, 90), FRAME + 1), QPen(BOX, FRAME, style)):
        painter.setPen(pen)
        painter.drawRect(rect)


def paint_sought(painter: QPainter, view: View, box: Box) -> None:
    """Corners around a place that was jumped to, with some air, so that specks are found too."""
    rect, least = screen_rect(view, box).adjusted(-AIR, -AIR, AIR, AIR), 4 * AIR
    wide, high = max(rect.width(), least), max(rect.height(), least)
    middle = rect.center()
    left, top = middle.x() - wide / 2, middle.y() - high / 2
    arm = min(wide, high) / 3
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(QColor(0, 0, 0, 190), 5.0), QPen(SOUGHT, 2.5)):
        painter.setPen(pen)
        for x, inward in ((left, arm), (left + wide, -arm)):
            for y, down in ((top, arm), (top + high, -arm)):
                corner = QPointF(x, y)
                painter.drawPolyline([QPointF(x + inward, y), corner, QPointF(x, y + down)])


def paint_wait(painter: QPainter, at: QPointF, angle: float) -> None:
    """A thin ring at the cursor: the answer is on its way."""
    rect = QRectF(at.x() - 11, at.y() - 11, 22, 22)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QColor(0, 0, 0, 130), 3.5), (QColor("white"), 1.5)):
        painter.setPen(QPen(colour, width, c=Qt.PenCapStyle.RoundCap))
        painter.drawArc(rect, int(-angle * 16), 250 * 16)


def screen_rect(view: View, box: Box) -> QRectF:
    left, top = view.to_screen(box.x0, box.y0)
    right, bottom = view.to_screen(box.x1, box.y1)
    return QRectF(QPointF(left, top), QPointF(right, bottom))

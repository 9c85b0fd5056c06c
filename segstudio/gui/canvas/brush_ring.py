"""The ring around the pointer that shows how wide the brush is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QCursor, QPainter, QPen, QPixmap

SMALLEST = 2.5  # logical pixels: a smaller ring would hide what it surrounds
SHADE, LIGHT = QColor(0, 0, 0, 110), QColor(255, 255, 255, 220)
HALO = 3.5
DASHES = (4.0, 3.0)  # of a brush that removes, in widths of its line
CROSS = 15  # side of the pointer's cross


@dataclass(frozen=True)
class BrushRing:
    """`radius` in image pixels; a brush that removes has a dashed ring."""

    radius: float
    removes: bool = False

    def on_screen(self, scale: float) -> float:
        """Its radius in logical pixels."""
        return max(SMALLEST, self.radius * scale)

    def paint(self, painter: QPainter, at: QPointF, scale: float) -> None:
        """A light line in a soft shade: it can be seen on every photo and hides little of it."""
        radius = self.on_screen(scale)
        line = QPen(LIGHT, 1.25)
        if self.removes:
            line.setDashPattern(list(DASHES))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(SHADE, HALO), line):
            painter.setPen(pen)
            painter.drawEllipse(at, radius, radius)

    def place(self, at: QPointF, scale: float) -> QRect:
        """What it covers of the screen."""
        reach = self.on_screen(scale) + HALO
        left, top = math.floor(at.x() - reach), math.floor(at.y() - reach)
        side = math.ceil(2 * reach) + 2
        return QRect(left, top, side, side)


def cross_cursor(ratio: float = 1.0) -> QCursor:
    """A small cross with a free middle: the system's own is larger than a fine brush."""
    pixmap = QPixmap(round(CROSS * ratio), round(CROSS * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    middle, gap, end = CROSS / 2, 2.0, CROSS / 2 - 1.0
    for pen in (QPen(QColor(0, 0, 0, 150), 3.0), QPen(QColor("white"), 1.0)):
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(
                QPointF(middle + gap * dx, middle + gap * dy),
                QPointF(middle + end * dx, middle + end * dy),
            )
    painter.end()
    return QCursor(pixmap, CROSS // 2, CROSS // 2)

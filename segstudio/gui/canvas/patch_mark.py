"""The pixels under the pointer that a click would take, marked at once."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage, QPainter

from segstudio.core.patch import Patch
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.preview import EDGE, Part, Style, drawn, image_of
from segstudio.gui.canvas.scene import Frame
from segstudio.gui.canvas.touched import TouchedPixels

FILL = 0.25


class PatchMark:
    """One patch with a dashed outline, drawn by the GUI thread: small, so that it never lags."""

    def __init__(self, update: Callable[[QRect], None]) -> None:
        self._update = update
        self.patch: Patch | None = None
        self._pixels = TouchedPixels()
        self._colour = QColor("white")
        self._image: QImage | None = None
        self._rect = QRect()  # of the image, in device pixels
        self._for: tuple[Place, float] | None = None

    def show(self, patch: Patch | None, colour: QColor | None = None) -> None:
        """Mark these pixels and no others; None for nothing."""
        if patch is self.patch and (colour is None or colour == self._colour):
            return
        self._touch()
        self.patch, self._colour = patch, colour or self._colour
        self._pixels = TouchedPixels()
        if patch is not None:
            self._pixels.add(patch)
        if self._for is not None:
            self._draw(*self._for)
            self._touch()

    def paint(self, painter: QPainter, frame: Frame) -> None:
        place = frame.place()
        if self._for != (place, frame.ratio):
            self._draw(place, frame.ratio)
        if self._image is not None:
            painter.drawImage(self._logical(), self._image)

    def _draw(self, place: Place, ratio: float) -> None:
        self._for, self._image, self._rect = (place, ratio), None, QRect()
        if self.patch is None:
            return
        x0, y0, x1, y1 = self.patch.box
        left = max(0, math.floor(x0 * place.scale + place.x))
        top = max(0, math.floor(y0 * place.scale + place.y))
        right = min(place.size[0], math.ceil(x1 * place.scale + place.x) + 1)
        bottom = min(place.size[1], math.ceil(y1 * place.scale + place.y) + 1)
        if left >= right or top >= bottom:
            return
        size = (right - left, bottom - top)
        covered = self._pixels.covered(Place(place.scale, place.x - left, place.y - top, size))
        part = Part(covered, (left, top), whole=True, smooth=False)
        image = image_of(drawn(part, Style(self._colour, FILL, dashed=True), ratio))
        self._rect = QRect(QPoint(left - EDGE, top - EDGE), image.size())
        self._image = image

    def _logical(self) -> QRect:
        ratio = self._for[1] if self._for is not None else 1.0
        rect = self._rect
        return QRect(
            round(rect.x() / ratio),
            round(rect.y() / ratio),
            round(rect.width() / ratio),
            round(rect.height() / ratio),
        )

    def _touch(self) -> None:
        """Have what it covers painted again."""
        if self._for is None:
            self._update(QRect())
        elif self._image is not None:
            self._update(self._logical().adjusted(-1, -1, 1, 1))

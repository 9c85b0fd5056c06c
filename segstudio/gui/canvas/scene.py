"""The photo and its masks, kept rendered at the current zoom.

Panning shifts the rendered pixels and draws only the strip that comes into sight: blits are the
only thing that keeps up with the hand at any zoom.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QBrush, QPainter, QPixmap, QRegion

from segstudio.gui.canvas.layers import MaskLayer, Pyramid
from segstudio.gui.canvas.view import View


class Scene:
    """A pixmap of the canvas's size, and how to keep it right."""

    def __init__(self) -> None:
        self.pyramid: Pyramid | None = None
        self.masks = MaskLayer()
        self.smooth = True
        self._pixmap: QPixmap | None = None

    def forget(self) -> None:
        """The next `pixmap` draws everything anew."""
        self._pixmap = None

    def pixmap(self, view: View, size: QSize, ratio: float, ground: QBrush) -> QPixmap:
        """The scene at `size` logical pixels and `ratio` device pixels each."""
        if self._pixmap is None:
            self._pixmap = QPixmap((size.toSizeF() * ratio).toSize())
            self._pixmap.setDevicePixelRatio(ratio)
            self._draw(view, QRectF(0, 0, size.width(), size.height()), ground)
        return self._pixmap

    def shift(self, old: View, view: View, ground: QBrush) -> None:
        """Follow a pan from `old` to `view`."""
        if self._pixmap is None:
            return
        ratio = self._pixmap.devicePixelRatio()
        dx, dy = (view.x - old.x) * ratio, (view.y - old.y) * ratio
        step_x, step_y = round(dx), round(dy)
        if abs(step_x - dx) + abs(step_y - dy) > 0.01:
            self.forget()  # a pan by parts of a device pixel cannot be blitted
            return
        whole = self._pixmap.rect()
        self._pixmap.scroll(step_x, step_y, whole)
        exposed = QRegion(whole).subtracted(QRegion(whole.translated(step_x, step_y)))
        for strip in iter(exposed):  # type: ignore[call-overload]
            left, top = strip.x() / ratio, strip.y() / ratio
            clip = QRectF(left, top, strip.width() / ratio, strip.height() / ratio)
            self._draw(view, clip, ground)

    def _draw(self, view: View, clip: QRectF, ground: QBrush) -> None:
        if self._pixmap is None:
            return
        painter = QPainter(self._pixmap)
        painter.setClipRect(clip)
        painter.fillRect(clip, ground)
        if self.pyramid is not None:
            self.pyramid.paint(painter, view, clip, self._pixmap.devicePixelRatio(), self.smooth)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self.masks.paint(painter, view, clip)
        painter.end()

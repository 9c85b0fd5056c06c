"""What lies under the pointer: the photo as a pyramid of QImages, and the mask shapes over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import RgbImage
from segstudio.gui.canvas.shapes import Shape
from segstudio.gui.canvas.view import View

OUTLINE_WIDTH = 1.5
HOVER_BOOST = 0.15
SMALLEST_LEVEL = 512
# Instances of one category differ by their place on the golden ratio's sequence.
GOLDEN, HUE_SPREAD, LIGHTNESS_SPREAD = 0.6180339887, 0.07, 0.24


@dataclass(frozen=True)
class Pyramid:
    """The photo at full size and halved again and again, as QImages of 32 bits (fast to draw)."""

    size: tuple[int, int]
    levels: tuple[QImage, ...]

    @classmethod
    def of(cls, image: RgbImage) -> Pyramid:
        """Build all levels: about 5 ms a megapixel, so off the GUI thread."""
        pixels: npt.NDArray[Any] = image.pixels
        levels = [_qimage(image.pixels)]
        while max(pixels.shape[:2]) > SMALLEST_LEVEL:
            half = (max(1, pixels.shape[1] // 2), max(1, pixels.shape[0] // 2))
            pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
            levels.append(_qimage(pixels))
        return cls(image.size, tuple(levels))

    def level_for(self, device_scale: float) -> QImage:
        """The smallest level that still has a pixel for each device pixel."""
        index = 0
        while index + 1 < len(self.levels) and device_scale <= 0.5 ** (index + 1):
            index += 1
        return self.levels[index]

    def paint(
        self, painter: QPainter, view: View, clip: QRectF, device_ratio: float, smooth: bool
    ) -> None:
        """Draw the part inside `clip` (logical screen pixels); rough is several times faster."""
        height, width = self.size
        level = self.level_for(view.scale * device_ratio)
        x0, y0 = view.to_image(clip.left(), clip.top())
        x1, y1 = view.to_image(clip.right(), clip.bottom())
        # Two image pixels more on every side, so that smooth scaling has neighbours at the edge.
        x0, y0 = max(0.0, np.floor(x0) - 2), max(0.0, np.floor(y0) - 2)
        x1, y1 = min(float(width), np.ceil(x1) + 2), min(float(height), np.ceil(y1) + 2)
        if x1 <= x0 or y1 <= y0:
            return
        left, top = view.to_screen(x0, y0)
        target = QRectF(left, top, (x1 - x0) * view.scale, (y1 - y0) * view.scale)
        fx, fy = level.width() / width, level.height() / height
        source = QRectF(x0 * fx, y0 * fy, (x1 - x0) * fx, (y1 - y0) * fy)
        filtered = smooth and view.scale < 2.0  # from 2:1 on, pixels are meant to be seen
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, filtered)
        painter.drawImage(target, level, source)


def _qimage(pixels: npt.NDArray[Any]) -> QImage:
    height, width = pixels.shape[:2]
    rgb = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return rgb.convertToFormat(QImage.Format.Format_RGB32)  # a copy that owns its pixels


@dataclass
class MaskLayer:
    """Annotations as coloured overlays with outlines, deepest first."""

    annotations: tuple[Annotation, ...] = ()
    shapes: Mapping[int, Shape] = field(default_factory=dict)
    categories: Mapping[int, Category] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    visible: bool = True
    opacity: float = 0.4

    def colour(self, annotation: Annotation) -> QColor:
        """The category's colour, a little lighter or darker so that neighbours stay apart."""
        category = self.categories.get(annotation.category_id)
        colour = QColor(category.colour if category else "#9aa0a6")
        step = annotation.id * GOLDEN % 1.0 - 0.5
        hue, saturation, lightness = colour.hslHueF(), colour.hslSaturationF(), colour.lightnessF()
        return QColor.fromHslF(
            (hue + HUE_SPREAD * step) % 1.0,
            saturation,
            min(0.85, max(0.2, lightness + LIGHTNESS_SPREAD * step)),
        )

    def paint(self, painter: QPainter, view: View, clip: QRectF) -> None:
        """Draw every shape that touches `clip` (logical screen pixels)."""
        if not self.visible:
            return
        for annotation in self.annotations:
            shape = self.shapes.get(annotation.id)
            if shape is None or annotation.id in self.hidden:
                continue
            if _screen_rect(shape, view).intersects(clip):
                paint_shape(painter, view, shape, self.colour(annotation), self.opacity)

    def paint_hover(self, painter: QPainter, view: View, annotation_id: int) -> None:
        self._paint_again(painter, view, annotation_id, HOVER_BOOST, Qt.PenStyle.SolidLine)

    def paint_selected(self, painter: QPainter, view: View, annotation_id: int) -> None:
        self._paint_again(painter, view, annotation_id, 0.0, Qt.PenStyle.DashLine)

    def _paint_again(
        self, painter: QPainter, view: View, annotation_id: int, fill: float, style: Qt.PenStyle
    ) -> None:
        shape = self.shapes.get(annotation_id)
        known = [item for item in self.annotations if item.id == annotation_id]
        if shape is None or not known or not self.visible or annotation_id in self.hidden:
            return
        colour = self.colour(known[0])
        paint_shape(painter, view, shape, colour, fill)
        if style is Qt.PenStyle.DashLine:
            # White below, dashes of black above: visible on every photo and every colour.
            _stroke(painter, view, shape, QPen(QColor("white"), 2.5))
            _stroke(painter, view, shape, QPen(QColor("black"), 1.5, style))


def paint_shape(
    painter: QPainter, view: View, shape: Shape, colour: QColor, opacity: float
) -> None:
    """Fill at `opacity` and outline, whatever the zoom, at 1.5 logical pixels."""
    fill = QColor(colour)
    fill.setAlphaF(opacity)
    pen = QPen(colour, OUTLINE_WIDTH * _ratio(painter))
    pen.setCosmetic(True)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.save()
    painter.translate(view.x, view.y)
    painter.scale(view.scale, view.scale)
    painter.setPen(pen)
    painter.setBrush(fill)
    painter.drawPath(shape)
    painter.restore()


def _ratio(painter: QPainter) -> float:
    """Device pixels a logical one: a cosmetic pen's width is in device pixels."""
    return float(painter.device().devicePixelRatio())


def _stroke(painter: QPainter, view: View, shape: Shape, pen: QPen) -> None:
    pen.setCosmetic(True)
    pen.setWidthF(pen.widthF() * _ratio(painter))
    painter.save()
    painter.translate(view.x, view.y)
    painter.scale(view.scale, view.scale)
    painter.strokePath(shape, pen)
    painter.restore()


def _screen_rect(shape: Shape, view: View) -> QRectF:
    rect = shape.controlPointRect()
    left, top = view.to_screen(rect.left(), rect.top())
    size = (rect.width() * view.scale, rect.height() * view.scale)
    return QRectF(left, top, *size).adjusted(-3, -3, 3, 3)

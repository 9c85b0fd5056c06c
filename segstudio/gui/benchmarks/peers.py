"""The same pictures drawn as other labelling programs draw them, in their kindest form.

One way makes an RGBA image of every mask in every paint (here of the mask's box, not of the whole
image); the other blends all masks into the photo at its full size when one of them changes, and
draws that scaled in every paint.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from segstudio.core.annotation import Annotation
from segstudio.core.image import RgbImage
from segstudio.gui.canvas.layers import MaskLayer
from segstudio.gui.canvas.view import View

Crop = tuple[npt.NDArray[np.bool_], tuple[int, int], tuple[int, int, int]]  # pixels, (x, y), RGB

RGBA_PER_MASK = "one RGBA image a mask and paint"
FULL_SIZE_BLEND = "one blend at full size"


def crops(rows: Sequence[Annotation], masks: MaskLayer) -> list[Crop]:
    """Each mask as an array of its box, which these programs keep, and its colour."""
    found = []
    for row in rows:
        colour = masks.colour(row)
        pixels, corner = row.mask.box_crop()
        found.append((pixels, corner, (colour.red(), colour.green(), colour.blue())))
    return found


def _rgb(pixels: npt.NDArray[np.uint8]) -> QImage:
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)


def _begin(target: QImage, view: View, ground: QColor) -> QPainter:
    target.fill(ground)
    painter = QPainter(target)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.translate(view.x, view.y)
    painter.scale(view.scale, view.scale)
    return painter


class RgbaPerMask:
    """The photo, then an RGBA image for every mask that is in sight, made anew each time."""

    def __init__(self, photo: RgbImage, opacity: float, ground: QColor) -> None:
        self._photo = _rgb(photo.pixels).convertToFormat(QImage.Format.Format_RGB32)
        self._opacity, self._ground = opacity, ground

    def paint(self, target: QImage, view: View, masks: Sequence[Crop]) -> None:
        painter = _begin(target, view, self._ground)
        painter.drawImage(0, 0, self._photo)
        x0, y0, x1, y1 = view.visible
        seen = QRectF(x0, y0, x1 - x0, y1 - y0)
        for pixels, (x, y), colour in masks:
            height, width = pixels.shape
            if seen.intersects(QRectF(x, y, width, height)):
                rgba = np.zeros((height, width, 4), dtype=np.uint8)
                rgba[pixels] = (*colour, round(255 * self._opacity))
                layout = QImage.Format.Format_RGBA8888
                painter.drawImage(x, y, QImage(rgba.data, width, height, 4 * width, layout))
        painter.end()


class FullSizeBlend:
    """Photo and masks blended into one image as large as the photo."""

    def __init__(self, photo: RgbImage, opacity: float, ground: QColor) -> None:
        self._photo, self._opacity, self._ground = photo.pixels, opacity, ground
        self._blended = QImage()

    def blend(self, masks: Sequence[Crop]) -> None:
        """Blend anew, as after every change of a mask."""
        overlay = self._photo.copy()
        for pixels, (x, y), colour in masks:
            overlay[y : y + pixels.shape[0], x : x + pixels.shape[1]][pixels] = colour
        share = self._opacity
        mixed = cv2.addWeighted(self._photo, 1.0 - share, overlay, share, 0.0)
        self._blended = _rgb(np.asarray(mixed, np.uint8)).convertToFormat(
            QImage.Format.Format_RGB32
        )

    def paint(self, target: QImage, view: View) -> None:
        painter = _begin(target, view, self._ground)
        painter.drawImage(0, 0, self._blended)
        painter.end()

"""What lies under the pointer: the photo as a pyramid of QImages, and the mask shapes over it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QColor, QImage

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import RgbImage
from segstudio.gui.canvas.shapes import Shape

OUTLINE_WIDTH = 1.5
HATCH_STEP, HATCH_BOOST = 10.0, 0.35  # logical pixels between the lines, and their extra fill
SMALLEST_LEVEL = 512
SHARP_FROM = 2.0  # from so many device pixels an image pixel on, pixels are meant to be seen
FIXED = 4  # binary places of the positions that OpenCV draws at
# Instances of one category differ by their place on the golden ratio's sequence.
GOLDEN, HUE_SPREAD, LIGHTNESS_SPREAD = 0.6180339887, 0.04, 0.24


Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Place:
    """Where a piece of the screen lies: device = image * scale + (x, y); `size` is (w, h)."""

    scale: float
    x: float
    y: float
    size: tuple[int, int]


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

    def draw(self, place: Place, ground: tuple[int, int, int]) -> Pixels:
        """(h, w, 4) uint8 BGRA of `place`, beside the photo in the colour `ground` (BGR)."""
        level = self.level_for(place.scale)
        pixels = _array(level)
        step = (
            level.width() / self.size[1] / place.scale,
            level.height() / self.size[0] / place.scale,
        )
        # Pixel centres lie at +0.5 in image and screen, at whole numbers in OpenCV.
        matrix = np.array(
            [
                [step[0], 0.0, (0.5 - place.x) * step[0] - 0.5],
                [0.0, step[1], (0.5 - place.y) * step[1] - 0.5],
            ]
        )
        sharp = place.scale >= SHARP_FROM
        flags = (cv2.INTER_NEAREST if sharp else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(pixels, matrix, place.size, flags=flags, borderValue=(*ground, 255)),
            dtype=np.uint8,
        )


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

    def draw(self, pixels: Pixels, place: Place, ratio: float) -> None:
        """Tint and outline every mask in sight on (h, w, 4) BGRA `pixels` of `place`.

        OpenCV and not a QPainter, which would hold Python's lock and with it the GUI thread.
        """
        if not self.visible:
            return
        for annotation in self.annotations:
            shape = self.shapes.get(annotation.id)
            if shape is not None and annotation.id not in self.hidden:
                colour = self.colour(annotation)
                locked = annotation.locked
                tint(pixels, place, shape, colour, self.opacity, ratio=ratio, hatched=locked)


def tint(
    pixels: Pixels,
    place: Place,
    shape: Shape,
    colour: QColor,
    opacity: float,
    *,
    ratio: float = 1.0,
    hatched: bool = False,
) -> None:
    """Fill and outline one mask on (h, w, 4) BGRA `pixels` of `place`; hatch it if asked to."""
    width = max(1, int(OUTLINE_WIDTH * ratio))  # antialiased, so 1 looks like 1.5
    rect, edge = shape.rect, width + 1
    x0 = max(0, int(rect.left() * place.scale + place.x) - edge)
    y0 = max(0, int(rect.top() * place.scale + place.y) - edge)
    x1 = min(place.size[0], int(rect.right() * place.scale + place.x) + edge + 1)
    y1 = min(place.size[1], int(rect.bottom() * place.scale + place.y) + edge + 1)
    if x1 <= x0 or y1 <= y0:
        return
    bgra = (colour.blue(), colour.green(), colour.red(), 255)
    offset = np.array((place.x - x0 - 0.5, place.y - y0 - 0.5))
    rings = [
        np.rint((ring * place.scale + offset) * (1 << FIXED)).astype(np.int32)
        for ring in shape.rings
    ]
    part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    inside = np.zeros(part.shape[:2], dtype=np.uint8)
    cv2.fillPoly(inside, rings, 255, cv2.LINE_8, FIXED)
    tinted = cv2.addWeighted(part, 1.0 - opacity, np.full_like(part, bgra), opacity, 0.0)
    cv2.copyTo(tinted, inside, part)
    if hatched:
        lines = cv2.bitwise_and(inside, _hatch(inside.shape, (place.x - x0, place.y - y0), ratio))
        strong = min(1.0, opacity + HATCH_BOOST)
        drawn = cv2.addWeighted(part, 1.0 - strong, np.full_like(part, bgra), strong, 0.0)
        cv2.copyTo(drawn, lines, part)
    cv2.polylines(part, rings, True, bgra, width, cv2.LINE_AA, FIXED)
    pixels[y0:y1, x0:x1] = part


def _hatch(size: tuple[int, ...], origin: tuple[float, float], ratio: float) -> Pixels:
    """(h, w) uint8, 255 on slanted lines, of a part that has the image's corner at `origin`.

    The lines lie still on the image while it is panned, and keep their width at every zoom.
    """
    step, width = round(HATCH_STEP * ratio), max(1, round(OUTLINE_WIDTH * ratio))
    start = math.floor(origin[0] + origin[1])
    rows, columns = np.arange(size[0]), np.arange(size[1])
    along = (rows[:, np.newaxis] + columns - start) % step
    return np.where(along < width, np.uint8(255), np.uint8(0))


def _array(image: QImage) -> Pixels:
    """(H, W, 4) uint8 BGRA view of a 32-bit image, no copy."""
    flat = np.frombuffer(image.constBits(), dtype=np.uint8)
    return flat.reshape(image.height(), image.width(), 4)

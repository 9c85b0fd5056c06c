"""What lies under the pointer: the photo, and the mask shapes over it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QColor

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.gui.canvas.shapes import Shape
from segstudio.imaging.pyramid import Pyramid

OUTLINE_WIDTH = 1.5
HATCH_STEP, HATCH_BOOST = 10.0, 0.35  # logical pixels between the lines, and their extra fill
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


def draw_photo(pyramid: Pyramid, place: Place, ground: tuple[int, int, int]) -> Pixels:
    """(h, w, 4) uint8 BGRA of `place`, beside the photo in the colour `ground` (BGR).

    Reads only the part of the level that is in sight: levels of huge images lie in a file, and
    OpenCV takes no side above 32,767 pixels here.
    """
    index = pyramid.index_for(place.scale)
    level, step = pyramid.levels[index], 0.5**index / place.scale
    # Pixel centres lie at +0.5 in image and screen, at whole numbers in OpenCV.
    start = [(0.5 - offset) * step - 0.5 for offset in (place.x, place.y)]
    spans = [
        (max(0, math.floor(at) - 1), min(side, math.ceil(at + step * length) + 2))
        for at, length, side in zip(start, place.size, level.shape[1::-1], strict=True)
    ]
    (x0, x1), (y0, y1) = spans
    if x1 <= x0 or y1 <= y0:
        return np.full((place.size[1], place.size[0], 4), (*ground, 255), dtype=np.uint8)
    matrix = np.array([[step, 0.0, start[0] - x0], [0.0, step, start[1] - y0]])
    sharp = place.scale >= SHARP_FROM
    flags = (cv2.INTER_NEAREST if sharp else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    part = level[y0:y1, x0:x1]
    drawn = cv2.warpAffine(part, matrix, place.size, flags=flags, borderValue=ground[::-1])
    return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGRA), dtype=np.uint8)


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

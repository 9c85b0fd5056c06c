"""What lies under the pointer: the photo, and the masks over it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from PySide6.QtGui import QColor

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.mapped import release
from segstudio.gui.canvas.looks import Look, Looks
from segstudio.gui.canvas.place import Pixels, Place
from segstudio.imaging.pyramid import Pyramid

__all__ = ["MaskLayer", "Pixels", "Place", "draw_photo", "measure"]

OUTLINE_WIDTH = 1.5
SHARP_FROM = 2.0  # from so many device pixels an image pixel on, pixels are meant to be seen
# Instances of one category differ by their place on the golden ratio's sequence.
GOLDEN, HUE_SPREAD, LIGHTNESS_SPREAD = 0.6180339887, 0.04, 0.24


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
    release(part)
    return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGRA), dtype=np.uint8)


@dataclass
class MaskLayer:
    """Annotations as coloured overlays with outlines, deepest first."""

    annotations: tuple[Annotation, ...] = ()
    categories: Mapping[int, Category] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()
    visible: bool = True
    opacity: float = 0.4
    _known: dict[int, tuple[Annotation, Category | None, Look]] = field(
        default_factory=dict, init=False, repr=False
    )

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

    def looks(self) -> Looks:
        """How all that is not hidden is drawn; annotations that are the same keep their look."""
        if not self.visible:
            return Looks((), self.opacity)
        known, self._known = self._known, {}
        for row in self.annotations:
            category, old = self.categories.get(row.category_id), known.get(row.id)
            if old is None or old[0] is not row or old[1] is not category:
                colour = self.colour(row)
                bgr = colour.blue(), colour.green(), colour.red()
                old = row, category, Look(row.id, row.mask, bgr, row.locked)
            self._known[row.id] = old
        shown = (look for id_, (_, _, look) in self._known.items() if id_ not in self.hidden)
        return Looks(tuple(shown), self.opacity)


def measure(annotations: Iterable[Annotation]) -> None:
    """Find what drawing needs of each mask and is kept with it; for a thread in the background."""
    for annotation in annotations:
        _ = annotation.mask.box

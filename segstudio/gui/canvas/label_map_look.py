"""A prediction over the photo: its label map, or how sure the model is, for what is in sight.

Colours come from tables of 256, so another colour, opacity or threshold costs what is on the
screen. Everything here may run on any thread, and uses OpenCV and numpy: a QPainter would hold
Python's lock, and with it the hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.category import parse_colour
from segstudio.core.prediction import ModelCategory
from segstudio.gui.canvas.label_map_levels import LabelMapLevels
from segstudio.gui.canvas.place import Pixels, Place
from segstudio.gui.canvas.preview import Picture, image_of

LINE_BOOST = 0.35  # how much more of the photo a border covers than what it surrounds
_RAMPS = {"confidence": cv2.COLORMAP_VIRIDIS, "entropy": cv2.COLORMAP_INFERNO}
Table = npt.NDArray[np.uint8]


class Shows(StrEnum):
    """What of a prediction is drawn."""

    LABELS = "labels"
    CONFIDENCE = "confidence"
    ENTROPY = "entropy"
    NOTHING = "nothing"


@dataclass(frozen=True)
class LabelMapLook:
    """How predictions are drawn. Categories are named; what is not named is fully shown.

    `opacity` counts for all, `opacities` for one category on top of it; `hidden` are shut eyes,
    `shown` the backgrounds whose eyes were opened. `thresholds` are least confidences, 0 to 1.
    """

    shows: Shows = Shows.LABELS
    opacity: float = 0.55
    opacities: Mapping[str, float] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def is_hidden(self, category: ModelCategory) -> bool:
        """Whether its eye is shut; that of a background is until it is opened."""
        name = category.name
        return name not in self.shown if category.background else name in self.hidden

    def strength(self, category: ModelCategory) -> float:
        """How much of the photo the category covers, 0 to 1."""
        own = 0.0 if self.is_hidden(category) else self.opacities.get(category.name, 1.0)
        return own * self.opacity

    def least(self, categories: tuple[ModelCategory, ...]) -> Table:
        """(256,) uint8: the least confidence, in 255ths, by label; as in `above`."""
        table = np.zeros(256, dtype=np.uint8)
        for index, category in enumerate(categories):
            wanted = self.thresholds.get(category.name, 0.0)
            table[index] = round(255 * min(1.0, max(0.0, wanted)))
        return table


def label_map_picture(
    levels: LabelMapLevels, look: LabelMapLook, place: Place, ratio: float
) -> Picture | None:
    """What of the prediction lies on `place`; None if nothing does."""
    if look.shows is Shows.NOTHING or look.opacity <= 0:
        return None
    height, width = levels.prediction.size
    left, top = math.ceil(place.x - 0.5), math.ceil(place.y - 0.5)
    right = math.ceil(width * place.scale + place.x - 0.5)
    bottom = math.ceil(height * place.scale + place.y - 0.5)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(place.size[0], right), min(place.size[1], bottom)
    if x0 >= x1 or y0 >= y1:
        return None
    here = Place(place.scale, place.x - x0, place.y - y0, (x1 - x0, y1 - y0))
    whole = (x0, y0, x1, y1) == (left, top, right, bottom)
    return Picture(image_of(_drawn(levels, look, here, ratio)), (x0, y0), whole)


def _drawn(levels: LabelMapLevels, look: LabelMapLook, place: Place, ratio: float) -> Pixels:
    """(h, w, 4) premultiplied BGRA of a place that lies on the image."""
    index = levels.index_for(place.scale)
    level, factor = levels.levels[index], 0.5**index
    labels = _lying_on(level.labels, place, factor)
    categories = levels.prediction.categories
    if look.shows is not Shows.LABELS:
        source = level.confidence if look.shows is Shows.CONFIDENCE else level.entropy
        return _ramped(labels, _lying_on(source, place, factor), look, categories)
    if any(look.thresholds.values()):
        least = cv2.LUT(labels, look.least(categories))
        unsure = cv2.compare(_lying_on(level.confidence, place, factor), least, cv2.CMP_LT)
        labels = np.asarray(cv2.bitwise_or(labels, unsure), dtype=np.uint8)
    fills, lines = _tables(categories, look)
    pixels = _coloured(labels, fills)
    cv2.copyTo(_coloured(labels, lines), _borders(labels, ratio), pixels)
    return pixels


def _coloured(values: Table, table: Table) -> Pixels:
    """(h, w, 4) BGRA of (h, w) values, by a (256, 4) table: four bytes are looked up as one."""
    drawn = np.asarray(cv2.LUT(values, table.view(np.int32)))
    return drawn.view(np.uint8).reshape(*values.shape, 4)


def _lying_on(values: Table, place: Place, factor: float) -> Table:
    """(h, w) uint8 of `place`: what lies under the centre of each device pixel.

    `values` has `factor` pixels to one of the image. Reads only the part that is in sight.
    """
    step = factor / place.scale
    start = [(0.5 - offset) * step - 0.5 for offset in (place.x, place.y)]
    spans = [
        (max(0, math.floor(at) - 1), min(side, math.ceil(at + step * length) + 2))
        for at, length, side in zip(start, place.size, values.shape[::-1], strict=True)
    ]
    (x0, x1), (y0, y1) = spans
    matrix = np.array([[step, 0.0, start[0] - x0], [0.0, step, start[1] - y0]])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    drawn = cv2.warpAffine(
        values[y0:y1, x0:x1], matrix, place.size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(drawn, dtype=np.uint8)


def _tables(categories: tuple[ModelCategory, ...], look: LabelMapLook) -> tuple[Table, Table]:
    """(256, 4) premultiplied BGRA of fills and of borders, by label."""
    fills, lines = np.zeros((256, 4), np.uint8), np.zeros((256, 4), np.uint8)
    for index, category in enumerate(categories):
        strength = look.strength(category)
        if strength > 0:
            red, green, blue = parse_colour(category.colour)
            opaque = np.array((blue, green, red, 255))
            fills[index] = np.rint(opaque * strength)
            lines[index] = np.rint(opaque * min(1.0, strength + LINE_BOOST))
    return fills, lines


def _ramped(
    labels: Table, values: Table, look: LabelMapLook, categories: tuple[ModelCategory, ...]
) -> Pixels:
    """Values in colours from low to high, as strong as the categories below them are shown."""
    strengths = np.zeros(256, dtype=np.uint8)
    for index, category in enumerate(categories):
        strengths[index] = round(255 * look.strength(category))
    covered = np.asarray(cv2.LUT(labels, strengths), dtype=np.uint8)
    pixels = np.zeros((*labels.shape, 4), dtype=np.uint8)
    for strength in {int(one) for one in strengths} - {0}:
        table = np.rint(ramp(look.shows) * (strength / 255)).astype(np.uint8)
        here = np.equal(covered, np.uint8(strength)).view(np.uint8)
        cv2.copyTo(_coloured(values, table), here, pixels)
    return pixels


@cache
def ramp(shows: Shows) -> Table:
    """(256, 4) opaque BGRA, from the lowest value to the highest (viridis, inferno)."""
    steps = np.arange(256, dtype=np.uint8).reshape(256, 1)
    colours = cv2.applyColorMap(steps, _RAMPS[shows.value])
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2BGRA), dtype=np.uint8).reshape(256, 4)


def _borders(labels: Table, ratio: float) -> Table:
    """(h, w) uint8, 1 where the label is another one than beside it; one logical pixel wide."""
    side = 2 if ratio < 1.5 else 3
    kernel = np.ones((side, side), dtype=np.uint8)
    changes = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(changes, dtype=np.uint8).astype(np.bool_).view(np.uint8)

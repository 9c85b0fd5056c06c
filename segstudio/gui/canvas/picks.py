"""The pick-list on the canvas: one picture of all that is shown, drawn in the background.

Every device pixel knows the smallest pick that covers it, so hundreds of picks cost little more
than what each covers of the screen.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QColor, QImage

from segstudio.engine.picks import Shown
from segstudio.gui.canvas.layers import GOLDEN, Place
from segstudio.gui.canvas.preview import Picture, part_of

FILL, OUTLINE = 0.2, 0.9
_SATURATION, _LIGHTNESS = 0.75, 0.58

Labels = npt.NDArray[np.int32]


def label_map(shown: Shown, place: Place) -> Labels:
    """(h, w) int32 of `place`: for each device pixel 1 + the index of its smallest pick, or 0."""
    labels = np.zeros((place.size[1], place.size[0]), dtype=np.int32)
    for index in shown.in_sight(*_seen(place)):
        part = part_of(shown.picks.items[index], place)
        if part is not None:
            (x, y), (high, wide) = part.corner, part.covered.shape
            target = labels[y : y + high, x : x + wide]
            np.copyto(target, index + 1, where=part.covered.view(np.bool_))
    return labels


def picks_picture(shown: Shown, place: Place, ratio: float) -> Picture | None:
    """All picks in sight, tinted and outlined, each in a colour of its own; None if none is."""
    labels = label_map(shown, place)
    rows, columns = np.flatnonzero(labels.any(axis=1)), np.flatnonzero(labels.any(axis=0))
    if not len(rows):
        return None
    x0, y0 = int(columns[0]), int(rows[0])
    labels = np.ascontiguousarray(labels[y0 : rows[-1] + 1, x0 : columns[-1] + 1])
    fills, lines = _colours(len(shown.picks))
    pixels = fills[labels]
    edge = _edges(labels, ratio)
    pixels[edge] = lines[labels[edge]]
    height, width = labels.shape
    layout = QImage.Format.Format_ARGB32_Premultiplied
    image = QImage(pixels.view(np.uint8).data, width, height, 4 * width, layout).copy()
    return Picture(image, (x0, y0), whole=_holds_all(shown, place))


def _holds_all(shown: Shown, place: Place) -> bool:
    """Whether no pick reaches beyond the place."""
    x0, y0, x1, y1 = _seen(place)
    left, top, right, bottom = shown.bounds
    return x0 <= left and y0 <= top and x1 >= right and y1 >= bottom


def _seen(place: Place) -> tuple[float, float, float, float]:
    """The part of the image that lies on the place: half-open xyxy in image pixels."""
    (wide, high), scale = place.size, place.scale
    left, top = -place.x / scale, -place.y / scale
    return left, top, left + wide / scale, top + high / scale


def _edges(labels: Labels, ratio: float) -> npt.NDArray[np.bool_]:
    """(h, w): the pixels of picks beside another pick or none, one logical pixel wide."""
    padded = np.pad(labels, 1)
    inner = padded[1:-1, 1:-1]
    edge = inner != padded[1:-1, :-2]
    edge |= inner != padded[1:-1, 2:]
    edge |= inner != padded[:-2, 1:-1]
    edge |= inner != padded[2:, 1:-1]
    if ratio >= 1.5:
        wider = cv2.dilate(edge.view(np.uint8), np.ones((3, 3), dtype=np.uint8))
        edge = np.asarray(wider, dtype=np.uint8).view(np.bool_)
    return np.asarray(edge & (inner > 0))


@lru_cache(maxsize=4)
def _colours(count: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """(count + 1,) premultiplied ARGB of fills and of outlines, 0 for no pick.

    Hues go round by the golden ratio: neighbours in the list lie far apart on the circle.
    """
    fills, lines = np.zeros(count + 1, dtype=np.uint32), np.zeros(count + 1, dtype=np.uint32)
    for index in range(count):
        hue = index * GOLDEN % 1.0
        fills[index + 1] = _premultiplied(hue, FILL)
        lines[index + 1] = _premultiplied(hue, OUTLINE)
    return fills, lines


def _premultiplied(hue: float, alpha: float) -> int:
    colour = QColor.fromHslF(hue, _SATURATION, _LIGHTNESS)
    channels = colour.red(), colour.green(), colour.blue()
    red, green, blue = (round(value * alpha) for value in channels)
    return round(255 * alpha) << 24 | red << 16 | green << 8 | blue

"""What an operation would add to masks and take from them, as one picture over the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QColor

from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.gui.canvas.layers import Pixels, Place
from segstudio.gui.canvas.preview import EDGE, Part, Picture, Style, drawn, image_of, part_of
from segstudio.imaging.mask_parts import largest_places

GAINED, LOST = 0.65, 0.6  # opacity
SPECK = 6  # logical pixels: what is smaller gets a ring, or nobody would see it go
MOST_RINGS = 150  # more of them hide the photo, and are a pattern that is seen without rings
_RING = 6.0  # radius, in logical pixels
_SHADOW = (0, 0, 0, 150)


@dataclass(frozen=True, eq=False)
class Change:
    """What one mask gains, in `colour`, and what it loses; `ringed`: small losses get rings."""

    gained: Mask
    lost: Mask
    colour: QColor
    ringed: bool = False

    @cached_property
    def specks(self) -> npt.NDArray[np.float64]:
        """(N, 3): the centre (x, y) and the longer side of each part that goes, in image pixels."""
        if not self.ringed or not self.lost.area:
            return np.empty((0, 3))
        places = largest_places(self.lost, self.lost.area)  # all: a part has a pixel at least
        x0, y0, x1, y1 = np.array([place.box for place in places], dtype=np.float64).T
        return np.stack(((x0 + x1) / 2, (y0 + y1) / 2, np.maximum(x1 - x0, y1 - y0)), axis=1)


def changes_picture(
    changes: Sequence[Change], place: Place, ratio: float, lost: QColor
) -> Picture | None:
    """Gains and losses (in the colour `lost`) in sight; None where nothing is. Any thread."""
    layers: list[tuple[Part, Style]] = []
    whole = True
    for change in changes:
        gains, losses = Style(change.colour, GAINED), Style(lost, LOST)
        for mask, style in ((change.gained, gains), (change.lost, losses)):
            part = part_of(Candidate(mask, 1.0, 1.0), place)
            whole = whole and (not mask.area if part is None else part.whole)
            if part is not None:
                layers.append((part, style))
    if not layers:
        return None
    around = EDGE + round((_RING + 2) * ratio)
    x0 = min(part.corner[0] for part, _ in layers) - around
    y0 = min(part.corner[1] for part, _ in layers) - around
    x1 = max(part.corner[0] + part.covered.shape[1] for part, _ in layers) + around
    y1 = max(part.corner[1] + part.covered.shape[0] for part, _ in layers) + around
    pixels = np.zeros((y1 - y0, x1 - x0, 4), dtype=np.uint8)
    for part, style in layers:
        left, top = part.corner[0] - EDGE - x0, part.corner[1] - EDGE - y0
        _lay(pixels, drawn(part, style, ratio), left, top)
    specks = np.concatenate([change.specks for change in changes])
    small = specks[specks[:, 2] * place.scale < SPECK * ratio]
    if len(small) <= MOST_RINGS:
        centres = small[:, :2] * place.scale + (place.x - x0, place.y - y0)
        _ring(pixels, np.rint(centres).astype(int), ratio, lost)
    return Picture(image_of(pixels), (x0, y0), whole)


def _lay(pixels: Pixels, over: Pixels, left: int, top: int) -> None:
    """Premultiplied `over` on premultiplied `pixels`, in place."""
    below = pixels[top : top + over.shape[0], left : left + over.shape[1]]
    rest = 255 - over[..., 3:].astype(np.uint16)
    below[:] = over + (below * rest // 255).astype(np.uint8)


def _ring(pixels: Pixels, centres: npt.NDArray[Any], ratio: float, colour: QColor) -> None:
    """Draw a ring around each of (N, 2) places."""
    radius = round(_RING * ratio)
    bgra = (colour.blue(), colour.green(), colour.red(), 255)
    height, width = pixels.shape[:2]
    for x, y in centres:
        if 0 <= x < width and 0 <= y < height:
            at = int(x), int(y)
            cv2.circle(pixels, at, radius, _SHADOW, max(1, round(3 * ratio)), cv2.LINE_AA)
            cv2.circle(pixels, at, radius, bgra, max(1, round(1.5 * ratio)), cv2.LINE_AA)

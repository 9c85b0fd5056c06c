"""Candidates as pictures of what is in sight: their cost follows the screen, not the image.

A candidate is drawn from the coarse grid of its logits where there is one, else from its runs,
read only where a device pixel's centre lies. No polygon and no full-size mask is ever made.
Everything here may run on any thread, and uses OpenCV and numpy: a QPainter would hold Python's
lock, and with it the hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QColor, QImage

from segstudio.core.prompt import Candidate, MaskLogits
from segstudio.gui.canvas.coverage import coverage, first_centre
from segstudio.gui.canvas.layers import OUTLINE_WIDTH, Pixels, Place, draw_photo
from segstudio.imaging.pyramid import Pyramid

EDGE = 3  # device pixels around a part, so that its outline is not cut off
SMOOTHING = 5  # points of an outline that are averaged: no steps in what was never pixels
DASH, GAP = 7, 5  # device pixels, times the screen's ratio
LIGHTER_DASH = 150  # percent
TILE = 92  # side of a candidate's small picture, in logical pixels
AROUND = 0.35  # so much of the photo is around the mask there
GROUND = (36, 33, 32)  # BGR beside the photo


@dataclass(frozen=True)
class Style:
    """How a mask is drawn: a fill at `opacity` and an outline of 1.5 logical pixels."""

    colour: QColor
    opacity: float
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Part:
    """The device pixels of a place that a mask covers.

    `covered` is (h, w) uint8 of 0 and 1, its top left pixel at `corner` (x, y). `whole` says that
    nothing of the mask lies beyond the place; `smooth` that its edge is no staircase of pixels.
    """

    covered: Pixels
    corner: tuple[int, int]
    whole: bool
    smooth: bool


@dataclass(frozen=True, eq=False)
class Picture:
    """Premultiplied 32 bits, the top left pixel at `corner` (x, y) of the place it is drawn for.

    A `whole` one holds all there is to see, so it stays right when the place is panned.
    """

    image: QImage
    corner: tuple[int, int]
    whole: bool


# -- where a mask is --------------------------------------------------------------------------


def part_of(candidate: Candidate, place: Place) -> Part | None:
    """What of `place` the candidate covers; None if nothing of its box is in there."""
    mask, logits, scale = candidate.mask, candidate.logits, place.scale
    if not mask.area:
        return None
    height, width = mask.size
    # A contour between pixel centres may leave the box of the pixels by almost half of one.
    slack = 0.49 if logits is not None else 0.0
    box = mask.box
    left = first_centre(max(0.0, box.x0 - slack) * scale + place.x)
    top = first_centre(max(0.0, box.y0 - slack) * scale + place.y)
    right = first_centre(min(float(width), box.x1 + slack) * scale + place.x)
    bottom = first_centre(min(float(height), box.y1 + slack) * scale + place.y)
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(place.size[0], right), min(place.size[1], bottom)
    if x0 >= x1 or y0 >= y1:
        return None
    whole = (x0, y0, x1, y1) == (left, top, right, bottom)
    here = Place(scale, place.x - x0, place.y - y0, (x1 - x0, y1 - y0))
    covered = _of_logits(logits, here) if logits is not None else coverage(mask, here)
    return Part(covered, (x0, y0), whole, smooth=logits is not None)


def _of_logits(logits: MaskLogits, place: Place) -> Pixels:
    """(h, w) of 0 and 1: bilinear between cell centres, constant beyond the outermost ones."""
    (step_x, step_y), (left, top) = logits.step, logits.origin
    wide, high = 1.0 / (place.scale * step_x), 1.0 / (place.scale * step_y)
    # Centres lie at +0.5 on the screen and in the grid, at whole numbers in OpenCV.
    matrix = np.array(
        [
            [wide, 0.0, (0.5 - place.x) * wide - left / step_x - 0.5],
            [0.0, high, (0.5 - place.y) * high - top / step_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values = cv2.warpAffine(
        logits.values, matrix, place.size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.greater(values, 0.0)).view(np.uint8)


# -- pictures ---------------------------------------------------------------------------------


def picture_of(candidate: Candidate, place: Place, style: Style, ratio: float) -> Picture | None:
    """The candidate as it looks on `place`; None if nothing of it is in there."""
    part = part_of(candidate, place)
    if part is None:
        return None
    x, y = part.corner
    return Picture(image_of(drawn(part, style, ratio)), (x - EDGE, y - EDGE), part.whole)


def drawn(part: Part, style: Style, ratio: float = 1.0) -> Pixels:
    """(h + 2 EDGE, w + 2 EDGE, 4) uint8, premultiplied BGRA: fill and outline."""
    covered = cv2.copyMakeBorder(part.covered, EDGE, EDGE, EDGE, EDGE, cv2.BORDER_CONSTANT)
    covered = np.asarray(covered, dtype=np.uint8)
    colour = style.colour
    opaque = (colour.blue(), colour.green(), colour.red(), 255)
    fill = np.array([round(value * style.opacity) for value in opaque], dtype=np.uint8)
    pixels = (covered.astype(np.uint32) * fill.view(np.uint32)).view(np.uint8)
    pixels = pixels.reshape(*covered.shape, 4)
    rings, _ = cv2.findContours(covered, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    _outline(pixels, [_smoothed(ring) for ring in rings] if part.smooth else rings, style, ratio)
    return pixels


_SHADOW = (0, 0, 0, 140)
_FIXED = 4  # binary places of the positions that OpenCV draws at


def _smoothed(ring: Any) -> npt.NDArray[np.float32]:
    points = np.asarray(ring, dtype=np.float32)
    if len(points) < 3 * SMOOTHING:
        return points
    half = SMOOTHING // 2
    wrapped = np.concatenate((points[-half:], points, points[:half]))
    total = np.cumsum(wrapped, axis=0, dtype=np.float64)
    total = np.concatenate((np.zeros_like(total[:1]), total))
    return ((total[SMOOTHING:] - total[:-SMOOTHING]) / SMOOTHING).astype(np.float32)


def _outline(pixels: Pixels, rings: Any, style: Style, ratio: float) -> None:
    """Lines along rings of (N, 1, 2) points, in place."""
    width = max(1, int(OUTLINE_WIDTH * ratio))  # antialiased, so 1 looks like 1.5
    colour = style.colour
    lines = [np.rint(np.asarray(ring) * (1 << _FIXED)).astype(np.int32) for ring in rings]
    if style.dashed:  # light on dark: seen on every photo, in the colour of what it shows too
        cv2.polylines(pixels, lines, True, _SHADOW, width, cv2.LINE_AA, _FIXED)
        lines = [piece for line in lines for piece in dashes(line, ratio)]
        colour = colour.lighter(LIGHTER_DASH)
    bgra = (colour.blue(), colour.green(), colour.red(), 255)
    cv2.polylines(pixels, lines, not style.dashed, bgra, width, cv2.LINE_AA, _FIXED)


def dashes(line: npt.NDArray[np.int32], ratio: float) -> Iterator[npt.NDArray[np.int32]]:
    """The pieces of a ring of neighbouring points that a dashed line draws."""
    dash, step = int(DASH * ratio), int((DASH + GAP) * ratio)
    for start in range(0, len(line), step):
        yield line[start : start + dash]


def image_of(pixels: Pixels) -> QImage:
    """A QImage that owns its pixels, of (h, w, 4) premultiplied BGRA."""
    height, width = pixels.shape[:2]
    layout = QImage.Format.Format_ARGB32_Premultiplied
    return QImage(pixels.data, width, height, 4 * width, layout).copy()


# -- small pictures ---------------------------------------------------------------------------


def candidate_picture(pyramid: Pyramid, candidate: Candidate, colour: QColor) -> QImage:
    """The mask on its part of the photo, square, twice `TILE` wide."""
    side, box = 2 * TILE, candidate.mask.box
    scale = side / (max(box.x1 - box.x0, box.y1 - box.y0, 8.0) * (1 + AROUND))
    x = side / 2 - (box.x0 + box.x1) / 2 * scale
    y = side / 2 - (box.y0 + box.y1) / 2 * scale
    place = Place(scale, x, y, (side, side))
    pixels = draw_photo(pyramid, place, GROUND)
    part = part_of(candidate, place)
    if part is not None:
        left, top = part.corner[0] - EDGE, part.corner[1] - EDGE
        over = drawn(part, Style(colour, 0.5), 2.0)
        _lay(pixels, over, left, top)
    return QImage(pixels.data, side, side, 4 * side, QImage.Format.Format_RGB32).copy()


def _lay(pixels: Pixels, over: Pixels, left: int, top: int) -> None:
    """Premultiplied `over` on opaque `pixels`, in place; what lies beyond them is cut off."""
    x0, y0 = max(0, left), max(0, top)
    x1 = min(pixels.shape[1], left + over.shape[1])
    y1 = min(pixels.shape[0], top + over.shape[0])
    piece = over[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.uint16)
    below = pixels[y0:y1, x0:x1]
    pixels[y0:y1, x0:x1] = piece + below * (255 - piece[..., 3:]) // 255

"""Precision-recall curves as lines to draw, and as a picture for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segstudio.core.category import parse_colour
from segstudio.metrics.confusion import Floats
from segstudio.metrics.picture_text import Rgb, cut, standing

_SIDE = 560  # px of the square that curves are drawn in
_LEFT, _TOP, _BELOW = 64, 24, 60
_LEGEND = 280  # px on the right
_LINE = 20  # px of a row of the legend
_INK, _PAPER, _GRID = (32, 33, 36), (255, 255, 255), (226, 228, 232)
_DARKEST = 0.6  # luminance of a line on white, at most


@dataclass(frozen=True, eq=False)
class Line:
    """A category's curve: (N,) float64 each, recall rising; a colour "#rrggbb"; its AP."""

    name: str
    colour: str
    recall: Floats
    precision: Floats
    ap: float


def stairs(recall: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """x and y of a line whose area is the sum of precisions, each times its step of recall.

    It drops to 0 where nothing reaches any further. Level stretches have no points between.
    """
    reached = np.flatnonzero(precision > 0)
    end = int(reached[-1]) + 1 if reached.size else 0
    if not end:
        return np.zeros(1), np.zeros(1)
    ends = np.flatnonzero(np.append(np.diff(precision[:end]) != 0, True))
    x = np.concatenate([[0.0], np.repeat(recall[ends], 2)])
    y = np.concatenate([np.repeat(precision[ends], 2), [0.0]])
    return (x, y) if end < len(recall) else (x[:-1], y[:-1])


def curve_picture(lines: Sequence[Line], title: str) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: precision by recall on white, and a legend with the AP in percent.

    The legend names the curves of the highest AP first, and counts those that it has no room for.
    """
    width, height = _LEFT + _SIDE + _LEGEND, _TOP + _SIDE + _BELOW
    picture = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(picture)
    _axes(pen, title)
    ordered = sorted(lines, key=lambda line: -line.ap)
    for line in reversed(ordered):
        x, y = stairs(line.recall, line.precision)
        points = [(_LEFT + _SIDE * a, _TOP + _SIDE * (1 - b)) for a, b in zip(x, y, strict=True)]
        if len(points) > 1:
            pen.line(points, _shown(line.colour), width=2)
    _legend(pen, ordered)
    axis = standing("Precision", ImageFont.load_default(15), _INK, _PAPER, 20)
    picture.paste(axis, (6, _TOP + (_SIDE - axis.height) // 2))
    return np.asarray(picture)


def _axes(pen: ImageDraw.ImageDraw, title: str) -> None:
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    right, bottom = _LEFT + _SIDE, _TOP + _SIDE
    for step in range(11):
        x, y = _LEFT + _SIDE * step / 10, bottom - _SIDE * step / 10
        pen.line([(x, _TOP), (x, bottom)], _GRID)
        pen.line([(_LEFT, y), (right, y)], _GRID)
        if step % 2 == 0:
            pen.text((x, bottom + 6), f"{step / 10:.1f}", _INK, small, anchor="mt")
            pen.text((_LEFT - 6, y), f"{step / 10:.1f}", _INK, small, anchor="rm")
    pen.rectangle((_LEFT, _TOP, right, bottom), outline=(150, 153, 158))
    pen.text((_LEFT + _SIDE / 2, bottom + 28), "Recall", _INK, font, anchor="mt")
    pen.text((_LEFT + _SIDE / 2, 4), title, _INK, font, anchor="mt")


def _legend(pen: ImageDraw.ImageDraw, ordered: Sequence[Line]) -> None:
    font, small = ImageFont.load_default(14), ImageFont.load_default(13)
    left, right = _LEFT + _SIDE + 16, _LEFT + _SIDE + _LEGEND - 12
    pen.text((right, _TOP), "AP (%)", _INK, small, anchor="rt")
    room = _SIDE // _LINE - 2
    for row, line in enumerate(ordered[:room], start=1):
        y = _TOP + row * _LINE + _LINE / 2
        pen.line([(left, y), (left + 18, y)], _shown(line.colour), width=3)
        name = cut(line.name, font, right - left - 86)
        pen.text((left + 26, y), name, _INK, font, anchor="lm")
        pen.text((right, y), f"{100 * line.ap:.1f}", _INK, font, anchor="rm")
    if (more := len(ordered) - room) > 0:
        y = _TOP + (room + 1) * _LINE + _LINE / 2
        pen.text((left + 26, y), f"and {more} more", _INK, small, anchor="lm")


def _shown(colour: str) -> Rgb:
    """The colour, dark enough to be seen on white."""
    red, green, blue = parse_colour(colour)
    bright = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255
    part = min(1.0, _DARKEST / bright) if bright else 1.0
    return round(part * red), round(part * green), round(part * blue)

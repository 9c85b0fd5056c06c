"""A confusion matrix for people: as CSV, and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segstudio.core.category import parse_colour
from segstudio.metrics.confusion import ConfusionMatrix, Floats
from segstudio.metrics.picture_text import Font, Rgb, cut, standing

NOTHING = "nothing"
CORNER = "truth \\ predicted"
_RIGHT, _WRONG = "#0072b2", "#d55e00"  # Okabe and Ito: told apart whatever one's sight
_CELLS = ((8, 64), (16, 48), (32, 34), (64, 22))  # up to so many categories, so many pixels
_SMALLEST_CELL = 17
_WRITTEN_IN = 30  # cells of so many pixels have a number
_WIDEST_NAME = 200
_MARGIN = 12
_SCALE_STEPS = 50


@dataclass(frozen=True)
class Look:
    """Colours of the picture."""

    paper: Rgb = (255, 255, 255)
    ink: Rgb = (32, 33, 36)
    line: Rgb = (218, 220, 224)
    absent: Rgb = (236, 237, 239)


LIGHT = Look()
DARK = Look((30, 31, 34), (232, 234, 237), (68, 71, 77), (48, 50, 54))


def confusion_csv(matrix: ConfusionMatrix, names: Sequence[str]) -> str:
    """Pixels as a table: a row for each true category, a column for each predicted one.

    The first line and column are the names, the last column is what was predicted as nothing.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([CORNER, *names, NOTHING])
    for name, row in zip(names, matrix.counts.tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()


def confusion_picture(
    matrix: ConfusionMatrix, names: Sequence[str], look: Look = LIGHT
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: what became of each true category's pixels, as shares of its row.

    Rows are the truth, columns the prediction, each with its name; right ones are blue, wrong ones
    orange, darker for larger shares (the square root of the share, so that small ones show). Shares
    are written, in percent, where the cells are large enough, which is up to 32 categories. Rows
    of categories that the truth has not are grey. The picture has about 400 pixels a side for two
    categories and 2800 for 150.
    """
    return np.asarray(_Drawing(matrix, names, look).draw())


class _Drawing:
    def __init__(self, matrix: ConfusionMatrix, names: Sequence[str], look: Look) -> None:
        self._look = look
        count = matrix.categories
        total = matrix.counts.sum(axis=1, keepdims=True)
        self._there = total[:, 0] > 0
        self._shares: Floats = matrix.counts / np.maximum(total, 1)
        self._cell = next((size for most, size in _CELLS if count <= most), _SMALLEST_CELL)
        self._line = min(20, self._cell)
        self._font = ImageFont.load_default(min(15, max(11, self._cell - 5)))
        self._small = ImageFont.load_default(min(13, self._cell / 3))
        self._title = ImageFont.load_default(15)
        self._rows = [cut(name, self._font, _WIDEST_NAME) for name in names]
        self._columns = [*self._rows, NOTHING]
        self._label = max(60, *(round(self._font.getlength(name)) for name in self._columns)) + 8
        self._left = self._top = _MARGIN + 24 + self._label
        self._size = (
            max(self._left + len(self._columns) * self._cell + _MARGIN, 420),
            self._top + count * self._cell + 64 + _MARGIN,
        )
        self._picture = Image.new("RGB", self._size, look.paper)
        self._pen = ImageDraw.Draw(self._picture)

    def draw(self) -> Image.Image:
        self._titles()
        self._names()
        for row in range(len(self._rows)):
            for column in range(len(self._columns)):
                self._square(row, column)
        self._scale()
        return self._picture

    def _titles(self) -> None:
        self._pen.text((self._left, _MARGIN), "Predicted", self._look.ink, self._title)
        self._standing("Truth", self._title, (_MARGIN, self._top))

    def _names(self) -> None:
        for row, name in enumerate(self._rows):
            middle = self._top + (row + 0.5) * self._cell
            self._pen.text((self._left - 6, middle), name, self._look.ink, self._font, anchor="rm")
        for column, name in enumerate(self._columns):
            length = round(self._font.getlength(name)) + 2
            x = self._left + column * self._cell + (self._cell - self._line) // 2
            self._standing(name, self._font, (x, self._top - 6 - length))

    def _standing(self, text: str, font: Font, place: tuple[int, int]) -> None:
        """Text that reads upwards, with its top left corner there."""
        look = self._look
        self._picture.paste(standing(text, font, look.ink, look.paper, self._line), place)

    def _square(self, row: int, column: int) -> None:
        x, y = self._left + column * self._cell, self._top + row * self._cell
        share = float(self._shares[row, column])
        fill = self._fill(share, row == column) if self._there[row] else self._look.absent
        box = (x, y, x + self._cell, y + self._cell)
        self._pen.rectangle(box, fill=fill, outline=self._look.line)
        if self._cell >= _WRITTEN_IN and share > 0:
            text = "100" if share == 1 else f"{100 * share:.1f}" if share >= 0.001 else "<0.1"
            bright = sum(fill) > 390
            ink = LIGHT.ink if bright else LIGHT.paper
            place = (x + self._cell / 2, y + self._cell / 2)
            self._pen.text(place, text, ink, self._small, anchor="mm")

    def _fill(self, share: float, right: bool) -> Rgb:
        paper, full = self._look.paper, parse_colour(_RIGHT if right else _WRONG)
        weight = share**0.5
        red, green, blue = (round(a + (b - a) * weight) for a, b in zip(paper, full, strict=True))
        return red, green, blue

    def _scale(self) -> None:
        """What the colours mean, below the matrix."""
        y = self._size[1] - _MARGIN - 44
        for right, word in ((True, "right"), (False, "wrong")):
            x = _MARGIN if right else _MARGIN + 200
            for step in range(_SCALE_STEPS + 1):
                fill = self._fill(step / _SCALE_STEPS, right)
                self._pen.rectangle((x + 3 * step, y, x + 3 * step + 2, y + 14), fill=fill)
            self._pen.text((x, y + 18), f"0 to 100 % {word}", self._look.ink, self._title)

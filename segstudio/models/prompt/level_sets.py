"""Masks straight from low-resolution logits: where SAM's upsampled logits exceed a level.

SAM takes its logits of 256 x 256 to 1024 x 1024, cuts the padding off, and takes the rest to the
image's size, bilinearly both times. That field is never made here. Only where neighbouring logits
lie on different sides of the level can an edge run; those cells alone are refined to model pixels,
then to the image's columns, and along each column the crossing is solved in closed form. A pixel
that lies too near a crossing to tell is settled by the arithmetic that torch would have used on it
(see `bilinear`). So a mask costs as much as its outline is long, whatever the image's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.mask import BoolArray, Mask
from segstudio.models.prompt.bilinear import Blend, Floats, Indices, blend, blend_table
from segstudio.models.prompt.frame import CELL, SIDE, ModelFrame

CELLS = SIDE // CELL  # logits along one side

# Blocks of cells that are refined at once; bounds the memory for masks that are all outline.
_BLOCKS = 4096

# How far, in model pixels, a row's place in float32 may lie from where it is: its rounding is
# 2e-4 at most for places up to 1024.
_PLACE_ERROR = 4e-4
_VALUE_ERROR = 1e-6  # of a logit, relative; some roundings of 6e-8 each

_MOVES = 8  # by so many pixels a crossing may be off, which is more than rounding can do

# What stands for a logit that is not a number or not finite.
_FAR = 1e30

_AROUND = np.ones((3, 3), dtype=np.uint8)
_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis of a frame: logits to model pixels in blocks, model pixels to image pixels.

    Block b holds the model cells 4 b - 2 to 4 b + 1, a cell being what lies between a model pixel
    and the next; their five corners come from the logits b - 1, b and b + 1, the `patch` (n, 3).
    `low`, `high` (n, 5): the corners' neighbours, and `low_place`, `high_place` their places in the
    patch; `low_weight`, `high_weight` (n, 5). Corners beyond the frame repeat its outermost pixel.
    """

    length: int  # model pixels
    patch: Indices
    low: Indices
    high: Indices
    low_place: Indices
    high_place: Indices
    low_weight: Floats
    high_weight: Floats
    coarse: Blend
    fine: Blend


@lru_cache(maxsize=32)
def _axis(length: int, pixels: int) -> _Axis:
    coarse, fine = blend_table(CELLS, SIDE), blend_table(length, pixels)
    blocks = np.arange((length + 1) // CELL + 1)
    corners = np.clip(CELL * blocks[:, None] - 2 + np.arange(CELL + 1), 0, length - 1)
    return _Axis(
        length,
        np.clip(blocks[:, None] + np.arange(-1, 2), 0, CELLS - 1),
        coarse.low[corners],
        coarse.high[corners],
        coarse.low[corners] - blocks[:, None] + 1,
        np.minimum(coarse.high[corners] - blocks[:, None] + 1, 2),
        coarse.low_weight[corners],
        coarse.high_weight[corners],
        coarse,
        fine,
    )


@dataclass(frozen=True, eq=False)
class _Edges:
    """Where columns cross the level: at image `column`, the pixels from `row` on are `inside`."""

    column: Indices
    row: Indices
    inside: BoolArray


class LevelSets:
    """Level sets, in pixels of the frame's image, of logits (256, 256) float32.

    A logit that is not a number counts as far below any level.
    """

    def __init__(self, frame: ModelFrame) -> None:
        self._image_size = frame.image_size
        self._rows, self._columns = map(_axis, frame.size, frame.image_size)

    def area(self, logits: Floats, level: float) -> int:
        """The number of pixels above `level`."""
        total = 0
        for edges in self._edges(finite(logits), level):
            total += int(edges.row[~edges.inside].sum()) - int(edges.row[edges.inside].sum())
        return total

    def mask(self, logits: Floats, level: float = 0.0) -> Mask:
        """The pixels above `level`."""
        height = self._image_size[0]
        parts = [e.column * height + e.row for e in self._edges(finite(logits), level)]
        # Along a column edges alternate, so sorting pairs starts with ends.
        bounds = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *parts]))
        return Mask.from_bounds(bounds, self._image_size)

    # -- from coarse to fine --------------------------------------------------------------------

    def _edges(self, logits: Floats, level: float) -> Iterator[_Edges]:
        """All edges, in parts; a column that is inside at the top or bottom has an edge there."""
        above = (logits > level).view(np.uint8)
        x, y, width, height = cv2.boundingRect(above)
        if not width:
            return
        x1, y1 = x + width, y + height
        last = self._rows.length - 1
        if y <= self._rows.coarse.high[0]:
            yield self._border_edges(logits, level, 0, (x, x1))
        if y1 > self._rows.coarse.low[last]:
            yield self._border_edges(logits, level, last, (x, x1))
        rows, columns = self._mixed_blocks(above, (x, y, x1, y1))
        for start in range(0, len(rows), _BLOCKS):
            part = slice(start, start + _BLOCKS)
            yield self._crossings(logits, level, rows[part], columns[part])

    def _mixed_blocks(
        self, above: npt.NDArray[np.uint8], reach: tuple[int, int, int, int]
    ) -> tuple[Indices, Indices]:
        """Rows and columns of the blocks whose logits do not all lie on one side."""
        x0, y0 = max(0, reach[0] - 2), max(0, reach[1] - 2)
        part = above[y0 : reach[3] + 2, x0 : reach[2] + 2]
        mixed = cv2.dilate(part, _AROUND) != cv2.erode(part, _AROUND)
        last = len(self._columns.patch) - 1
        if last == CELLS and x0 + mixed.shape[1] == CELLS:
            # The block beyond the last logit has nothing but that one and the one before.
            mixed = np.concatenate((mixed, mixed[:, -1:]), axis=1)
        rows_left, columns_left = len(self._rows.patch) - y0, len(self._columns.patch) - x0
        mixed = mixed[: max(0, rows_left), : max(0, columns_left)]
        rows, columns = np.nonzero(mixed)
        return rows + y0, columns + x0

    def _border_edges(
        self, logits: Floats, level: float, row: int, reach: tuple[int, int]
    ) -> _Edges:
        """Edges of the columns that are inside at the frame's first or last model pixel `row`.

        `reach` is the range of logits along x out of which there is nothing above the level.
        """
        rows, columns = self._rows.coarse, self._columns
        first = max(0, CELL * (reach[0] - 1))
        last = min(columns.length, CELL * (reach[1] + 1) + 1)  # exclusive
        if first >= last:
            return _Edges(_NONE, _NONE, np.empty(0, dtype=np.bool_))
        near = slice(first, last)
        low, high = (
            blend(
                line[columns.coarse.low[near]],
                line[columns.coarse.high[near]],
                columns.coarse.low_weight[near],
                columns.coarse.high_weight[near],
            )
            for line in (logits[rows.low[row]], logits[rows.high[row]])
        )
        line = blend(low, high, rows.low_weight[row], rows.high_weight[row])
        fine = columns.fine
        pixels = slice(int(fine.first[first]), int(fine.first[last]))
        values = blend(
            line[fine.low[pixels] - first],
            line[np.minimum(fine.high[pixels], last - 1) - first],
            fine.low_weight[pixels],
            fine.high_weight[pixels],
        )
        column = np.flatnonzero(values > level) + pixels.start
        at_top = row == 0
        place = 0 if at_top else self._image_size[0]
        return _Edges(column, np.full_like(column, place), np.full(len(column), at_top))

    def _crossings(
        self, logits: Floats, level: float, block_rows: Indices, block_columns: Indices
    ) -> _Edges:
        """The edges inside some blocks."""
        field = self._refined(logits, block_rows, block_columns)
        side = field > level
        corner = side[:, :-1, :-1]
        mixed = (corner != side[:, 1:, :-1]) | (corner != side[:, :-1, 1:])
        mixed |= corner != side[:, 1:, 1:]
        block, row, column = np.nonzero(mixed)
        at = (block * (CELL + 1) + row) * (CELL + 1) + column
        row += CELL * block_rows[block] - 2
        column += CELL * block_columns[block] - 2
        valid = (row >= 0) & (row < self._rows.length - 1)
        valid &= (column >= 0) & (column < self._columns.length)
        at, row, column = at[valid], row[valid], column[valid]
        # Every image column of a cell, at the model pixel above and at the one below.
        fine = self._columns.fine
        start = fine.first[column]
        count = fine.first[column + 1] - start
        cell = np.repeat(np.arange(len(at)), count)
        pixel = np.arange(len(cell)) + (start - np.cumsum(count) + count)[cell]
        values, at = field.ravel(), at[cell]
        weights = fine.low_weight[pixel], fine.high_weight[pixel]
        upper = blend(values[at], values[at + 1], *weights)
        at += CELL + 1
        lower = blend(values[at], values[at + 1], *weights)
        inside = lower > level
        cross = np.flatnonzero(inside != (upper > level))
        inside, cell = inside[cross], cell[cross]
        found = self._solved(upper[cross], lower[cross], row[cell], inside, level)
        return _Edges(pixel[cross], found, inside)

    def _refined(self, logits: Floats, block_rows: Indices, block_columns: Indices) -> Floats:
        """(n, 5, 5) model pixels at the corners of the blocks' cells."""
        rows, columns = self._rows, self._columns
        line = rows.patch[block_rows][:, :, None] * CELLS
        flat = logits.ravel()
        low, high = (
            flat[line + side[block_columns][:, None]] for side in (columns.low, columns.high)
        )
        wide = blend(
            low,
            high,
            columns.low_weight[block_columns][:, None],
            columns.high_weight[block_columns][:, None],
        )
        every = np.arange(len(block_rows))[:, None]
        return blend(
            wide[every, rows.low_place[block_rows]],
            wide[every, rows.high_place[block_rows]],
            rows.low_weight[block_rows][:, :, None],
            rows.high_weight[block_rows][:, :, None],
        )

    def _solved(
        self, upper: Floats, lower: Floats, row: Indices, inside: BoolArray, level: float
    ) -> Indices:
        """The first pixel of a column that lies on the side of `lower`.

        `upper`, `lower` (n,): the column at model pixels `row` and `row` + 1, on two sides of the
        level; `inside`: whether `lower` is above it.
        """
        fine = self._rows.fine
        scale = self._image_size[0] / self._rows.length
        rise = lower.astype(np.float64) - upper
        place = (row + (level - upper) / rise + 0.5) * scale - 0.5
        low, high = fine.first[row], fine.first[row + 1]
        found = np.clip(np.ceil(place).astype(np.int64), low, high)
        error = _PLACE_ERROR + _VALUE_ERROR * (1.0 + abs(level) / np.abs(rise))
        doubtful = np.flatnonzero(np.abs(place - np.rint(place)) < error * scale)
        if len(doubtful):
            found[doubtful] = self._settled(
                found[doubtful],
                (upper[doubtful], lower[doubtful]),
                (low[doubtful], high[doubtful]),
                inside[doubtful],
                level,
            )
        return found

    def _settled(
        self,
        found: Indices,
        ends: tuple[Floats, Floats],
        limits: tuple[Indices, Indices],
        inside: BoolArray,
        level: float,
    ) -> Indices:
        """`found` moved to where torch's own numbers change sides, within `limits`."""
        fine = self._rows.fine
        last = self._image_size[0] - 1

        def beyond(pixel: Indices) -> BoolArray:
            pixel = np.clip(pixel, 0, last)
            values = blend(*ends, fine.low_weight[pixel], fine.high_weight[pixel])
            return np.asarray((values > level) == inside, dtype=np.bool_)

        for _ in range(_MOVES):
            early = (found > limits[0]) & beyond(found - 1)
            late = (found < limits[1]) & ~beyond(found) & ~early
            if not (early.any() or late.any()):
                break
            found = found - early + late
        return found


def finite(logits: Floats) -> Floats:
    """`logits` with what is not a number far below any level, and what is infinite far away."""
    with np.errstate(all="ignore"):
        if math.isfinite(float(logits.sum())):
            return logits
    return np.nan_to_num(logits, nan=-_FAR, posinf=_FAR, neginf=-_FAR)

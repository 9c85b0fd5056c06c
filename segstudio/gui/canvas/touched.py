"""Pixels that a hand touched, and how they look at any zoom. No Qt."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from segstudio.core.patch import Patch
from segstudio.gui.canvas.layers import Pixels, Place

TILE = 256

_Cell = tuple[int, int]
_Indices = npt.NDArray[np.int64]


class TouchedPixels:
    """Pixels of one image, kept in square tiles: they cost what was touched, wherever that lies."""

    def __init__(self) -> None:
        self._tiles: dict[_Cell, Pixels] = {}

    def __bool__(self) -> bool:
        return bool(self._tiles)

    def add(self, patch: Patch) -> None:
        """Touch the pixels of `patch` as well."""
        x0, y0, x1, y1 = patch.box
        for row in range(y0 // TILE, (y1 - 1) // TILE + 1):
            for column in range(x0 // TILE, (x1 - 1) // TILE + 1):
                left, top = column * TILE, row * TILE
                part = patch.pixels[
                    max(top - y0, 0) : top + TILE - y0, max(left - x0, 0) : left + TILE - x0
                ]
                at_y, at_x = max(y0 - top, 0), max(x0 - left, 0)
                self._tile((column, row))[
                    at_y : at_y + part.shape[0], at_x : at_x + part.shape[1]
                ] |= part.view(np.uint8)

    def _tile(self, cell: _Cell) -> Pixels:
        if cell not in self._tiles:
            self._tiles[cell] = np.zeros((TILE, TILE), dtype=np.uint8)
        return self._tiles[cell]

    def boxes(self) -> Iterator[tuple[int, int, int, int]]:
        """Half-open xyxy, in image pixels, of the tiles that hold everything."""
        for column, row in self._tiles:
            yield column * TILE, row * TILE, (column + 1) * TILE, (row + 1) * TILE

    def covered(self, place: Place) -> Pixels:
        """(h, w) uint8 of 0 and 1: the device pixels of `place` that show a touched pixel.

        Enlarged, that is the one under a device pixel's centre. Made smaller, any one will do: what
        a thin brush paints stays in sight at every zoom.
        """
        seen = np.zeros((place.size[1], place.size[0]), dtype=np.uint8)
        for (column, row), tile in self._in_sight(place):
            across = _Side(column * TILE, place.scale, place.x, place.size[0])
            down = _Side(row * TILE, place.scale, place.y, place.size[1])
            if across.length and down.length:
                part = _enlarged if place.scale >= 1.0 else _reduced
                part(tile, across, down, seen)
        return seen

    def _in_sight(self, place: Place) -> Iterator[tuple[_Cell, Pixels]]:
        """Tiles that may show, each asked for or all looked through, whichever is less."""
        spans = []
        for offset, length in zip((place.x, place.y), place.size, strict=True):
            low = math.floor((-1.0 - offset) / place.scale / TILE)
            spans.append(range(low, math.floor((length + 1.0 - offset) / place.scale / TILE) + 1))
        columns, rows = spans
        if len(columns) * len(rows) > len(self._tiles):
            for cell, tile in self._tiles.items():
                if cell[0] in columns and cell[1] in rows:
                    yield cell, tile
            return
        for row in rows:
            for column in columns:
                if (column, row) in self._tiles:
                    yield (column, row), self._tiles[column, row]


class _Side:
    """One side of a tile on a place: it fills `length` device pixels from `first` on.

    `start` is the tile's first image pixel; device = image * scale + offset.
    """

    def __init__(self, start: int, scale: float, offset: float, limit: int) -> None:
        self.start, self.scale, self.offset, self.limit = start, scale, offset, limit
        if scale >= 1.0:
            low = math.ceil(start * scale + offset - 0.5)
            high = math.ceil((start + TILE) * scale + offset - 0.5)
        else:
            low = math.floor(start * scale + offset)
            high = math.floor((start + TILE) * scale + offset) + 1
        self.first, self.length = max(0, low), min(limit, high) - max(0, low)
        self.length = max(0, self.length)

    def under(self) -> _Indices:
        """Which of the tile's pixels lies under each device pixel's centre; ascending."""
        centres = np.arange(self.first, self.first + self.length) + 0.5
        found = np.floor((centres - self.offset) / self.scale).astype(np.int64) - self.start
        return np.asarray(np.clip(found, 0, TILE - 1), dtype=np.int64)

    def over(self, step: int) -> tuple[slice, _Indices, _Indices]:
        """For cells of `step` pixels: those in sight, where new device pixels begin, and which."""
        centres = self.start + (np.arange(TILE // step) + 0.5) * step
        device = np.floor(centres * self.scale + self.offset).astype(np.int64)
        low = int(np.searchsorted(device, self.first))
        high = int(np.searchsorted(device, self.first + self.length))
        device = device[low:high]
        starts = np.flatnonzero(np.diff(device, prepend=-1))
        return slice(low, high), starts, device[starts]


def _enlarged(tile: Pixels, across: _Side, down: _Side, seen: Pixels) -> None:
    target = seen[
        down.first : down.first + down.length, across.first : across.first + across.length
    ]
    target[:] = np.take(np.take(tile, down.under(), axis=0), across.under(), axis=1)


def _reduced(tile: Pixels, across: _Side, down: _Side, seen: Pixels) -> None:
    step = 1
    while step < TILE and 2 * step * across.scale <= 1.0:
        step *= 2
    columns, column_starts, wide = across.over(step)
    rows, row_starts, high = down.over(step)
    if not (len(wide) and len(high)):
        return
    part = tile[rows.start * step : rows.stop * step, columns.start * step : columns.stop * step]
    while step > 1:
        part = part[::2] | part[1::2]
        part = part[:, ::2] | part[:, 1::2]
        step //= 2
    part = np.maximum.reduceat(part, row_starts, axis=0)
    part = np.maximum.reduceat(part, column_starts, axis=1)
    target = seen[high[0] : high[-1] + 1, wide[0] : wide[-1] + 1]
    target |= part  # two tiles may share a device pixel

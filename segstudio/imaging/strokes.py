"""Brush strokes: an exact raster of discs and capsules, and what a stroke has covered so far.

A pixel is covered where its centre (at +0.5) lies in a capsule: not farther than the radius from
the segment between two places. Places and radius are rounded to 1/64 pixel and the rest is done in
integers, so that the same stroke gives the same pixels on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import BoolArray, Mask, Runs
from segstudio.core.mask_difference import bounds_of
from segstudio.core.patch import Patch

Point = tuple[float, float]
_Ints = npt.NDArray[np.int64]

UNIT = 64  # parts of a pixel that places and radii are rounded to
_HALF = UNIT // 2
_TILE = 256
_NOWHERE = (1 << 40, -(1 << 40))  # an interval without a place, in parts of a pixel


@dataclass(frozen=True, eq=False)
class CoveredRows:
    """In the image row `top` + i the columns first[i] <= x < last[i] are covered."""

    top: int
    first: _Ints
    last: _Ints


def capsule_rows(start: Point, end: Point, radius: float, size: tuple[int, int]) -> CoveredRows:
    """The pixels within `radius` of the segment from `start` to `end` (x, y), inside the image.

    A capsule is convex, so each row of it is one interval. `size` is the image's (H, W).
    """
    (ax, ay), (bx, by) = sorted(
        (round(place[0] * UNIT), round(place[1] * UNIT)) for place in (start, end)
    )
    r = round(radius * UNIT)
    top = max(_first_centre(min(ay, by) - r), 0)
    bottom = min(_first_centre(max(ay, by) + r + 1), size[0])
    y = np.arange(top, max(top, bottom), dtype=np.int64) * UNIT + _HALF
    shapes = [_disc(y - ay, ax, r), _disc(y - by, bx, r)]
    if (ax, ay) != (bx, by):
        shapes.append(_straight(y - ay, ax, bx - ax, by - ay, r))
    low = np.minimum.reduce([shape[0] for shape in shapes])
    high = np.maximum.reduce([shape[1] for shape in shapes])
    first = np.maximum((low + _HALF - 1) // UNIT, 0)
    last = np.minimum((high - _HALF) // UNIT + 1, size[1])
    return CoveredRows(top, first, np.maximum(first, last))


def _first_centre(place: int) -> int:
    """The first pixel whose centre is at `place` (in parts of a pixel) or after it."""
    return (place + _HALF - 1) // UNIT


def _disc(dy: _Ints, x: int, r: int) -> tuple[_Ints, _Ints]:
    """The interval of a disc around `x` in rows that are `dy` from its centre."""
    room = r * r - dy * dy
    half = np.sqrt(np.maximum(room, 0).astype(np.float64)).astype(np.int64)
    half -= half * half > room  # the root of a large number may be rounded up
    return np.where(room >= 0, x - half, _NOWHERE[0]), np.where(room >= 0, x + half, _NOWHERE[1])


def _straight(v: _Ints, x: int, dx: int, dy: int, r: int) -> tuple[_Ints, _Ints]:
    """The interval of the capsule's straight part in rows that are `v` from its start.

    With u columns and v rows from the start it is |dx v - dy u| <= r d, beside the segment, and
    0 <= dx u + dy v <= d d, between its ends; dx is not negative.
    """
    square = dx * dx + dy * dy
    reach = isqrt(r * r * square)
    low = np.full(len(v), _NOWHERE[1], dtype=np.int64)
    high = np.full(len(v), _NOWHERE[0], dtype=np.int64)
    inside = np.ones(len(v), dtype=np.bool_)
    for step, least, most in (
        (abs(dy), (dx * v if dy > 0 else -dx * v) - reach, (dx * v if dy > 0 else -dx * v) + reach),
        (dx, -dy * v, square - dy * v),
    ):
        if step:
            low = np.maximum(low, -(-least // step))
            high = np.minimum(high, most // step)
        else:
            inside &= (least <= 0) & (most >= 0)
    inside &= low <= high
    return np.where(inside, x + low, _NOWHERE[0]), np.where(inside, x + high, _NOWHERE[1])


class Stroke:
    """What a stroke has covered of an image of `size` (H, W), kept in tiles as it goes.

    It costs what it covers, whatever the image's size.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._tiles: dict[tuple[int, int], BoolArray] = {}

    def add(self, start: Point, end: Point, radius: float) -> tuple[Patch, ...]:
        """Cover a capsule; the pixels that were not covered yet, in pieces of one tile at most."""
        rows = capsule_rows(start, end, radius, self._size)
        pieces = []
        for top in _cuts(rows.top, rows.top + len(rows.first)):
            part = slice(top.start - rows.top, top.stop - rows.top)
            first, last = rows.first[part, None], rows.last[part, None]
            covered = first < last
            if not covered.any():
                continue
            for left in _cuts(int(first[covered].min()), int(last[covered].max())):
                columns = np.arange(left.start, left.stop, dtype=np.int64)
                pieces.append(self._cover((columns >= first) & (columns < last), left, top))
        return tuple(piece for piece in pieces if piece is not None)

    def add_patch(self, patch: Patch) -> tuple[Patch, ...]:
        """Cover the pixels of `patch`; those that were not covered yet, in pieces as above."""
        x0, y0, x1, y1 = patch.box
        pieces = [
            self._cover(
                patch.pixels[top.start - y0 : top.stop - y0, left.start - x0 : left.stop - x0],
                left,
                top,
            )
            for top in _cuts(y0, y1)
            for left in _cuts(x0, x1)
        ]
        return tuple(piece for piece in pieces if piece is not None)

    def __bool__(self) -> bool:
        """Whether any pixel is covered."""
        return bool(self._tiles)

    def mask(self) -> Mask:
        """All that is covered, once the stroke is done.

        Its runs are made when they are read for the first time, so that a large stroke ends at
        once under the hand and is worked out where it is written.
        """
        return Mask.deferred(self._size, self._encoded)

    def _encoded(self) -> Mask:
        bounds: list[Runs] = [np.empty(0, dtype=np.int64)]
        for column in sorted({column for _, column in self._tiles}):
            rows = [row for row, other in self._tiles if other == column]
            x0, y0 = column * _TILE, min(rows) * _TILE
            height = min((max(rows) + 1) * _TILE, self._size[0]) - y0
            band = np.zeros((height, min(_TILE, self._size[1] - x0)), dtype=np.bool_)
            for row in rows:
                tile = self._tiles[row, column]
                at = row * _TILE - y0
                band[at : at + tile.shape[0]] = tile
            bounds.append(bounds_of(Mask.from_crop(band, (x0, y0), self._size)))
        return Mask.from_bounds(np.concatenate(bounds), self._size)

    def _cover(self, pixels: BoolArray, left: slice, top: slice) -> Patch | None:
        """Cover `pixels` of that part of one tile; those that are new, or None."""
        if not pixels.any():
            return None
        key = top.start // _TILE, left.start // _TILE
        y0, x0 = key[0] * _TILE, key[1] * _TILE
        if key not in self._tiles:
            shape = min(_TILE, self._size[0] - y0), min(_TILE, self._size[1] - x0)
            self._tiles[key] = np.zeros(shape, dtype=np.bool_)
        there = self._tiles[key][top.start - y0 : top.stop - y0, left.start - x0 : left.stop - x0]
        new = pixels & ~there
        if not new.any():
            return None
        there |= pixels
        return Patch(new, (left.start, top.start))


def _cuts(start: int, stop: int) -> Iterator[slice]:
    """`start` to `stop`, cut where tiles meet."""
    while start < stop:
        end = min((start // _TILE + 1) * _TILE, stop)
        yield slice(start, end)
        start = end

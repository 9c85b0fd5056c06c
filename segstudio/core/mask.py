"""Masks as COCO run-length encodings of the full image.

The encoding is the one of pycocotools (`cocoapi/common/maskApi.c`): pixels are read column by
column, `runs` alternates background and foreground lengths and starts with background (which may
be 0). Work is done on the mask's box, so a small mask on a large photo costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segstudio.core.coco_text import compress, decompress
from segstudio.core.errors import BadInputError

BoolArray = npt.NDArray[np.bool_]
Runs = npt.NDArray[np.int64]


class Box(NamedTuple):
    """Half-open box in image pixels: x0 <= x < x1, y0 <= y < y1."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x1 - self.x0, self.y1 - self.y0


class Mask:
    """A (H, W) bool mask, stored as runs. Immutable; equal masks compare and hash equal."""

    __slots__ = ("__dict__", "_runs", "size")

    def __init__(self, size: tuple[int, int], runs: Runs) -> None:
        """Take canonical `runs`: int64, no zero run but the first, summing to H * W."""
        self.size = size
        self._runs = runs
        self._runs.flags.writeable = False

    def __getattr__(self, name: str) -> Runs:
        """The runs of a deferred mask, made now; every other attribute is there or is missing."""
        if name != "_runs":
            raise AttributeError(f"a mask has no {name!r}")
        make = self.__dict__.get("make")
        if make is not None:
            # Two threads may both make them: they are the same runs.
            self._runs = make().runs
            self.__dict__.pop("make", None)
        runs: Runs = object.__getattribute__(self, "_runs")  # another thread may have made them
        return runs

    # -- making ---------------------------------------------------------------------------------

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Mask:
        return cls(size, np.array([size[0] * size[1]], dtype=np.int64))

    @classmethod
    def deferred(cls, size: tuple[int, int], make: Callable[[], Mask], **known: object) -> Mask:
        """A mask of `size` whose runs `make` gives when they are read for the first time.

        For candidates, most of which are looked at as pictures and never accepted, and for stored
        masks, of which counts, area or box are `known`. `make` may be called on any thread, and in
        the worst case by two of them.
        """
        mask = cls.__new__(cls)
        mask.size = size
        mask.__dict__.update(known, make=make)
        return mask

    @classmethod
    def from_array(cls, array: npt.NDArray[np.generic]) -> Mask:
        """Encode an (H, W) array; non-zero is foreground."""
        height, width = array.shape
        return cls.from_crop(array, (0, 0), (int(height), int(width)))

    @classmethod
    def from_crop(
        cls, crop: npt.NDArray[np.generic], origin: tuple[int, int], size: tuple[int, int]
    ) -> Mask:
        """Encode a (h, w) crop whose top left pixel is at `origin` (x, y) of an image of `size`.

        Raises ValueError if the crop does not lie inside the image.
        """
        (height, width), (x0, y0), (rows, columns) = size, origin, crop.shape
        if x0 < 0 or y0 < 0 or x0 + columns > width or y0 + rows > height:
            raise ValueError("the crop does not lie inside the image")
        # One background row below each column keeps a run from leaking into the next column.
        padded = np.zeros((columns, rows + 1), dtype=np.int8)
        padded[:, :rows] = (crop != 0).T
        flat = padded.ravel()
        edges = np.flatnonzero(np.diff(flat, prepend=np.int8(0)))
        column, row = np.divmod(edges, rows + 1)
        positions = (x0 + column) * height + y0 + row
        starts, ends = positions[0::2], positions[1::2]
        return cls._from_intervals(starts, ends, size)

    @classmethod
    def from_bounds(cls, bounds: Runs, size: tuple[int, int]) -> Mask:
        """Encode a mask that begins and ends, in turn, at each of `bounds`.

        These are int64 column-major pixel indices (column * H + row), ascending; where two are
        equal they cancel out.
        """
        if np.any(bounds[1:] == bounds[:-1]):
            bounds, times = np.unique(bounds, return_counts=True)
            bounds = bounds[times % 2 == 1]
        runs = np.diff(bounds, prepend=0, append=size[0] * size[1])
        return cls(size, runs[:-1] if len(runs) > 1 and runs[-1] == 0 else runs)

    @classmethod
    def _from_intervals(cls, starts: Runs, ends: Runs, size: tuple[int, int]) -> Mask:
        """Build from sorted, disjoint foreground intervals of column-major pixel indices."""
        joined = ends[:-1] == starts[1:]
        bounds = np.empty(0, dtype=np.int64)
        if len(starts):
            keep_start = np.concatenate(([True], ~joined))
            keep_end = np.concatenate((~joined, [True]))
            bounds = np.stack((starts[keep_start], ends[keep_end]), axis=1).ravel()
        total = size[0] * size[1]
        runs = np.diff(np.concatenate(([0], bounds, [total]))).astype(np.int64)
        return cls(size, runs[:-1] if len(runs) > 1 and runs[-1] == 0 else runs)

    @classmethod
    def from_coco(cls, size: Sequence[int], counts: bytes | str | Sequence[int]) -> Mask:
        """Read COCO's `size` [H, W] and `counts` (compressed text or a list of run lengths).

        Raises BadInputError if the counts do not describe a mask of that size.
        """
        height, width = int(size[0]), int(size[1])
        coded, shortest = b"", False
        if isinstance(counts, str | bytes):
            # Letters that are not ASCII become bytes that COCO's characters are not.
            coded = counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else counts
            runs, shortest = decompress(coded)
        else:
            try:
                runs = np.array(counts, dtype=np.int64)
            except (TypeError, ValueError, OverflowError):
                raise BadInputError("A mask's run lengths are not whole numbers.") from None
        if height < 0 or width < 0 or runs.ndim != 1 or np.any(runs < 0):
            raise BadInputError("A mask's run lengths are negative or malformed.")
        if np.any(runs > height * width):  # their sum could come round to the right one
            raise BadInputError("One of a mask's run lengths is longer than its image.")
        if int(runs.sum()) != height * width:
            raise BadInputError(
                f"A mask's run lengths add up to {int(runs.sum())} pixels "
                f"where its image has {height * width}."
            )
        if len(runs) and runs[1:].all():
            mask = cls((height, width), runs)
            if shortest:  # then it is what `counts` would be
                mask.__dict__["counts"] = coded
            return mask
        ends = np.cumsum(runs)
        if len(ends) % 2:
            ends = np.append(ends, ends[-1])
        starts, stops = ends[0::2], ends[1::2]
        filled = stops > starts
        return cls._from_intervals(starts[filled], stops[filled], (height, width))

    # -- reading --------------------------------------------------------------------------------

    @property
    def runs(self) -> Runs:
        """(N,) int64 run lengths, background first; read-only."""
        return self._runs

    def _intervals(self) -> tuple[Runs, Runs]:
        bounds = np.cumsum(self._runs)
        ends = bounds[1::2]
        return bounds[0::2][: len(ends)], ends

    @cached_property
    def area(self) -> int:
        """Number of foreground pixels."""
        return int(self._runs[1::2].sum())

    @cached_property
    def box(self) -> Box:
        """Smallest half-open box around the foreground; (0, 0, 0, 0) for an empty mask."""
        starts, ends = self._intervals()
        if not len(starts):
            return Box(0, 0, 0, 0)
        height = self.size[0]
        first, top = np.divmod(starts, height)
        last, bottom = np.divmod(ends - 1, height)
        spans = bool(np.any(first != last))
        y0, y1 = (0, height) if spans else (int(top.min()), int(bottom.max()) + 1)
        return Box(int(first[0]), y0, int(last[-1]) + 1, y1)

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """COCO bbox (x, y, w, h)."""
        return self.box.xywh

    @cached_property
    def counts(self) -> bytes:
        """COCO compressed counts, byte for byte what pycocotools writes."""
        return compress(self._runs)

    def to_coco(self) -> dict[str, object]:
        """`{"size": [H, W], "counts": text}` as COCO JSON holds it."""
        return {"size": list(self.size), "counts": self.counts.decode("ascii")}

    def to_array(self) -> BoolArray:
        """(H, W) bool, C-contiguous."""
        height, width = self.size
        return self.crop(0, 0, width, height)

    def crop(self, x0: int, y0: int, x1: int, y1: int) -> BoolArray:
        """(y1 - y0, x1 - x0) bool of that half-open part of the image, which must lie inside."""
        height, rows, columns = self.size[0], y1 - y0, x1 - x0
        starts, ends = self._intervals()
        low, high = x0 * height, x1 * height
        inside = slice(
            int(np.searchsorted(ends, low, side="right")),
            int(np.searchsorted(starts, high, side="left")),
        )
        starts, ends = np.maximum(starts[inside], low) - low, np.minimum(ends[inside], high) - low
        first, top = np.divmod(starts, height)
        last, bottom = np.divmod(ends - 1, height)
        stride = height
        if np.array_equal(first, last):  # no run leaves its column: only the rows asked for count
            top, bottom = np.maximum(top - y0, 0), np.minimum(bottom + 1 - y0, rows)
            kept, stride = bottom > top, rows + 1
            starts = (first * stride + top)[kept]
            ends = (first * stride + bottom)[kept]
            y0, y1 = 0, rows
        steps = np.zeros(columns * stride + 1, dtype=np.int8)
        steps[starts] += 1
        steps[ends] -= 1
        filled = np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
        return np.ascontiguousarray(filled.reshape(columns, stride)[:, y0:y1].T)

    def box_crop(self) -> tuple[BoolArray, tuple[int, int]]:
        """The mask inside its own box, and the box's top left pixel (x, y)."""
        x0, y0, x1, y1 = (int(value) for value in self.box)
        return self.crop(x0, y0, x1, y1), (x0, y0)

    def contains(self, x: float, y: float) -> bool:
        """Whether the pixel under image position (x, y) is foreground."""
        height, width = self.size
        if not (0 <= x < width and 0 <= y < height):
            return False
        index = int(x) * height + int(y)
        return bool(np.searchsorted(np.cumsum(self._runs), index, side="right") % 2)

    # -- moving ---------------------------------------------------------------------------------

    def placed(self, origin: tuple[int, int], size: tuple[int, int]) -> Mask:
        """This mask of a crop as a mask of the whole image of `size` (H, W).

        `origin` is the crop's top left pixel (x, y). Costs as much as there are runs, in each
        column. Raises ValueError if the crop does not lie inside the image.
        """
        (rows, columns), (height, width), (x0, y0) = self.size, size, origin
        if x0 < 0 or y0 < 0 or x0 + columns > width or y0 + rows > height:
            raise ValueError("the crop does not lie inside the image")
        column, top, bottom = _by_column(*self._intervals(), rows)
        shift = (x0 + column) * height + y0
        return Mask._from_intervals(shift + top, shift + bottom, size)

    def part(self, x0: int, y0: int, x1: int, y1: int) -> Mask:
        """The mask of that half-open part of the image, which must lie inside; undoes `placed`.

        Costs as much as there are runs, in each column. Raises ValueError for a part outside.
        """
        height, width = self.size
        if not (0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height):
            raise ValueError("the part does not lie inside the image")
        starts, ends = self._intervals()
        starts, ends = np.maximum(starts, x0 * height), np.minimum(ends, x1 * height)
        inside = starts < ends
        column, top, bottom = _by_column(starts[inside], ends[inside], height)
        top, bottom = np.maximum(top, y0) - y0, np.minimum(bottom, y1) - y0
        kept = top < bottom
        shift = ((column - x0) * (y1 - y0))[kept]
        return Mask._from_intervals(shift + top[kept], shift + bottom[kept], (y1 - y0, x1 - x0))

    def column_runs(self) -> tuple[Runs, Runs, Runs]:
        """The foreground as runs down the columns, ordered by column, then by row.

        Three (N,) int64: the column (x), the first row, and the row after the last.
        """
        return _by_column(*self._intervals(), self.size[0])

    @classmethod
    def from_column_runs(
        cls, columns: Runs, tops: Runs, bottoms: Runs, size: tuple[int, int]
    ) -> Mask:
        """Undo `column_runs`: ordered runs that do not overlap, of an image of `size` (H, W)."""
        return cls._from_intervals(columns * size[0] + tops, columns * size[0] + bottoms, size)

    # -- combining ------------------------------------------------------------------------------

    def union(self, other: Mask) -> Mask:
        return self._combine(other, at_least=1)

    def intersect(self, other: Mask) -> Mask:
        return self._combine(other, at_least=2)

    def subtract(self, other: Mask) -> Mask:
        return self.intersect(other.inverted())

    def inverted(self) -> Mask:
        runs = self._runs
        return Mask(self.size, runs[1:].copy() if runs[0] == 0 else np.concatenate(([0], runs)))

    def _combine(self, other: Mask, at_least: int) -> Mask:
        if self.size != other.size:
            raise ValueError(f"masks of different images: {self.size} and {other.size}")
        (starts_a, ends_a), (starts_b, ends_b) = self._intervals(), other._intervals()
        positions = np.concatenate((starts_a, starts_b, ends_a, ends_b))
        steps = np.ones(len(positions), dtype=np.int64)
        steps[len(starts_a) + len(starts_b) :] = -1
        order = np.argsort(positions, kind="stable")
        positions, depth = positions[order], np.cumsum(steps[order])
        last = np.append(positions[1:] != positions[:-1], True)[: len(positions)]
        positions, inside = positions[last], depth[last] >= at_least
        changed = np.diff(inside, prepend=False)
        bounds = positions[changed]
        return Mask._from_intervals(bounds[0::2], bounds[1::2], self.size)

    def iou(self, other: Mask) -> float:
        """Intersection over union; 1.0 for two empty masks."""
        shared = self.intersect(other).area
        joint = self.area + other.area - shared
        return shared / joint if joint else 1.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        counts = self.__dict__.get("counts")
        if self.size == other.size and counts and counts == other.__dict__.get("counts"):
            return True
        return self.size == other.size and np.array_equal(self._runs, other._runs)

    def __hash__(self) -> int:
        return hash((self.size, self._runs.tobytes()))

    def __repr__(self) -> str:
        return f"Mask(size={self.size}, area={self.area})"


def _by_column(starts: Runs, ends: Runs, height: int) -> tuple[Runs, Runs, Runs]:
    """Intervals cut where columns end: their columns, first rows and rows after the last."""
    first, last = starts // max(height, 1), (ends - 1) // max(height, 1)
    pieces = last - first + 1
    of = np.repeat(np.arange(len(starts)), pieces)
    column = first[of] + np.arange(len(of)) - (np.cumsum(pieces) - pieces)[of]
    low = column * height
    return column, np.maximum(starts[of], low) - low, np.minimum(ends[of], low + height) - low

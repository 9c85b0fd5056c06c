"""Where a sliding window stands, how windows are blended, and what of the image a window sees.

Windows stand at multiples of the network's `multiple`, where a network that shrinks its input by
that much sees the same grid as it does in the whole image. The last window of a row is shifted
inwards by such steps, so that it sees real pixels; only what is missing to a full multiple at the
image's right and bottom edge is filled, by reflection, as it is for the whole image. So a window
differs from the whole image only where its own inner edges are in reach, and the outer quarter of
each overlap, where that shows first, does not count at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segstudio.core.image import Rgb8

_DENOMINATOR = 8  # scales finer than eighths are not kept on the network's grid
_LEAST_SIDE = 33  # what every network takes


@dataclass(frozen=True)
class Span:
    """A window along one side of the image, in pixels: it sees `start` to `stop` (excluded).

    It counts from `first` to `last` (excluded); its weight rises over the first `rise` pixels of
    those and falls over the last `fall`, as that of its neighbour falls and rises.
    """

    start: int
    stop: int
    first: int
    last: int
    rise: int = 0
    fall: int = 0

    def weights(self) -> npt.NDArray[np.float32]:
        """(last - first,) float32; with those of the neighbours they sum to 1 everywhere."""
        weights = np.ones(self.last - self.first, np.float32)
        weights[: self.rise] = _ramp(self.rise)
        weights[len(weights) - self.fall :] = 1 - _ramp(self.fall)
        return weights


def _ramp(length: int) -> npt.NDArray[np.float32]:
    places = (np.arange(length) + 0.5) / max(1, length)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * places), dtype=np.float32)


def spans(length: int, tile: int, overlap: float, unit: int) -> tuple[Span, ...]:
    """Windows of `tile` pixels that cover `length`, each overlapping the next by `overlap` or more.

    They start at multiples of `unit` and are spread evenly; only the last may be shorter, by less
    than a unit. One window covers all that is no longer than `tile`.
    """
    if length <= tile:
        return (Span(0, length, 0, length),)
    step = max(1, int(tile * (1 - overlap)) // unit)
    units = -(-(length - tile) // unit)
    count = -(-units // step) + 1
    starts = [index * units // (count - 1) * unit for index in range(count)]
    stops = [min(start + tile, length) for start in starts]
    nearest = min(b - a for a, b in pairwise(starts))
    seams = [(0, 0)]
    for start, stop in zip(starts[1:], stops, strict=False):
        half = min((stop - start) // 4, nearest // 2)
        middle = (start + stop) // 2
        seams.append((middle - half, middle + half))
    seams.append((length, length))
    return tuple(
        Span(start, stop, left[0], right[1], left[1] - left[0], right[1] - right[0])
        for start, stop, left, right in zip(starts, stops, seams, seams[1:], strict=False)
    )


def grid_unit(multiple: int, scale: float, most: int) -> int:
    """The least step, in image pixels, that is a multiple of `multiple` pixels of the network.

    The network sees the image enlarged by `scale`. Where there is none up to `most`, which windows
    must not be farther apart than to cover the image, one that nearly is such a multiple.
    """
    near = Fraction(scale).limit_denominator(_DENOMINATOR)
    if abs(near - Fraction(scale)) < 1e-6:
        whole = multiple * near.denominator
        if (unit := whole // math.gcd(whole, near.numerator)) <= most:
            return unit
    return max(1, min(most, round(multiple / scale)))


def window_pixels(pixels: Rgb8, ys: Span, xs: Span, scale: float) -> Rgb8:
    """What a window sees, `scale` times as large: (h, w, 3) uint8.

    As if the whole image were resized (bilinear, antialiased where it shrinks) and the window cut
    out of that: pixels beyond the window's edge count at its edge.
    """
    if scale == 1.0:
        return pixels[ys.start : ys.stop, xs.start : xs.stop]
    reach = math.ceil(max(1.0, 1 / scale)) + 1
    top, left = max(0, ys.start - reach), max(0, xs.start - reach)
    part = np.ascontiguousarray(pixels[top : ys.stop + reach, left : xs.stop + reach])
    box = (xs.start - left, ys.start - top, xs.stop - left, ys.stop - top)
    size = scaled(xs.stop - xs.start, scale), scaled(ys.stop - ys.start, scale)
    shown = Image.fromarray(part).resize(size, Image.Resampling.BILINEAR, box=box)
    return np.asarray(shown)


def scaled(length: int, scale: float) -> int:
    """The length in pixels of the network, at least one."""
    return max(1, round(length * scale))


def padded(pixels: Rgb8, multiple: int) -> Rgb8:
    """Filled by reflection at the right and bottom, to multiples that every network takes."""
    height, width = pixels.shape[:2]
    down, along = padded_length(height, multiple), padded_length(width, multiple)
    if (down, along) == (height, width):
        return pixels
    return np.asarray(
        cv2.copyMakeBorder(pixels, 0, down - height, 0, along - width, cv2.BORDER_REFLECT_101),
        dtype=np.uint8,
    )


def padded_length(length: int, multiple: int) -> int:
    """The next multiple, of at least 33 pixels."""
    return -(-max(length, _LEAST_SIDE) // multiple) * multiple


def batch_from(spans: Sequence[Span], first: int, most: int) -> Sequence[Span]:
    """Window number `first` and those after it of the same length, at most so many together."""
    length = spans[first].stop - spans[first].start
    after = first + 1
    while after < min(len(spans), first + most):
        if spans[after].stop - spans[after].start != length:
            break
        after += 1
    return spans[first:after]

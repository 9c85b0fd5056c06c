"""Fully connected CRF: probabilities that follow the borders seen in the image.

Krähenbühl and Koltun 2011, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials": mean field with a Gaussian in space and one in space and colour, and Potts
compatibility. As in the authors' code kernels are normalised on both sides, by the square roots of
their row sums, and a pixel counts among its own neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.image import Rgb8
from segstudio.core.progress import CancelToken
from segstudio.imaging.permutohedral import Lattice

Floats = npt.NDArray[np.float32]

_LEAST = 1e-30  # of a probability, for its logarithm
_REACH = 4.0  # standard deviations, beyond which the spatial Gaussian is nothing
_ROWS = 1 << 13  # pixels at a time
_CHANNELS = 64  # at a time; OpenCV takes no more than 128


def dense_crf(
    probabilities: Floats,
    pixels: Rgb8,
    *,
    iterations: int = 5,
    smooth_weight: float = 3.0,
    smooth_xy: float = 3.0,
    look_weight: float = 10.0,
    look_xy: float = 50.0,
    look_rgb: float = 13.0,
    negligible: float = 1e-3,
    cancel: CancelToken | None = None,
) -> Floats:
    """(C, H, W) float32 probabilities after mean field, of (C, H, W) float32 and (H, W, 3) RGB.

    The spatial Gaussian has the standard deviation `smooth_xy` pixels and is exact; the other has
    `look_xy` pixels and `look_rgb` of 0 to 255, and is filtered on the permutohedral lattice. A
    category that is nowhere more probable than `negligible` gets no support from its neighbours
    (it would be e to the sum of the weights times that, at most), which makes many categories fast.

    Holds about four times what the probabilities of the other categories take. Raises ValueError
    for shapes that do not fit, widths that are not positive and negative weights, Cancelled when
    `cancel` is set.
    """
    count, height, width = probabilities.shape
    if pixels.shape != (height, width, 3):
        raise ValueError("pixels must be (H, W, 3) for probabilities of (C, H, W)")
    if min(smooth_xy, look_xy, look_rgb) <= 0 or min(smooth_weight, look_weight) < 0:
        raise ValueError("a CRF's kernels have positive widths and no negative weights")
    if iterations < 1 or count < 2 or height * width == 0:
        return probabilities.copy()
    token = cancel or CancelToken()
    token.check()
    if not smooth_weight and not look_weight:
        return probabilities.copy()
    chances = _Chances(probabilities, negligible, token)
    kernels: list[_Kernel] = []
    if smooth_weight:
        kernels.append(_Spatial((height, width), smooth_xy, smooth_weight))
    if look_weight:
        kernels.append(_Bilateral(pixels, look_xy, look_rgb, look_weight, token))
    for _ in range(iterations):
        chances.update([kernel.filter(chances.now, token) for kernel in kernels], token)
    return chances.whole(token)


class _Chances:
    """Probabilities while they are refined, as (N, K + 1): the K that count, then all the others.

    `before` holds the logarithms of what the model said; `now` what is believed.
    """

    def __init__(self, probabilities: Floats, negligible: float, cancel: CancelToken) -> None:
        self._given = np.ascontiguousarray(probabilities)
        planes = self._given.reshape(len(probabilities), -1)
        counts = planes.max(axis=1) > negligible
        self._kept, self._others = np.flatnonzero(counts), np.flatnonzero(~counts)
        shape = planes.shape[1], len(self._kept) + 1
        self.now, self.before = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for rows in _pieces(len(self.now), cancel):
            part = planes[:, rows]
            self.now[rows, :-1] = part[self._kept].T
            self.now[rows, -1] = part[self._others].sum(axis=0)
            np.log(np.maximum(self.now[rows], np.float32(_LEAST)), out=self.before[rows])

    def update(self, messages: list[Floats], cancel: CancelToken) -> None:
        """One step of mean field with what the neighbours say, each (N, K + 1)."""
        ones = np.ones(self.now.shape[1], np.float32)
        for rows in _pieces(len(self.now), cancel):
            part = self.now[rows]
            np.add(self.before[rows], messages[0][rows], out=part)
            for message in messages[1:]:
                part += message[rows]
            part[:, -1] = self.before[rows, -1]
            part -= part.max(axis=1, keepdims=True)
            np.exp(part, out=part)
            part /= (part @ ones)[:, None]

    def whole(self, cancel: CancelToken) -> Floats:
        """(C, H, W), all categories."""
        refined = np.empty(self._given.shape, np.float32)
        flat, given = (array.reshape(len(refined), -1) for array in (refined, self._given))
        for rows in _pieces(len(self.now), cancel):
            flat[self._kept, rows] = self.now[rows, :-1].T
            others = self.now[rows, -1] / np.exp(self.before[rows, -1])
            flat[self._others, rows] = given[self._others, rows] * others
        return refined


def _pieces(count: int, cancel: CancelToken) -> Iterator[slice]:
    for start in range(0, count, _ROWS):
        cancel.check()
        yield slice(start, min(count, start + _ROWS))


class _Kernel(Protocol):
    """A Gaussian kernel over the pixels of an image, normalised on both sides, times its weight."""

    def filter(self, values: Floats, cancel: CancelToken) -> Floats:
        """(N, C) float32 of (N, C) float32. Raises Cancelled."""
        ...


class _Spatial:
    """exp(-d^2 / 2 s^2) of the distance d in pixels."""

    def __init__(self, size: tuple[int, int], deviation: float, weight: float) -> None:
        self._size = size
        reach = max(1, math.ceil(_REACH * deviation))
        places = np.arange(-reach, reach + 1) / deviation
        self._taps = np.exp(-0.5 * places**2).astype(np.float32)
        sums = self._blurred(np.ones((*size, 1), np.float32))
        self._before: Floats = np.reciprocal(np.sqrt(sums)).reshape(-1, 1)
        self._after = self._before * np.float32(weight)

    def filter(self, values: Floats, cancel: CancelToken) -> Floats:
        parts = []
        for start in range(0, values.shape[1], _CHANNELS):
            cancel.check()
            part: Floats = values[:, start : start + _CHANNELS] * self._before
            blurred = self._blurred(part.reshape(*self._size, -1)).reshape(part.shape)
            blurred *= self._after
            parts.append(blurred)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _blurred(self, image: Floats) -> Floats:
        blurred = cv2.sepFilter2D(
            image, cv2.CV_32F, self._taps, self._taps, borderType=cv2.BORDER_CONSTANT
        )
        return np.asarray(blurred, dtype=np.float32)


class _Bilateral:
    """exp(-d^2 / 2 s^2 - c^2 / 2 r^2) of the distances d in pixels and c in RGB."""

    def __init__(
        self,
        pixels: Rgb8,
        deviation: float,
        colour_deviation: float,
        weight: float,
        cancel: CancelToken,
    ) -> None:
        height, width = pixels.shape[:2]
        features = np.empty((height, width, 5), np.float32)
        features[..., 0] = np.arange(width, dtype=np.float32) / np.float32(deviation)
        features[..., 1] = np.arange(height, dtype=np.float32)[:, None] / np.float32(deviation)
        features[..., 2:] = pixels / np.float32(colour_deviation)
        self._lattice = Lattice(features.reshape(-1, 5), weight, cancel)

    def filter(self, values: Floats, cancel: CancelToken) -> Floats:
        parts = [
            self._lattice.filter(values[:, start : start + _CHANNELS], cancel)
            for start in range(0, values.shape[1], _CHANNELS)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

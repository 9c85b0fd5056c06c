"""Chance treatment of an image together with its label map; the same chance, the same result."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.image import Rgb8
from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.models.training.settings import Augmentation

FILL = (124, 116, 104)  # beyond an image's border: ImageNet's mean, which is 0 once normalised
_TRIES = 8  # for a square with something labelled in it
_GREY = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601, as torchvision's


def augmented(
    pixels: Rgb8, labels: LabelMap, side: int, how: Augmentation, chance: np.random.Generator
) -> tuple[Rgb8, LabelMap]:
    """A square of `side` pixels of an image (H, W, 3) and of its label map (H, W), both uint8.

    The image is scaled, turned, cut at a chance place, mirrored, then its colours change; what lies
    beyond it is IGNORE. Squares with no labelled pixel are passed over, if another is found soon.
    Images are interpolated (by means of areas when they shrink), labels are those of the nearest
    pixel centres.
    """
    scale = math.exp(chance.uniform(*np.log(how.scale)))
    angle = math.radians(chance.uniform(-how.rotate, how.rotate))
    flip = chance.random() < how.flip
    reach = abs(math.cos(angle)) + abs(math.sin(angle))
    middle = math.ceil(side * reach)
    window = max(1, round(middle / scale))
    pixels, labels = _cut(pixels, labels, window, chance)
    shrinks = window > middle
    pixels = _resized(pixels, middle, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    labels = _resized(labels, middle, cv2.INTER_NEAREST_EXACT)
    if angle:
        pixels, labels = _turned(pixels, labels, side, angle)
    if flip:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    if how.colour:
        pixels = recoloured(pixels, *chance.uniform(1 - how.colour, 1 + how.colour, 3))
    if chance.random() < how.blur:
        pixels = _bytes(cv2.GaussianBlur(pixels, (0, 0), chance.uniform(0.3, 1.5)))
    return np.ascontiguousarray(pixels), np.ascontiguousarray(labels)


def recoloured(pixels: Rgb8, brightness: float, contrast: float, saturation: float) -> Rgb8:
    """(H, W, 3) uint8 with colours changed by factors, 1 for no change, in that order.

    As torchvision's functions of those names, but rounded and clipped once, at the end.
    """
    grey = brightness * float(_GREY @ np.array(cv2.mean(pixels)[:3]))
    blend = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), _GREY)
    matrix = np.empty((3, 4))
    matrix[:, :3] = blend * (brightness * contrast)
    matrix[:, 3] = (1 - contrast) * grey  # a blend leaves grey as it is
    return _bytes(cv2.transform(np.ascontiguousarray(pixels), matrix))


def _cut(
    pixels: Rgb8, labels: LabelMap, window: int, chance: np.random.Generator
) -> tuple[Rgb8, LabelMap]:
    """A square of `window` pixels at a chance place; in or around the image, as it is larger."""
    spare = [size - window for size in labels.shape]
    top = left = 0
    for _ in range(_TRIES):
        top, left = (int(chance.integers(min(0, more), max(0, more) + 1)) for more in spare)
        part = labels[max(0, top) : top + window, max(0, left) : left + window]
        if (part != IGNORE).any():
            break
    ys, xs = slice(max(0, top), top + window), slice(max(0, left), left + window)
    part, look = labels[ys, xs], pixels[ys, xs]
    above, before = max(0, -top), max(0, -left)
    below, after = window - above - part.shape[0], window - before - part.shape[1]
    if not (above or before or below or after):
        return look, part
    border = (above, below, before, after, cv2.BORDER_CONSTANT)
    return (
        _bytes(cv2.copyMakeBorder(look, *border, value=FILL)),
        _bytes(cv2.copyMakeBorder(part, *border, value=IGNORE)),
    )


def _resized(array: npt.NDArray[np.uint8], side: int, interpolation: int) -> npt.NDArray[np.uint8]:
    if array.shape[:2] == (side, side):
        return array
    return _bytes(
        cv2.resize(np.ascontiguousarray(array), (side, side), interpolation=interpolation)
    )


def _turned(pixels: Rgb8, labels: LabelMap, side: int, angle: float) -> tuple[Rgb8, LabelMap]:
    """The middle `side` pixels after turning about the middle, which leaves no corner empty."""
    middle = (labels.shape[0] - 1) / 2  # OpenCV's pixel centres are at whole numbers
    matrix = cv2.getRotationMatrix2D((middle, middle), math.degrees(angle), 1.0)
    matrix[:, 2] -= middle - (side - 1) / 2
    size = (side, side)
    return (
        _bytes(cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderValue=FILL)),
        _bytes(cv2.warpAffine(labels, matrix, size, flags=cv2.INTER_NEAREST, borderValue=IGNORE)),
    )


def _bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """As it is; OpenCV does not say that bytes stay bytes."""
    return array.astype(np.uint8, copy=False)

"""Pixels of Pillow's many modes as 8-bit RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segstudio.core.image import Rgb8


def to_rgb(image: Image.Image) -> Rgb8:
    """(H, W, 3) uint8 of an image of any mode; see `read_image` for what becomes of it."""
    if image.mode == "F" or image.mode.startswith("I"):
        grey = to_8_bits(np.asarray(image))
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(white, seen).convert("RGB"))
    return np.array(image.convert("RGB"))


def to_8_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """(H, W) of any number type to uint8, linearly; see `read_image` for the range."""
    is_float = values.dtype.kind == "f"
    wide: npt.NDArray[np.float64] = values.astype(np.float64)
    finite = np.isfinite(wide)
    if not finite.all():
        wide = np.where(finite, wide, wide[finite].min() if finite.any() else 0.0)
    low, high = float(wide.min()), float(wide.max())
    if low >= 0 and high <= (1.0 if is_float else 65535.0):
        low, high = 0.0, 1.0 if is_float else sensor_range(high)
    scale = 255.0 / (high - low) if high > low else 0.0
    scaled: npt.NDArray[np.uint8] = np.rint((wide - low) * scale).astype(np.uint8)
    return scaled


def sensor_range(largest: float) -> float:
    """The largest number of the smallest usual depth of a sensor that holds `largest`."""
    return next(float(2**bits - 1) for bits in (8, 10, 12, 14, 16) if largest < 2**bits)

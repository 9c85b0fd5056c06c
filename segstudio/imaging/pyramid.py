"""A photo at full size and halved again and again, to draw it quickly at any scale."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from segstudio.core.image import Rgb8, RgbImage

SMALLEST_LEVEL = 512


@dataclass(frozen=True, eq=False)
class Pyramid:
    """`levels` are (h, w, 3) uint8 RGB, from `size` (H, W) down; they may be mapped from a file.

    Pixel (x, y) of level n is the mean of the image's pixels from (x, y) * 2**n on, 2**n to either
    side: the scale is exactly 2**-n, and the last row and column may stick out beyond the image.
    The last level is at most `SMALLEST_LEVEL` pixels long.
    """

    size: tuple[int, int]
    levels: tuple[Rgb8, ...] = field(repr=False)

    @classmethod
    def of(cls, image: RgbImage) -> Pyramid:
        """Build all levels: about 2 ms a megapixel, so off the GUI thread. No copy of level 0."""
        levels = [image.pixels]
        while max(levels[-1].shape[:2]) > SMALLEST_LEVEL:
            levels.append(halved(levels[-1]))
        return cls(image.size, tuple(levels))

    def index_for(self, device_scale: float) -> int:
        """The number of the smallest level that still has a pixel for each device pixel."""
        index = 0
        while index + 1 < len(self.levels) and device_scale <= 0.5 ** (index + 1):
            index += 1
        return index


def halved(pixels: Rgb8) -> Rgb8:
    """(h, w, 3) uint8 at half the size, rounded up; odd edges count twice."""
    odd_rows, odd_columns = (length % 2 for length in pixels.shape[:2])
    if odd_rows or odd_columns:
        edge = cv2.BORDER_REPLICATE
        pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, odd_rows, 0, odd_columns, edge), np.uint8)
    half = pixels.shape[1] // 2, pixels.shape[0] // 2
    return np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def level_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """(H, W) of every level of an image of `size`, the largest first."""
    sizes = [size]
    while max(sizes[-1]) > SMALLEST_LEVEL:
        height, width = sizes[-1]
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes

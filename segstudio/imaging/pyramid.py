"""A photo at full size and halved again and again, to draw it quickly at any scale."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from segstudio.core.image import Rgb8, RgbImage

SMALLEST_LEVEL = 512


@dataclass(frozen=True, eq=False)
class Pyramid:
    """`levels` are (h, w, 3) uint8 RGB, from `size` (H, W) down; a level may be mapped from a file.

    Level n + 1 has half the rows and columns of level n, rounded down, each pixel the mean of the
    four under it. The last one is at most `SMALLEST_LEVEL` pixels long.
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

    def level_for(self, device_scale: float) -> Rgb8:
        """The smallest level that still has a pixel for each device pixel."""
        index = 0
        while index + 1 < len(self.levels) and device_scale <= 0.5 ** (index + 1):
            index += 1
        return self.levels[index]

    def step_of(self, level: Rgb8) -> tuple[float, float]:
        """(x, y): how many pixels of `level` one pixel of the image is wide and high."""
        return level.shape[1] / self.size[1], level.shape[0] / self.size[0]


def halved(pixels: Rgb8) -> Rgb8:
    """(h, w, 3) uint8 at half the size, rounded down but never to nothing."""
    height, width = pixels.shape[:2]
    half = (max(1, width // 2), max(1, height // 2))
    return np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def level_sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """(H, W) of every level of an image of `size`, the largest first."""
    sizes = [size]
    while max(sizes[-1]) > SMALLEST_LEVEL:
        height, width = sizes[-1]
        sizes.append((max(1, height // 2), max(1, width // 2)))
    return sizes

"""A piece of the screen over the image, and the pixels on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Place:
    """Where a piece of the screen lies: device = image * scale + (x, y); `size` is (w, h)."""

    scale: float
    x: float
    y: float
    size: tuple[int, int]

    @property
    def seen(self) -> tuple[float, float, float, float]:
        """The part of the image that lies on the place: half-open xyxy in image pixels."""
        (wide, high), scale = self.size, self.scale
        left, top = -self.x / scale, -self.y / scale
        return left, top, left + wide / scale, top + high / scale

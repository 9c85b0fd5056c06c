"""A patch: a part of a mask that a hand or a tool touched, with its place in the image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask


@dataclass(frozen=True, eq=False)
class Patch:
    """(h, w) bool `pixels` whose top left pixel is at `origin` (x, y) of the image.

    It lies inside the image that it belongs to, and costs what it covers, whatever that image's
    size.
    """

    pixels: npt.NDArray[np.bool_] = field(repr=False)
    origin: tuple[int, int]

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.bool_ or self.pixels.ndim != 2:
            raise ValueError("a patch's pixels must be (h, w) bool")

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Half-open xyxy in image pixels."""
        (x, y), (height, width) = self.origin, self.pixels.shape
        return x, y, x + int(width), y + int(height)

    def mask(self, size: tuple[int, int]) -> Mask:
        """As a mask of the image of `size` (H, W). Raises ValueError if it does not lie inside."""
        return Mask.from_crop(self.pixels, self.origin, size)

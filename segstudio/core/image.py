"""Images: the record that a project keeps, and the pixels that are open now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from segstudio.core.mapped import bands

Rgb8 = npt.NDArray[np.uint8]


class ImageState(StrEnum):
    """How far the work on an image is."""

    TODO = "todo"
    LABELLED = "labelled"
    REVIEWED = "reviewed"
    REJECTED = "rejected"


@dataclass(frozen=True)
class ImageRecord:
    """One image of a project.

    `path` is relative to the project's image folder, with forward slashes. `width` and `height`
    are pixels after the EXIF orientation was applied. `sha256` is of the file's bytes.
    """

    id: int
    path: str
    width: int
    height: int
    sha256: str
    state: ImageState = ImageState.TODO
    split: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.height, self.width


@dataclass(frozen=True, eq=False)
class RgbImage:
    """Pixels of one image: (H, W, 3) uint8, RGB, EXIF orientation applied.

    Every row is contiguous; rows follow one another without gaps but for large parts of a huge
    image. Pixels of a huge image are mapped from a file and read-only.
    """

    pixels: Rgb8 = field(repr=False)

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError("pixels must be (H, W, 3) uint8")
        if self.pixels.strides[1:] != (3, 1) or self.pixels.strides[0] < 0:
            object.__setattr__(self, "pixels", np.ascontiguousarray(self.pixels))

    @classmethod
    def named(cls, pixels: Rgb8, key: str) -> RgbImage:
        """An image whose key was computed while its pixels passed by; see `PixelDigest`."""
        image = cls(pixels)
        image.__dict__["key"] = key
        return image

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    @cached_property
    def key(self) -> str:
        """Hex BLAKE2b-160 of size and pixels: equal pixels, equal key, whatever the file.

        Takes about 1 ms a megapixel, so ask for it off the GUI thread first.
        """
        digest = PixelDigest(self.size)
        for _, rows in bands(self.pixels):
            digest.add(rows)
        return digest.key


class PixelDigest:
    """An image's key from its rows, (h, W, 3) uint8 from top to bottom."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._digest = hashlib.blake2b(digest_size=20)
        self._digest.update(np.asarray((*size, 3), dtype="<i8").tobytes())

    def add(self, rows: Rgb8) -> None:
        self._digest.update(np.ascontiguousarray(rows).data)

    @property
    def key(self) -> str:
        return self._digest.hexdigest()

"""Images: the record that a project keeps, and the pixels that are open now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

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
    """Pixels of one image: (H, W, 3) uint8, RGB, C-contiguous, EXIF orientation applied."""

    pixels: Rgb8 = field(repr=False)

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError("pixels must be (H, W, 3) uint8")
        object.__setattr__(self, "pixels", np.ascontiguousarray(self.pixels))

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    @cached_property
    def key(self) -> str:
        """Hex BLAKE2b-160 of size and pixels: equal pixels, equal key, whatever the file.

        Takes about 1 ms a megapixel, so ask for it off the GUI thread first.
        """
        digest = hashlib.blake2b(digest_size=20)
        digest.update(np.asarray(self.pixels.shape, dtype="<i8").tobytes())
        digest.update(self.pixels.data)
        return digest.hexdigest()

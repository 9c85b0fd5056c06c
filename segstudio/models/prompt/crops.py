"""Crop layers: the image in overlapping parts, each looked at by itself.

The boxes, and what counts as cut off by one, are those of SAM's automatic mask generator
(Kirillov et al. 2023, section B).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box
from segstudio.models.prompt.contract import EverythingSettings

# A mask is taken as cut off by its crop where it comes this near to the crop's edge, in pixels.
_NEAR_EDGE = 20


@dataclass(frozen=True)
class CropGrid:
    """A part of the image and its grid: `box` in whole pixels, `points_per_side` prompts a side."""

    box: Box
    points_per_side: int


def crop_grids(settings: EverythingSettings, image_size: tuple[int, int]) -> tuple[CropGrid, ...]:
    """The whole image first, then the crops of each layer, column by column.

    Raises BadInputError if a layer has no points or crops have no pixels.
    """
    found = []
    for layer in range(max(0, settings.crop_layers) + 1):
        points = int(settings.points_per_side / max(1, settings.crop_downscale) ** layer)
        if points < 1:
            raise BadInputError(
                "Everything needs a grid of at least one point a side, in every crop layer too."
            )
        found += [CropGrid(box, points) for box in _boxes(layer, settings.crop_overlap, image_size)]
    return tuple(found)


def _boxes(layer: int, overlap_ratio: float, image_size: tuple[int, int]) -> list[Box]:
    sides = 2**layer
    overlap = int(overlap_ratio * min(image_size) * (2 / sides)) if layer else 0
    # Each axis in equal parts that overlap; rounded up, the last may have to be cut short.
    spans = []
    for length in image_size:
        part = math.ceil((overlap * (sides - 1) + length) / sides)
        starts = [(part - overlap) * index for index in range(sides)]
        spans.append([(start, min(start + part, length)) for start in starts])
    if any(start >= stop for axis in spans for start, stop in axis):
        raise BadInputError("The image is too small for so many crop layers.")
    rows, columns = spans
    return [Box(x0, y0, x1, y1) for (x0, x1), (y0, y1) in product(columns, rows)]


def cut_off(
    corners: npt.NDArray[np.float32], crop: Box, image_size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """(N,) bool: which boxes come near an edge of `crop` that is no edge of the image.

    `corners` (N, 4): xyxy of the outermost pixels, in the image.
    """
    height, width = image_size
    near_crop = np.abs(corners - np.array(crop)) <= _NEAR_EDGE
    near_image = np.abs(corners - np.array([0, 0, width, height])) <= _NEAR_EDGE
    return np.asarray((near_crop & ~near_image).any(axis=1), dtype=np.bool_)

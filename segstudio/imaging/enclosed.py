"""Areas that masks enclose, found on runs: the image's size costs nothing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segstudio.core.mask import Box, Mask
from segstudio.core.mask_difference import bounds_of
from segstudio.imaging.mask_parts import part_at
from segstudio.imaging.polygon_raster import mask_of_steps


def union_of(masks: Iterable[Mask], size: tuple[int, int]) -> Mask:
    """What any of the masks of an image of `size` (H, W) covers."""
    bounds = [bounds_of(mask) for mask in masks]
    positions = np.concatenate([np.empty(0, dtype=np.int64), *bounds])
    return mask_of_steps(positions, 1 - 2 * (np.arange(len(positions)) % 2), size)


def enclosed_at(walls: Mask, x: float, y: float) -> Mask | None:
    """The area around (x, y) that `walls` enclose, with the image's edges as further walls.

    None where (x, y) is on a wall or beside the image, and where the area reaches all four edges
    of the image: nobody drew around that. Two wall pixels that touch at a corner keep it closed.
    """
    area = part_at(walls.inverted(), x, y, corners=False)
    if area is None:
        return None
    height, width = area.size
    if area.box == Box(0, 0, width, height):
        return None
    return area

"""Masks as YOLO's polygons: one line an object, or one a part.

A polygon cannot say "hole" or "part": holes are filled, and parts are lines of their own or, as
Ultralytics does with COCO's, joined to one walk over bridges as thin as a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.core.origin import Origin, mask_key
from segstudio.imaging.chain_outlines import (
    Chain,
    bridge_pixels,
    bridges,
    chain_outlines,
    corners,
    joined,
    nearest_first,
)

# Where in a pixel its corner is named. Readers cut coordinates off (Ultralytics) or round them;
# the middle is the edge between two pixels for those that round, so it is missed by a little.
_IN_PIXEL = 0.45
_DIGITS = 7  # a hundredth of a pixel on images of up to 100,000


def walks(mask: Mask, *, join: bool) -> list[Chain]:
    """Closed walks of at least three pixels, (N, 2) xy: one for each line that is written."""
    rings = chain_outlines(mask)
    if join and len(rings) > 1:
        rings = [joined(nearest_first(rings))]
    return [corners(ring) for ring in rings]


def bridged(filled: Mask) -> Mask:
    """The mask, whose holes are filled, with the bridges between its parts; reckoned, not drawn."""
    rings = nearest_first(chain_outlines(filled))
    between = [
        bridge_pixels(one[leave], other[arrive])
        for (one, other), (leave, arrive) in zip(pairwise(rings), bridges(rings), strict=True)
    ]
    pixels = np.concatenate([np.empty((0, 2), dtype=np.int64), *between])
    height = filled.size[0]
    places = np.unique(pixels[:, 0] * height + pixels[:, 1])
    column, row = np.divmod(places, max(height, 1))
    return filled.union(Mask.from_column_runs(column, row, row + 1, filled.size))


def coordinates(walk: Chain, size: tuple[int, int]) -> str:
    """A walk as x y x y ..., parts of the width and height of an image of `size` (H, W)."""
    values = (walk + _IN_PIXEL) / (size[1], size[0])
    return " ".join(f"{value:.{_DIGITS}f}" for value in values.ravel().tolist())


def own_coordinates(row: Annotation, origins: Mapping[int, Origin]) -> str:
    """The coordinates that it came with; "" if it did not, or its mask was changed since."""
    origin = origins.get(row.id)
    if origin is None or origin.mask != mask_key(row.mask):
        return ""
    found = origin.record.get("coordinates")
    return found if isinstance(found, str) and "\n" not in found else ""

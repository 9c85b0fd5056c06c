"""The point of a mask that lies deepest inside it."""

from __future__ import annotations

import cv2
import numpy as np

from segstudio.core.mask import Mask


def innermost_point(mask: Mask) -> tuple[float, float]:
    """(x, y), the centre of a pixel of the mask that no other pixel of it is deeper inside than.

    The image's border counts as an edge. Raises ValueError for an empty mask.
    """
    if not mask.area:
        raise ValueError("an empty mask has no inside")
    crop, (x0, y0) = mask.box_crop()
    padded = np.pad(crop.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return x0 + int(column) - 0.5, y0 + int(row) - 0.5

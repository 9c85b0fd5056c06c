"""Annotations that a source gives only a box for: their mask is that box, and they say so."""

from __future__ import annotations

import math

import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask

BOX_ONLY = "box_only"  # the attribute that says so


def is_box_only(annotation: Annotation) -> bool:
    """Whether it came as a box, and its mask is still no more than one."""
    x0, y0, x1, y1 = annotation.mask.box
    full = annotation.mask.area == (x1 - x0) * (y1 - y0)
    return annotation.attributes.get(BOX_ONLY) is True and full


def box_mask(x0: float, y0: float, x1: float, y1: float, size: tuple[int, int]) -> Mask:
    """The mask of a half-open box, rounded to whole pixels and cut at the edges of (H, W).

    Raises BadInputError if a corner is not a number or no pixel of the image lies inside.
    """
    height, width = size
    if not all(math.isfinite(value) for value in (x0, y0, x1, y1)):
        raise BadInputError("A corner of its box is not a finite number.")
    left, right = (round(min(max(value, 0.0), width)) for value in (x0, x1))
    top, bottom = (round(min(max(value, 0.0), height)) for value in (y0, y1))
    if left >= right or top >= bottom:
        raise BadInputError(
            f"Its box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) holds no pixel of the image, which is "
            f"{width} x {height}."
        )
    columns = np.arange(left, right, dtype=np.int64)
    tops, bottoms = np.full_like(columns, top), np.full_like(columns, bottom)
    return Mask.from_column_runs(columns, tops, bottoms, size)

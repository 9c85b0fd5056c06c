"""Morphology of masks with a true Euclidean disc.

A disc of radius r holds every pixel whose centre is at most r from its own. The image's edge is
neutral, as in OpenCV: nothing grows in from outside, and an object that the edge cuts off is not
eaten from there. So opening never adds a pixel, closing never removes one, and doing either twice
changes nothing more.

Work is done on the mask's box and a margin, in tiles, so memory does not follow the image's size.
Everything may run on any thread. All raise `Cancelled` when `cancel` is set, and ValueError for a
radius below 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.mask import BoolArray, Mask
from segstudio.core.mask_difference import bounds_of
from segstudio.core.progress import CancelToken

_TILE = 2000  # pixels along a side; OpenCV takes some ten bytes for each

_Work = Callable[[BoolArray], BoolArray]


def grown(mask: Mask, radius: int, cancel: CancelToken | None = None) -> Mask:
    """Dilation: every pixel at most `radius` from the mask."""
    return _in_tiles(mask, lambda crop: _dilated(crop, radius), cancel, wider=radius, reach=radius)


def shrunk(mask: Mask, radius: int, cancel: CancelToken | None = None) -> Mask:
    """Erosion: the pixels that have no background within `radius`; may leave an empty mask."""
    return _in_tiles(mask, lambda crop: _eroded(crop, radius), cancel, wider=0, reach=radius)


def opened(mask: Mask, radius: int, cancel: CancelToken | None = None) -> Mask:
    """Erosion, then dilation: what is too thin for the disc goes, corners outwards get round."""

    def work(crop: BoolArray) -> BoolArray:
        return _dilated(_eroded(crop, radius), radius)

    return _in_tiles(mask, work, cancel, wider=0, reach=2 * radius)


def closed(mask: Mask, radius: int, cancel: CancelToken | None = None) -> Mask:
    """Dilation, then erosion: gaps that are too narrow for the disc are filled."""

    def work(crop: BoolArray) -> BoolArray:
        return _eroded(_dilated(crop, radius), radius)

    # At the image's edge, where nothing beyond asks for background, it reaches out of the box.
    return _in_tiles(mask, work, cancel, wider=radius, reach=2 * radius)


def smoothed(mask: Mask, radius: int, cancel: CancelToken | None = None) -> Mask:
    """The median within the disc: a pixel is in where more than half of its disc is in the mask.

    Outlines get smoother without moving to either side; what is thinner than about the radius
    goes, and notches as thin are filled. Where the image's edge cuts the disc the rest of it
    counts, and an even vote leaves the pixel as it was.
    """
    disc = _disc(radius)

    def work(crop: BoolArray) -> BoolArray:
        votes, voters = _votes(crop, disc), _votes(np.ones_like(crop), disc)
        return np.where(2 * votes == voters, crop, 2 * votes > voters)

    return _in_tiles(mask, work, cancel, wider=radius, reach=radius)


def _disc(radius: int) -> npt.NDArray[np.float32]:
    steps = np.arange(-radius, radius + 1)
    return (steps**2 + steps[:, np.newaxis] ** 2 <= radius**2).astype(np.float32)


def _votes(crop: BoolArray, disc: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How many pixels of the disc around each pixel are set; OpenCV may go through Fourier."""
    counted = cv2.filter2D(crop.astype(np.float32), -1, disc, borderType=cv2.BORDER_CONSTANT)
    return np.rint(counted)


def _dilated(crop: BoolArray, radius: int) -> BoolArray:
    if not crop.any():  # there is nothing to measure a distance to
        return crop
    away = cv2.distanceTransform((~crop).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Squared distances are whole numbers, so half a unit more keeps rounding out of the question.
    return np.asarray(away <= math.sqrt(radius * radius + 0.5))


def _eroded(crop: BoolArray, radius: int) -> BoolArray:
    return ~_dilated(~crop, radius)


def _in_tiles(
    mask: Mask, work: _Work, cancel: CancelToken | None, *, wider: int, reach: int
) -> Mask:
    """`work` on the mask's box, made `wider` by so many pixels on each side.

    `work` gets (h, w) crops that go on for `reach` pixels beyond what is kept of its answer, which
    has the same shape, as far as the image does.
    """
    if reach < 1:
        raise ValueError("a disc's radius is at least one pixel")
    if not mask.area:
        return mask
    height, width = mask.size
    x0, y0, x1, y1 = (int(value) for value in mask.box)
    x0, x1 = max(0, x0 - wider), min(width, x1 + wider)
    y0, y1 = max(0, y0 - wider), min(height, y1 + wider)
    step = max(2 * reach, _TILE)
    bounds = []
    for left in range(x0, x1, step):
        right = min(left + step, x1)
        kept = np.empty((y1 - y0, right - left), dtype=np.bool_)
        for top in range(y0, y1, step):
            if cancel is not None:
                cancel.check()
            bottom = min(top + step, y1)
            a, b = max(0, left - reach), max(0, top - reach)
            answer = work(mask.crop(a, b, min(width, right + reach), min(height, bottom + reach)))
            kept[top - y0 : bottom - y0] = answer[top - b : bottom - b, left - a : right - a]
        bounds.append(bounds_of(Mask.from_crop(kept, (left, y0), mask.size)))
    return Mask.from_bounds(np.concatenate(bounds), mask.size)

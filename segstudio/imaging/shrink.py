"""Large images made smaller, band by band: what it takes of memory does not grow with the image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segstudio.core.image import Rgb8
from segstudio.core.mapped import bands
from segstudio.core.progress import CancelToken

# From so many pixels on, `area_shrunk` takes whole blocks first.
_LARGE = 50_000_000


def bilinear_shrunk(pixels: Rgb8, size: tuple[int, int], cancel: CancelToken | None = None) -> Rgb8:
    """(H, W, 3) to `size` (h, w) with Pillow's antialiased bilinear filter, to the last bit.

    Pillow makes rows shorter first and then fewer, with 8 bits between, so that the first step may
    as well be done band by band. Raises Cancelled.
    """
    rows, columns = size
    narrow = np.empty((len(pixels), columns, 3), dtype=np.uint8)
    for top, band in bands(pixels):
        if cancel is not None:
            cancel.check()
        shorter = Image.fromarray(band).resize((columns, len(band)), Image.Resampling.BILINEAR)
        narrow[top : top + len(band)] = np.asarray(shorter)
    return np.asarray(Image.fromarray(narrow).resize((columns, rows), Image.Resampling.BILINEAR))


def area_shrunk(pixels: Rgb8, size: tuple[int, int], cancel: CancelToken | None = None) -> Rgb8:
    """(H, W, 3) to `size` (h, w), each pixel the mean of what lies under it.

    Of a large image whole blocks become their rounded means first, down to about four times `size`.
    Raises Cancelled.
    """
    (height, width), target = pixels.shape[:2], (size[1], size[0])
    step = min(height // size[0], width // size[1]) // 4
    if height * width >= _LARGE and step > 1:
        return means_shrunk(block_means(pixels, step, cancel), step, (height, width), size)
    return np.asarray(cv2.resize(pixels, target, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def block_means(pixels: Rgb8, step: int, cancel: CancelToken | None = None) -> Rgb8:
    """Means of `step` x `step` blocks; those at the right and bottom edge repeat the last pixels.

    (H, W, 3) to (ceil(H / step), ceil(W / step), 3) uint8. Raises Cancelled.
    """
    height, width = pixels.shape[:2]
    rows = (band for _, band in bands(pixels, step))
    return means_of_blocks(rows, (height, width), step, cancel)


def means_of_blocks(
    rows: Iterable[Rgb8], size: tuple[int, int], step: int, cancel: CancelToken | None = None
) -> Rgb8:
    """The same of an image of `size` (H, W) whose rows come from top to bottom, some at a time."""
    columns = math.ceil(size[1] / step)
    small = np.empty((math.ceil(size[0] / step), columns, 3), dtype=np.uint8)
    done = 0
    for band in _regrouped(rows, step):
        if cancel is not None:
            cancel.check()
        below, right = -len(band) % step, columns * step - size[1]
        edge = cv2.BORDER_REPLICATE
        whole = cv2.copyMakeBorder(band, 0, below, 0, right, edge) if below or right else band
        target = small[done : done + len(whole) // step]
        target[:] = cv2.resize(whole, (columns, len(target)), interpolation=cv2.INTER_AREA)
        done += len(target)
    return small


def means_shrunk(means: Rgb8, step: int, whole: tuple[int, int], size: tuple[int, int]) -> Rgb8:
    """The `block_means` of an image of `whole` (H, W), shrunk to `size` (h, w) by area.

    The last blocks count as much as they have of the image.
    """
    down = _shares(size[0], whole[0] / step, means.shape[0])
    along = _shares(size[1], whole[1] / step, means.shape[1])
    planes = [down @ means[:, :, band].astype(np.float32) @ along.T for band in range(3)]
    return np.rint(np.stack(planes, axis=2)).astype(np.uint8)


def _shares(count: int, extent: float, blocks: int) -> npt.NDArray[np.float32]:
    """(count, blocks) float32: what part of each of `count` equal parts of `extent` a block is."""
    edges = np.linspace(0.0, extent, count + 1)
    starts = np.arange(blocks)
    upper = np.minimum(edges[1:, np.newaxis], starts + 1)
    lower = np.maximum(edges[:-1, np.newaxis], starts)
    shares = np.maximum(0.0, upper - lower) / (extent / count)
    return np.asarray(shares, dtype=np.float32)


def _regrouped(rows: Iterable[Rgb8], multiple: int) -> Iterator[Rgb8]:
    """The same rows, a multiple of `multiple` at a time but for the last ones."""
    left: Rgb8 | None = None
    for band in rows:
        joined = band if left is None else np.concatenate((left, band))
        whole = len(joined) // multiple * multiple
        if whole:
            yield joined[:whole]
        left = joined[whole:].copy() if whole < len(joined) else None
    if left is not None:
        yield left

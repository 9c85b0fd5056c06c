"""SLIC superpixels (Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-art")."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage.segmentation import slic as skimage_slic

from segstudio.core.image import Rgb8
from segstudio.core.progress import CancelToken


def slic(
    image: Rgb8, segments: int, compactness: float = 10.0, *, cancel: CancelToken | None = None
) -> npt.NDArray[np.int32]:
    """Label map (H, W) int32 of about `segments` connected superpixels, numbered 0, 1, ... n - 1.

    `image` is (H, W, 3) uint8 RGB; distances are taken in CIELAB. `compactness` weighs space
    against colour. Where there are no fewer segments than pixels, each pixel is one.
    Raises ValueError for segments < 1, a compactness that is not positive, or an empty image, and
    Cancelled when `cancel` is set.
    """
    height, width = image.shape[:2]
    if segments < 1 or compactness <= 0 or height * width == 0:
        raise ValueError("slic needs pixels, at least one segment and a positive compactness")
    if segments >= height * width:
        return np.arange(height * width, dtype=np.int32).reshape(height, width)
    if segments == 1:
        return np.zeros((height, width), dtype=np.int32)
    if cancel is not None:
        cancel.check()
    labels = skimage_slic(
        image,
        n_segments=segments,
        compactness=compactness,
        enforce_connectivity=True,
        start_label=0,
        channel_axis=2,
    )
    return contiguous(labels)


def contiguous(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """The same regions numbered 0, 1, ... without gaps, in the order of their old labels."""
    flat = labels.ravel()
    used = np.zeros(int(flat.max()) + 1, dtype=bool)
    used[flat] = True
    number = (np.cumsum(used) - 1).astype(np.int32)
    renumbered: npt.NDArray[np.int32] = number[flat].reshape(labels.shape)
    return renumbered

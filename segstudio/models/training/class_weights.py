"""How much a pixel of each category counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def median_frequency(
    pixels: npt.NDArray[np.int64], of: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """(C,) float32: the median of all frequencies over each category's own (Eigen, Fergus 2015).

    `pixels` (C,) are a category's labelled pixels, `of` (C,) all labelled pixels of the images that
    have it. Categories without pixels get 0, as no pixel can tell of them.
    """
    there = pixels > 0
    frequencies = np.divide(pixels, of, out=np.zeros(len(pixels)), where=there)
    weights = np.zeros(len(pixels), dtype=np.float32)
    if there.any():
        weights[there] = np.median(frequencies[there]) / frequencies[there]
    return weights

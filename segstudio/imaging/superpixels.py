"""SLIC superpixels (Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-art")."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from skimage.segmentation import slic as skimage_slic

from segstudio.core.image import Rgb8
from segstudio.core.progress import CancelToken
from segstudio.imaging import slic_apart

Labels = npt.NDArray[np.int32]
Slic = Callable[[Rgb8, int, float, CancelToken], Labels]

_LOG = logging.getLogger(__name__)


def slic(
    image: Rgb8,
    segments: int,
    compactness: float = 10.0,
    *,
    cancel: CancelToken | None = None,
    at_once: bool = False,
) -> Labels:
    """Label map (H, W) int32 of about `segments` connected superpixels, numbered 0, 1, ... n - 1.

    `image` is (H, W, 3) uint8 RGB; distances are taken in CIELAB. `compactness` weighs space
    against colour. Where there are no fewer segments than pixels, each pixel is one. The first
    call on a machine compiles for some seconds; with `at_once` scikit-image answers meanwhile, and
    another process compiles. Raises ValueError for segments < 1, a compactness that is not
    positive, or an empty image, and Cancelled when `cancel` is set.
    """
    height, width = image.shape[:2]
    if segments < 1 or compactness <= 0 or height * width == 0:
        raise ValueError("slic needs pixels, at least one segment and a positive compactness")
    if segments >= height * width:
        return np.arange(height * width, dtype=np.int32).reshape(height, width)
    if segments == 1:
        return np.zeros((height, width), dtype=np.int32)
    token = cancel or CancelToken()
    token.check()
    return _implementation(token, at_once)(image, segments, compactness, token)


def compile_slic() -> None:
    """Do now what the first call of `slic` would do for some seconds; nothing the second time."""
    slic(np.zeros((8, 8, 3), np.uint8), 4)
    if _load() is not reference_slic:
        slic_apart.note_compiled()


def reference_slic(image: Rgb8, segments: int, compactness: float, _: CancelToken) -> Labels:
    """The same by scikit-image: where numba does not run, and what tests compare with."""
    labels = skimage_slic(
        image,
        n_segments=segments,
        compactness=compactness,
        enforce_connectivity=True,
        start_label=0,
        channel_axis=2,
    )
    return contiguous(labels)


def _implementation(cancel: CancelToken, at_once: bool) -> Slic:
    if not slic_apart.compiled_before():
        if at_once:
            slic_apart.begin()
            return reference_slic
        if threading.current_thread() is not threading.main_thread():
            # The main thread has a window to draw.
            slic_apart.begin()
            slic_apart.wait(cancel)
    return _load()


@functools.cache
def _load() -> Slic:
    try:
        # numba takes half a second to import, and need not be there.
        from segstudio.imaging.slic import compiled_slic  # noqa: PLC0415
    except Exception:
        _LOG.warning("numba does not run here; superpixels take longer", exc_info=True)
        return reference_slic
    return compiled_slic


def contiguous(labels: npt.NDArray[np.integer]) -> Labels:
    """The same regions numbered 0, 1, ... without gaps, in the order of their old labels."""
    flat = labels.ravel()
    used = np.zeros(int(flat.max()) + 1, dtype=bool)
    used[flat] = True
    number = (np.cumsum(used) - 1).astype(np.int32)
    renumbered: npt.NDArray[np.int32] = number[flat].reshape(labels.shape)
    return renumbered

"""The fully connected CRF on a prediction: on the whole image, or on each window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from segstudio.core.image import Rgb8
from segstudio.core.progress import CancelToken
from segstudio.imaging.dense_crf import dense_crf
from segstudio.models.semantic.contract import CrfSettings

WHOLE_BYTES = 128 << 20  # of an image's probabilities; the CRF holds some five times that

Floats = npt.NDArray[np.float32]


class Refinement:
    """What the CRF does to an image of `size` (H, W), if anything (`settings` None)."""

    def __init__(
        self,
        settings: CrfSettings | None,
        size: tuple[int, int],
        categories: int,
        cancel: CancelToken,
    ) -> None:
        self._settings, self._cancel = settings, cancel
        wanted = settings is not None and settings.iterations > 0
        fits = 4 * categories * size[0] * size[1] <= WHOLE_BYTES
        self.whole = wanted and fits
        self.by_window = wanted and not fits
        self._kept = np.empty((categories, *size) if self.whole else (0, 0, 0), np.float32)

    def keep(self, top: int, left: int, probabilities: Tensor) -> None:
        """Keep a block, (C, h, w), for `whole_image`."""
        _, height, width = probabilities.shape
        self._kept[:, top : top + height, left : left + width] = probabilities.cpu().numpy()

    def whole_image(self, pixels: Rgb8) -> Floats:
        """(C, H, W) refined; what was kept is gone then."""
        kept, self._kept = self._kept, np.empty((0, 0, 0), np.float32)
        return self._refine(kept, pixels)

    def window(self, probabilities: Tensor, pixels: Rgb8) -> Floats:
        """(C, h, w) refined, of a window with these pixels (h, w, 3)."""
        return self._refine(probabilities.cpu().numpy(), pixels)

    def _refine(self, probabilities: Floats, pixels: Rgb8) -> Floats:
        settings = self._settings or CrfSettings()
        return dense_crf(
            probabilities,
            pixels,
            iterations=settings.iterations,
            smooth_weight=settings.smooth_weight,
            smooth_xy=settings.smooth_xy,
            look_weight=settings.look_weight,
            look_xy=settings.look_xy,
            look_rgb=settings.look_rgb,
            cancel=self._cancel,
        )

"""The one place where image pixels become the model's frame, and logits become image pixels.

SAM looks at a square of 1024 x 1024: the image is scaled so that its longest side fits, and lies
in the top left corner; the rest is padding. Its mask decoder answers with logits of 256 x 256 for
that square.

Convention: a point's numbers are scaled and passed on as they are, as the official predictor does
with the same numbers, so that answers agree with it. SAM's prompt encoder then adds half a pixel
of its own frame, as it was trained on pixel indices. SegStudio's points are continuous, with pixel
centres at +0.5, so a click reaches the network half a model pixel right of and below where it was
made; that is an eighth of one of the cells that the network answers in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segstudio.core.image import Rgb8
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken
from segstudio.imaging.shrink import bilinear_shrunk
from segstudio.models.prompt.prior_logits import prior_logits

SIDE = 1024
CELL = 4  # model pixels along one side of a cell of the mask decoder's logits


@dataclass(frozen=True)
class ModelFrame:
    """The frame of one image of `image_size` (H, W) pixels."""

    image_size: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the image inside the model's square, without padding; at least 1 x 1."""
        scale = SIDE / max(self.image_size)
        height, width = (max(1, int(length * scale + 0.5)) for length in self.image_size)
        return height, width

    def to_model(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(N, 2) image points to model points; see the module for the convention."""
        (height, width), (rows, columns) = self.image_size, self.size
        scale = np.array([columns / width, rows / height])
        return np.asarray(xy * scale, dtype=np.float64)

    def box_to_model(self, box: Box) -> npt.NDArray[np.float64]:
        """(4,) xyxy, scaled like points."""
        corners = np.array(box, dtype=np.float64).reshape(2, 2)
        return self.to_model(corners).reshape(4)

    def resize(self, pixels: Rgb8, cancel: CancelToken | None = None) -> Rgb8:
        """(H, W, 3) to (h, w, 3) uint8, with Pillow's antialiased bilinear filter as SAM has it.

        Raises Cancelled.
        """
        return bilinear_shrunk(pixels, self.size, cancel)

    def prior_logits(self, prior: Mask) -> npt.NDArray[np.float32]:
        """(256, 256) float32 logits that give a mask of the whole image back when upsampled."""
        return prior_logits(prior, self.size)

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

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from segstudio.core.image import Rgb8
from segstudio.core.mask import Box, Mask
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

    def resize(self, pixels: Rgb8) -> Rgb8:
        """(H, W, 3) to (h, w, 3) uint8, with Pillow's antialiased bilinear filter as SAM has it."""
        rows, columns = self.size
        image = Image.fromarray(pixels)
        return np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))

    def prior_logits(self, prior: Mask) -> npt.NDArray[np.float32]:
        """(256, 256) float32 logits that give a mask of the whole image back when upsampled."""
        return prior_logits(prior, self.size)

    def logits_above(self, logits: Tensor, level: float) -> tuple[Tensor, tuple[int, int]] | None:
        """The part of the image where one mask's logits may exceed `level`, at full size.

        `logits` is (256, 256) float32 on the CPU. Returns (h, w) float32 and its top left pixel
        (x, y); None where no pixel exceeds `level`. Every value above `level` is the one that SAM's
        own two bilinear steps give (to 1024 x 1024, without padding to the image's size): the
        steps are done one axis at a time, and only over the box that bilinear weights can reach.
        """
        rows = _reach((logits > level).any(dim=1), self.size[0])
        columns = _reach((logits > level).any(dim=0), self.size[1])
        if rows is None or columns is None:
            return None
        (height, width), (model_height, model_width) = self.image_size, self.size
        square = _bilinear(logits, (SIDE, SIDE))
        strip = square[rows[0] : rows[1], :model_width]
        x0, x1 = _scaled(columns, width / model_width, width)
        wide = _bilinear(strip, (rows[1] - rows[0], width))[:, x0:x1]
        # Rows out of reach hold nothing above the level; they are there to keep the coordinates.
        tall = torch.full((model_height, x1 - x0), level - 1.0)
        tall[rows[0] : rows[1]] = wide
        y0, y1 = _scaled(rows, height / model_height, height)
        return _bilinear(tall, (height, x1 - x0))[y0:y1], (x0, y0)


def _bilinear(logits: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(logits.shape) == size:
        return logits
    return functional.interpolate(logits[None, None], size, mode="bilinear", align_corners=False)[
        0, 0
    ]


def _reach(cells: Tensor, limit: int) -> tuple[int, int] | None:
    """Model pixels that the true cells reach, with two cells to spare; None if outside `limit`."""
    found = torch.nonzero(cells)
    if not len(found):
        return None
    start = max(0, CELL * (int(found[0]) - 2))
    stop = min(limit, CELL * (int(found[-1]) + 3))
    return (start, stop) if start < stop else None


def _scaled(span: tuple[int, int], scale: float, limit: int) -> tuple[int, int]:
    start = max(0, math.floor(span[0] * scale) - 1)
    return start, min(limit, math.ceil(span[1] * scale) + 1)

"""Probabilities to a label map, confidence and entropy, a byte each, as soon as they are there."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken

_PIECE = 1 << 24  # floats at a time
_CPU_PIECE = 1 << 19  # so that they stay in the cache
_LEAST = 1e-30  # of a probability, for its logarithm


class Reduced:
    """The bytes of an image, written block by block; `labels`, `confidence`, `entropy` (H, W)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.labels = np.empty(size, np.uint8)
        self.confidence = np.empty(size, np.uint8)
        self.entropy = np.empty(size, np.uint8)

    def write(self, top: int, left: int, probabilities: Tensor, cancel: CancelToken) -> None:
        """(C, h, w) float32, summing to 1 over C, whose upper left pixel is at (top, left).

        Raises WeightsError where they are no numbers, Cancelled between some rows and the next.
        """
        count, height, width = probabilities.shape
        piece = _CPU_PIECE if probabilities.device.type == "cpu" else _PIECE
        rows = max(1, piece // max(1, count * width))
        columns = slice(left, left + width)
        for start in range(0, height, rows):
            cancel.check()
            part = probabilities[:, start : start + rows]
            where = slice(top + start, top + start + part.shape[1]), columns
            confidence, labels = part.max(dim=0)
            if not bool(torch.isfinite(confidence).all()):
                raise WeightsError(
                    "The model's answer holds no numbers; its weights are damaged or its training "
                    "failed, so take another model."
                )
            self.labels[where] = labels.to(torch.uint8).cpu().numpy()
            self.confidence[where] = _bytes(confidence)
            self.entropy[where] = _bytes(entropy(part))


def entropy(probabilities: Tensor) -> Tensor:
    """(h, w) of (C, h, w): the entropy over its largest value, log C; 0 for one category."""
    count = probabilities.shape[0]
    if count < 2:
        return torch.zeros_like(probabilities[0])
    total = (probabilities * probabilities.clamp(min=_LEAST).log_()).sum(dim=0)
    return total / -math.log(count)


def _bytes(values: Tensor) -> npt.NDArray[np.uint8]:
    scaled = (values * 255).round().clamp(0, 255)
    return np.asarray(scaled.to(torch.uint8).cpu().numpy(), dtype=np.uint8)

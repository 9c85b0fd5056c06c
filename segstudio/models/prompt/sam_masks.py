"""From SAM's logits to masks of the image."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.models.prompt.frame import ModelFrame

# SAM cuts its logits at 0, and asks how stable the mask is against moving the cut by 1
# (Kirillov et al. 2023, section 4).
STABILITY_OFFSET = 1.0


def cut(
    logits: Tensor, frame: ModelFrame, offset: float = STABILITY_OFFSET
) -> tuple[Mask, np.float32]:
    """The mask where full-size logits exceed 0, and its stability score.

    `logits` is (256, 256) float32 on the CPU. The score is the number of pixels above `offset`
    over the number above -`offset`, counted in the image's pixels; 0 where there are none.
    """
    part = frame.logits_above(logits, -abs(offset))
    if part is None:
        return Mask.empty(frame.image_size), np.float32(0.0)
    values, origin = part
    inner = int(torch.count_nonzero(values > offset))
    outer = int(torch.count_nonzero(values > -offset))
    mask = Mask.from_crop((values > 0.0).numpy(), origin, frame.image_size)
    return mask, np.float32(inner) / np.float32(outer) if outer else np.float32(0.0)


def candidate(mask: Mask, predicted_iou: float, stability: float) -> Candidate:
    """A candidate with both scores clipped to 0..1; a score that is not a number counts as 0."""
    return Candidate(mask, _clipped(predicted_iou), _clipped(stability))


def _clipped(score: float) -> float:
    return 0.0 if math.isnan(score) else min(1.0, max(0.0, float(score)))

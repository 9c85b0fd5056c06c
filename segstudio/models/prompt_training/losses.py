"""What training a prompt model makes small: focal and dice loss, and the error of predicted IoU;
and of the borders that it sees.

Kirillov et al. 2023, section A: of several masks for a doubtful prompt only the best one learns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional


class MaskLosses(NamedTuple):
    """Of N prompts and K masks each, (N, K): what was lost, and the true IoU, without gradient."""

    loss: Tensor
    iou: Tensor


def mask_losses(logits: Tensor, truth: Tensor, gamma: float, focal_weight: float) -> MaskLosses:
    """`logits` (N, K, h, w); `truth` (N, h, w) float 0..1, the covered share of each cell.

    Focal loss (Lin et al. 2017; a mean over cells, with |p - t| for 1 - p_t as cells may be
    covered in part) and soft dice loss (Milletari et al. 2016, linear denominator).
    """
    wanted = truth[:, None].expand_as(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    shares = logits.sigmoid()
    if gamma:
        entropy = entropy * (shares - wanted).abs().pow(gamma)
    focal = entropy.mean((2, 3))
    overlap = (shares * wanted).sum((2, 3))
    dice = 1 - (2 * overlap + 1) / (shares.sum((2, 3)) + wanted.sum((2, 3)) + 1)
    with torch.no_grad():
        said, there = logits > 0, wanted > 0.5
        both = (said & there).sum((2, 3)).float()
        iou = both / (said | there).sum((2, 3)).clamp(min=1)
    return MaskLosses(focal_weight * focal + dice, iou)


def prompt_loss(losses: MaskLosses, predicted: Tensor, doubtful: Tensor) -> Tensor:
    """The mean over prompts of what the masks that count have lost, and of the scores' error.

    `predicted` (N, 4) is the predicted IoU; `doubtful` (N,) bool tells prompts of a single click.
    The first mask learns from every prompt; of the three others the best one, from doubtful ones in
    full and from the rest a little, so that its scores keep their meaning.
    """
    several = losses.loss[:, 1:]
    best = several.min(1).values + 0.05 * several.mean(1)
    share = torch.where(doubtful, 1.0, 0.25)
    return (losses.loss[:, 0] + share * best).mean() + functional.mse_loss(predicted, losses.iou)


def border_loss(logits: Tensor, truth: npt.NDArray[np.uint8]) -> Tensor:
    """Cross-entropy of `logits` (B, 1, h, w) over the cells of `truth` (B, h, w) that are known,
    1 or 0; 0.0 where none is."""
    wanted = torch.from_numpy(truth).to(logits.device)[:, None]
    known = wanted <= 1
    lost = functional.binary_cross_entropy_with_logits(
        logits.float(), wanted.float().clamp(max=1), reduction="none"
    )
    return (lost * known).sum() / known.sum().clamp(min=1)

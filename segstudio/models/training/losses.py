"""What training makes small. Logits are (N, C, H, W), truth (N, H, W) int64 with 255 ignored.

Each is a mean that leaves ignored pixels out, and 0 (with a gradient of 0) where all are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from segstudio.core.prediction import IGNORE
from segstudio.models.training.settings import Loss, TrainingSettings


def cross_entropy(logits: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """Of pixels; with `weights` (C,), each counts by its category, and their sum divides."""
    total = functional.cross_entropy(
        logits, truth, weight=weights, ignore_index=IGNORE, reduction="sum"
    )
    known = truth != IGNORE
    if weights is None:
        return total / known.sum().clamp(min=1)
    return total / weights[truth[known]].sum().clamp(min=torch.finfo(weights.dtype).tiny)


def soft_dice(logits: Tensor, truth: Tensor, squared: bool = False) -> Tensor:
    """1 - Dice of probabilities, a mean over the categories that are in the batch's truth.

    Dice = 2 sum(p t) / (sum(p) + sum(t)), or with sum(p²) + sum(t²) if `squared` (Milletari et al.
    2016); sums are over all pixels of the batch. A category that is not there has no overlap to
    learn, so it does not count.
    """
    known = (truth != IGNORE).unsqueeze(1)
    shares = logits.softmax(1) * known
    wanted = truth.where(truth != IGNORE, 0).unsqueeze(1)
    axes = (0, 2, 3)
    categories = logits.shape[1]
    overlap = shares.new_zeros(categories)
    # Gathered, as one-hot truth would take the memory of the logits once more.
    hit = shares.gather(1, wanted).flatten()
    overlap = overlap.index_add(0, wanted.flatten(), hit)
    there = shares.new_zeros(categories)
    there = there.index_add(0, wanted.flatten(), known.flatten().to(shares.dtype))
    said = (shares.square() if squared else shares).sum(axes)
    present = there > 0
    dice = 2 * overlap / (said + there).clamp(min=torch.finfo(shares.dtype).tiny)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def focal(
    logits: Tensor, truth: Tensor, gamma: float = 2.0, weights: Tensor | None = None
) -> Tensor:
    """Of Lin et al. 2017 with a softmax: -w (1 - p)^gamma log p of the true category."""
    known = truth != IGNORE
    log_shares = logits.log_softmax(1)
    picked = log_shares.gather(1, truth.where(known, 0).unsqueeze(1)).squeeze(1)
    losses = -((1 - picked.exp()) ** gamma) * picked
    if weights is not None:
        losses = losses * weights[truth.where(known, 0)]
    return (losses * known).sum() / known.sum().clamp(min=1)


class Criterion:
    """The loss that the settings name, over all outputs of a network.

    `weights` (C,) float32 are the categories', for cross-entropy and focal loss.
    """

    def __init__(self, settings: TrainingSettings, weights: Tensor | None) -> None:
        self._settings = settings
        self._weights = weights

    def __call__(
        self, outputs: Mapping[str, Tensor], truth: Tensor, aux_weights: Mapping[str, float]
    ) -> Tensor:
        """That of "out", and each auxiliary output's as much as `aux_weights` says."""
        loss = self.of(outputs["out"], truth)
        for name, weight in aux_weights.items():
            if name in outputs:
                loss = loss + weight * self.of(outputs[name], truth)
        return loss

    def of(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Of one output, a scalar."""
        logits = logits.float()
        settings = self._settings
        if settings.loss is Loss.CROSS_ENTROPY:
            return cross_entropy(logits, truth, self._weights)
        if settings.loss is Loss.DICE:
            return soft_dice(logits, truth, settings.dice_squared)
        if settings.loss is Loss.FOCAL:
            return focal(logits, truth, settings.focal_gamma, self._weights)
        dice = soft_dice(logits, truth, settings.dice_squared)
        return cross_entropy(logits, truth, self._weights) + dice

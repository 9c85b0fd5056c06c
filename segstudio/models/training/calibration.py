"""Temperature scaling (Guo et al. 2017): a network as sure as it is right."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

_RANGE = 0.05, 20.0
_ROUNDS = 40


def fitted_temperature(logits: Tensor, truth: Tensor) -> float:
    """The temperature with the least cross-entropy: what logits (n, C) are to be divided by.

    `truth` is (n,) int64. By golden-section search: the loss has one minimum in 1 / temperature.
    """
    logits = logits.double()

    def loss(inverse: float) -> float:
        return float(functional.cross_entropy(logits * inverse, truth))

    low, high = 1 / _RANGE[1], 1 / _RANGE[0]
    ratio = (math.sqrt(5) - 1) / 2
    one, other = high - ratio * (high - low), low + ratio * (high - low)
    at_one, at_other = loss(one), loss(other)
    for _ in range(_ROUNDS):
        if at_one < at_other:
            high, other, at_other = other, one, at_one
            one = high - ratio * (high - low)
            at_one = loss(one)
        else:
            low, one, at_one = one, other, at_other
            other = low + ratio * (high - low)
            at_other = loss(other)
    return 2 / (low + high)

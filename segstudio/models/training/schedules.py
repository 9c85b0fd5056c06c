"""How the learning rate changes: warm-up, then a fall."""

from __future__ import annotations

import math

from segstudio.models.training.settings import Schedule

POWER = 0.9  # of the poly schedule: Chen et al. 2018, DeepLab


def rate_factor(schedule: Schedule, warmup: int, step: int, done: float) -> float:
    """What the learning rate is multiplied with in optimiser step `step` (from 0).

    `done` is how much of the training lies behind, 0 to 1; over the first `warmup` steps the factor
    also grows linearly to its full value.
    """
    begin = min(1.0, (step + 1) / (warmup + 1))
    done = min(1.0, max(0.0, done))
    if schedule is Schedule.POLY:
        return begin * math.pow(1 - done, POWER)
    if schedule is Schedule.COSINE:
        return begin * (1 + math.cos(math.pi * done)) / 2
    return begin

"""How far a training is: what a checkpoint knows besides tensors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from segstudio.models.semantic.card import Normalisation


class Progress(msgspec.Struct):
    """Steps done, the seconds they took, the best validation so far.

    `validated` is the step of the last validation, `stale` the epochs since the best one.
    `loss_sum` and `loss_steps` are of the steps not told yet. `threads` are torch's on the CPU, on
    which the last bits of sums depend; `scaling` is how losses are scaled for 16 bits;
    `trained_before` says that the encoder was, so that its learning rate is lower, `normalisation`
    what images it wants. Learning rates are times `slower`, since losses that were no number.
    """

    step: int = 0
    seconds: float = 0.0
    validated: int = 0
    validation_seconds: float = 0.0
    best: float | None = None
    best_step: int = 0
    best_epoch: int = 0
    stale: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    threads: int = 0
    trained_before: bool = False
    normalisation: Normalisation = Normalisation()
    scaling: dict[str, float] = {}
    slower: float = 1.0

    def become(self, other: Progress) -> None:
        """Be as another one is, but as slow and as old as before."""
        for name in other.__struct_fields__:
            if name not in {"slower", "seconds"}:
                setattr(self, name, getattr(other, name))

    def add(self, loss: float) -> None:
        """Count a step."""
        self.step += 1
        self.loss_sum += loss
        self.loss_steps += 1

    def taken_loss(self) -> float:
        """The mean loss since it was last taken."""
        mean = self.loss_sum / max(1, self.loss_steps)
        self.loss_sum, self.loss_steps = 0.0, 0
        return mean


class Clock:
    """Seconds of training over all sessions, without pauses."""

    def __init__(self, before: float) -> None:
        self._before, self._since = before, time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._since

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time inside does not count."""
        self._before = self.seconds
        try:
            yield
        finally:
            self._since = time.monotonic()

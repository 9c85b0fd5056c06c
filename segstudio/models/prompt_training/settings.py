"""What is to be trained, and how: all that a run's result depends on, beside its data."""

from __future__ import annotations

import msgspec
import numpy as np


class Stage(msgspec.Struct, frozen=True):
    """Until step `until`, windows of `side` pixels (a multiple of 32).

    Where `mixed` names sides, each step draws one of them, and takes as many images of it as cost
    about what the settings' number of images of `side` pixels does: small windows are cheap, and
    only large ones hold large things.
    """

    until: int
    side: int
    mixed: tuple[int, ...] = ()


class NanoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A step takes `images` images with `targets` masks each, so images x targets prompts.

    `held_out` names photos that training never sees; `drawn`, `pretrained` and `plain` are what was
    tried with and without: prompts drawn as pictures, an encoder that begins with ImageNet's
    weights, a composer that only pastes. The rate rises for `warmup` steps, stays, and falls to
    zero from `decay_from` to `steps`. Before step `trails_from`, prompts are drawn without trails.

    Where a trained network is tuned: `start` is the file of its weights; `labelled` takes labelled
    scenes as they are and composes nothing; a `composed_share` of the samples comes from the data
    folder `composed` besides; `likeness` weighs how far tokens are from a teacher's embedding;
    `device` is what computes.
    """

    steps: int
    seed: int = 0
    width: int = 96
    drawn: bool = True
    trails_from: int = 0
    pretrained: bool = True
    plain: bool = False
    stages: tuple[Stage, ...] = (Stage(until=1_000_000_000, side=192),)
    images: int = 4
    targets: int = 4
    rate: float = 1.2e-3
    encoder_rate: float = 0.3
    warmup: int = 100
    decay_from: int = 0
    weight_decay: float = 0.02
    gamma: float = 1.0
    focal_weight: float = 4.0
    border_weight: float = 1.0
    average: float = 0.998
    held_out: tuple[str, ...] = ()
    validate_every: int = 400
    save_every: int = 100
    start: str = ""
    labelled: bool = False
    composed: str = ""
    composed_share: float = 0.25
    likeness: float = 0.0
    device: str = "auto"

    def side(self, step: int) -> int:
        """Of the step's windows, in pixels."""
        stage = self._stage(step)
        if not stage.mixed:
            return stage.side
        return int(np.random.default_rng((self.seed, 3, step)).choice(stage.mixed))

    def images_at(self, step: int) -> int:
        """How many images the step takes."""
        share = (self._stage(step).side / self.side(step)) ** 2
        return max(1, round(self.images * share))

    def _stage(self, step: int) -> Stage:
        return next((one for one in self.stages if step < one.until), self.stages[-1])

    def rate_share(self, step: int) -> float:
        """What part of the full rate the step takes."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        if step < self.decay_from:
            return rise
        left = (self.steps - step) / max(1, self.steps - self.decay_from)
        return rise * max(0.0, left)

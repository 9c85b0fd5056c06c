"""How long a training took, how much of it lies behind, and when its minutes are over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from segstudio.models.training.preparation import Prepared
from segstudio.models.training.progress import Clock
from segstudio.models.training.several import shared

_LOOK = 0.5  # of a step's time for as many pixels: looking is forward alone, and reads large files


class Timing:
    """The times of one session of a training; the first of several processes decides for all."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared, self._progress = prepared, prepared.progress
        self._limit = 60 * prepared.settings.minutes
        self._clock = Clock(self._progress.seconds)
        self._began = self._clock.seconds, self._progress.step
        self._step_began = self.seconds
        self.step_seconds = self.save_seconds = 0.0  # that the last one took

    @property
    def seconds(self) -> float:
        """Of training so far, over all sessions."""
        return self._clock.seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time inside does not count."""
        with self._clock.stopped():
            yield

    def step_begins(self) -> None:
        """From here on, images are read for a step, which is then taken."""
        self._step_began = self.seconds

    def stepped(self) -> None:
        """The step that began is done."""
        self.step_seconds = self.seconds - self._step_began

    def share(self) -> float:
        """How much of the training lies behind, by steps or by the clock: what is further."""
        share = self._progress.step / self._prepared.steps
        if self._limit:
            share = max(share, shared(self._prepared.fabric, self.seconds) / self._limit)
        return min(1.0, share)

    def over(self) -> bool:
        """Whether of the minutes only a last validation is left, and saving what came of it."""
        if not self._limit:
            return False
        last = self.step_seconds + self.validation_seconds() + 2 * self.save_seconds
        return shared(self._prepared.fabric, self.seconds + last >= self._limit)

    def validation_seconds(self) -> float:
        """What the last validation took; before the first, what it will take by its pixels."""
        if self._progress.validation_seconds:
            return self._progress.validation_seconds
        settings, prepared = self._prepared.settings, self._prepared
        pixels = prepared.survey.val_pixels / prepared.fabric.world_size
        return _LOOK * self.step_seconds * pixels / (settings.batch * settings.side**2)

    def left(self) -> float:
        """Seconds that it will still take, as this session went."""
        steps, seconds = self._prepared.steps, self.seconds
        began, first = self._began
        left = (steps - self._progress.step) * (seconds - began)
        left /= max(1, self._progress.step - first)
        if self._progress.validated <= first:  # none is in the time yet
            left += self.validation_seconds() * steps / self._prepared.validate_each
        return min(left, max(0.0, self._limit - seconds)) if self._limit else left

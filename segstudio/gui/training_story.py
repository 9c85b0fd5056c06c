"""What a training has told so far: curves, scores and how far it is. No Qt."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import isfinite

from segstudio.models.training.events import Ended, Event, Paused, Started, Stepped, Validated

KEEP = 0.8  # how much of the running mean stays at each step


class TrainingStory:
    """Eats a training's events in order; what it knows can be drawn at any time.

    Where a training goes on from a checkpoint, what was told of later steps did not happen: it is
    dropped, so that no curve runs twice over the same epochs. `loss_epochs`, `losses` and `means`
    (the running mean of the losses) are of one length; epochs are fractions.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.started: Started | None = None
        self.loss_epochs, self.losses, self.means = array("d"), array("d"), array("d")
        self._mean, self._weight = 0.0, 0.0
        self.rate = self.seconds = self.left = 0.0
        self.step = self.epoch = 0
        self.validations: list[Validated] = []
        self.paused = False
        self.waiting = ""  # for what, before it starts
        self.ended: Ended | None = None
        self._steps = array("q")
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        """Add what happened."""
        if isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Stepped):
            self._advance(event)
        elif isinstance(event, Validated):
            self.validations.append(event)
            self.step, self.epoch = max(self.step, event.step), max(self.epoch, event.epoch)
        elif isinstance(event, Paused):
            self.paused = True
        elif isinstance(event, Ended):
            self.ended, self.paused = event, False
        else:
            self.waiting = event.text

    def _start(self, event: Started) -> None:
        kept = sum(1 for step in self._steps if step <= event.step)
        losses = self.losses[:kept]
        for row in (self._steps, self.loss_epochs, self.losses):
            del row[kept:]
        del self.means[:]
        self._mean = self._weight = 0.0
        for loss in losses:
            self._add_mean(loss)
        self.validations = [one for one in self.validations if one.step <= event.step]
        self.started, self.ended, self.paused, self.waiting = event, None, False, ""
        self.step = event.step
        self.epoch = int(self.epoch_of(event.step))

    def _advance(self, event: Stepped) -> None:
        self.paused = False
        self.step, self.epoch, self.rate = event.step, event.epoch, event.rate
        self.seconds, self.left = event.seconds, event.left
        self._steps.append(event.step)
        self.loss_epochs.append(self.epoch_of(event.step))
        self.losses.append(event.loss)
        self._add_mean(event.loss)

    def _add_mean(self, loss: float) -> None:
        """Each older loss counts KEEP times the next, with Kingma and Ba's correction of bias."""
        if isfinite(loss):
            self._mean = KEEP * self._mean + (1 - KEEP) * loss
            self._weight = KEEP * self._weight + (1 - KEEP)
        self.means.append(self._mean / self._weight if self._weight else loss)

    # -- reading --------------------------------------------------------------------------------

    def epoch_of(self, step: int) -> float:
        """How many epochs are done after so many steps."""
        if self.started is None or not self.started.steps:
            return 0.0
        return step * self.started.epochs / self.started.steps

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1: of all steps, or of the minutes where these are fewer."""
        if self.started is None or not self.started.steps:
            return 0.0
        timed = self.seconds / (self.seconds + self.left) if self.left > 0 else 0.0
        return min(1.0, max(timed, self.step / self.started.steps))

    @property
    def best(self) -> Validated | None:
        """The validation with the highest mIoU, the first of equal ones."""
        return max(self.validations, key=lambda one: one.miou, default=None)

    @property
    def latest(self) -> Validated | None:
        return self.validations[-1] if self.validations else None

    @property
    def val_epochs(self) -> list[float]:
        return [self.epoch_of(one.step) for one in self.validations]

    def rows(self) -> list[tuple[str, float, float]]:
        """Every number of the curves, as what, epoch and value."""
        told = [("loss", *pair) for pair in zip(self.loss_epochs, self.losses, strict=True)]
        for epoch, one in zip(self.val_epochs, self.validations, strict=True):
            told += [("val loss", epoch, one.loss), ("mIoU", epoch, one.miou)]
            told += [("pixel accuracy", epoch, one.pixel_accuracy)]
        return told

"""The training itself: steps, validations and checkpoints, until it is done or told to stop."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from segstudio.core.errors import BadInputError, SegStudioError
from segstudio.models.training import checkpoint, failures
from segstudio.models.training.control import Control
from segstudio.models.training.data import Batches, Squares, joined
from segstudio.models.training.event_log import EventLog
from segstudio.models.training.events import Ended, Event, Paused, Started, Stepped
from segstudio.models.training.folder import CHECKPOINT, read
from segstudio.models.training.learner import Diverged
from segstudio.models.training.preparation import Prepared, prepare
from segstudio.models.training.progress import Clock
from segstudio.models.training.schedules import rate_factor
from segstudio.models.training.settings import TrainingSettings
from segstudio.models.training.validating import Validating

SAVE_SECONDS = 60.0  # between checkpoints, at least
_SAVE_SHARE = 20  # and at least so many times as long as one takes

Tell = Callable[[Event], None]
Shared = TypeVar("Shared")

_log = logging.getLogger(__name__)


def run(folder: Path, control: Control, tell: Tell) -> Ended:
    """Train what `folder` says, from where its checkpoint is; the last event is returned.

    Nothing is raised: what goes wrong is told as `Ended(reason="failed")`, in a sentence.
    """
    settings: TrainingSettings | None = None
    training: Training | None = None
    log = EventLog(folder, tell)
    try:
        settings, data = read(folder)
        with _leaving(settings, control, log):
            prepared = prepare(folder, settings, data)
        training = Training(folder, prepared, control, log.add)
        ended = training.run()
    except Exception as error:  # whatever it is, a person waits for a word
        if not isinstance(error, SegStudioError):
            _log.exception("The training failed")
        step = training.step if training else 0
        best = training.best if training else None
        ended = Ended("failed", step, failures.sentence(error, settings), best)
    with suppress(OSError):
        log.add(ended)
    return ended


@contextmanager
def _leaving(settings: TrainingSettings, control: Control, log: EventLog) -> Iterator[None]:
    """Within it, a stop ends a process that waits for others; nothing is to be saved yet."""
    if settings.nodes * settings.devices == 1:
        yield
        return

    def leave() -> None:
        with suppress(OSError):
            log.add(Ended("stopped", 0))
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        os._exit(0)

    with control.leaving(leave):
        yield


class Training:
    """One training of a folder, from its checkpoint or from the start."""

    def __init__(self, folder: Path, prepared: Prepared, control: Control, tell: Tell) -> None:
        self._folder, self._prepared, self._control = folder, prepared, control
        self._settings, self._learner = prepared.settings, prepared.learner
        self._fabric: Fabric = prepared.fabric
        self._tell: Tell = tell if self._fabric.is_global_zero else lambda _: None
        self._progress = prepared.progress
        self._validating = Validating(folder, prepared)
        self._clock = Clock(self._progress.seconds)
        self._saved_step, self._save_at = self.step, time.monotonic() + SAVE_SECONDS
        self._began = self._clock.seconds, self.step

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return self._progress.step

    @property
    def best(self) -> float | None:
        """The best mIoU so far."""
        return self._progress.best

    def run(self) -> Ended:
        """Train until the end, whichever comes first."""
        self._start()
        try:
            reason = self._trained()
        except Diverged:
            return self._fall_back()
        self._save()
        return self._ended(reason)

    def _start(self) -> None:
        prepared = self._prepared
        self._tell(
            Started(
                self.step,
                prepared.steps,
                self._settings.epochs,
                str(self._learner.device),
                str(self._fabric.strategy.precision.precision),
                self._learner.parameters,
                time.time(),
                prepared.notes,
            )
        )

    def _trained(self) -> str:
        """Steps and validations; the reason of the end."""
        progress, prepared = self._progress, self._prepared
        if self._due_for_validation() and not self._validate():
            return "stopped"
        for images, labels in self._batches():
            if reason := self._over():
                return reason
            factor = rate_factor(
                self._settings.schedule, self._settings.warmup, self.step, self._share()
            )
            loss = self._learner.step(images, labels, factor)
            progress.add(loss)
            if self.step % prepared.tell_every == 0 or self.step == prepared.steps:
                self._tell_step(factor)
            if self._due_for_validation():
                self._save()
                if not self._validate():
                    return "stopped"
            elif time.monotonic() > self._save_at:
                self._save()
        return self._over() or "done"

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        settings, prepared, fabric = self._settings, self._prepared, self._fabric
        world = fabric.world_size
        per_epoch = prepared.per_epoch * settings.batch * world
        loader = DataLoader(
            Squares(self._folder, prepared.survey.data, settings, per_epoch),
            batch_sampler=Batches(
                self.step, prepared.steps, settings.batch, fabric.global_rank, world
            ),
            collate_fn=joined,
            num_workers=prepared.workers,
            pin_memory=self._learner.device.type == "cuda",
            generator=torch.Generator(),  # its own, so that it takes none of the network's chance
        )
        for batch in loader:
            if isinstance(batch, BadInputError):
                raise batch
            yield batch

    # -- what ends it, what is due ----------------------------------------------------------------

    def _over(self) -> str:
        """Why it ends now, or "". Waits while it is paused."""
        if self._heed():
            return "stopped"
        patience = self._settings.patience
        if patience and self._progress.stale >= patience:
            return "early"
        if self._out_of_time():
            if self._progress.validated == self.step or self._validate():
                return "time"
            return "stopped"
        return ""

    def _heed(self) -> bool:
        """Whether it is to stop. Waits while it is paused."""
        paused, stopped = self._shared((self._control.paused, self._control.stopped))
        if paused:
            self._save()
            self._tell(Paused(self.step))
            with self._clock.stopped():
                if self._fabric.is_global_zero:
                    self._control.wait()
                self._fabric.barrier()
            stopped = self._shared(self._control.stopped)
            if not stopped:
                self._start()
        return stopped

    def _due_for_validation(self) -> bool:
        every = self._prepared.per_epoch * max(1, self._settings.validate_every)
        due = self.step % every == 0 or self.step == self._prepared.steps
        return due and self.step > self._progress.validated

    def _share(self) -> float:
        """How much of the training lies behind, by steps or by the clock: what is further."""
        share = self.step / self._prepared.steps
        if limit := 60 * self._settings.minutes:
            share = max(share, self._shared(self._clock.seconds) / limit)
        return min(1.0, share)

    def _out_of_time(self) -> bool:
        """Whether only a validation is left of the minutes; the first process decides for all."""
        limit = 60 * self._settings.minutes
        return bool(limit) and self._shared(
            self._clock.seconds + self._progress.validation_seconds >= limit
        )

    def _shared(self, value: Shared) -> Shared:
        """What the first process says."""
        if self._fabric.world_size == 1:
            return value
        found: Shared = self._fabric.broadcast(value)
        return found

    # -- telling and keeping ----------------------------------------------------------------------

    def _epoch(self) -> int:
        return math.ceil(self.step / self._prepared.per_epoch)

    def _tell_step(self, factor: float) -> None:
        progress = self._progress
        rate = self._settings.learning_rate * factor
        seconds = self._clock.seconds
        loss = progress.taken_loss()
        self._tell(Stepped(self.step, self._epoch(), loss, rate, seconds, self._left(seconds)))

    def _left(self, seconds: float) -> float:
        """Seconds that it will still take, as this session went."""
        steps, every = self._prepared.steps, self._settings.validate_every
        began, first = self._began
        left = (steps - self.step) * (seconds - began) / max(1, self.step - first)
        if self._progress.validated <= first:  # none is in the time yet
            left += self._progress.validation_seconds * self._settings.epochs / max(1, every)
        if limit := 60 * self._settings.minutes:
            left = min(left, max(0.0, limit - seconds))
        return left

    def _validate(self) -> bool:
        """Validate; whether it was not stopped in between."""
        told = self._validating.run(self._progress, self._epoch(), self._heed)
        if told is None:
            return False
        if not math.isfinite(told.loss):
            raise Diverged
        self._tell(told)
        self._save(again=True)
        if told.best and self._fabric.is_global_zero:
            checkpoint.mark_best(self._folder / CHECKPOINT)
        return True

    def _save(self, again: bool = False) -> None:
        """Write a checkpoint, unless the last one is of this step."""
        if (self._saved_step == self.step and not again) or not self.step:
            return
        start = time.monotonic()
        self._progress.seconds = self._clock.seconds
        self._progress.scaling = self._learner.scaling()
        if self._fabric.is_global_zero:
            state = msgspec.json.encode(self._progress).decode()
            checkpoint.save(
                self._folder / CHECKPOINT, checkpoint.Checkpoint(self._learner.tensors(), state)
            )
        now = time.monotonic()
        self._saved_step = self.step
        self._save_at = now + max(SAVE_SECONDS, _SAVE_SHARE * (now - start))

    def _fall_back(self) -> Ended:
        """The end of a training whose loss is no number: the best state is the last one again."""
        kept = "there is no better state to go back to"
        with suppress(SegStudioError):
            if self._fabric.is_global_zero and checkpoint.return_to_best(self._folder / CHECKPOINT):
                kept = (
                    f"it is back at its best state (mIoU {self.best or 0:.3f}, step "
                    f"{self._progress.best_step})"
                )
        message = failures.diverged(self._settings, self.step, kept)
        return self._ended("failed", message)

    def _ended(self, reason: str, message: str = "") -> Ended:
        progress = self._progress
        details = {
            "seconds": self._clock.seconds,
            "epoch": self._epoch(),
            "best_step": progress.best_step,
            "best_epoch": progress.best_epoch,
        }
        return Ended(reason, self.step, message, self.best, details)

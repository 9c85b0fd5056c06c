"""The training itself: steps, validations and checkpoints, until it is done or told to stop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
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
from segstudio.models.training.preparation import Prepared, prepare, return_to
from segstudio.models.training.schedules import rate_factor
from segstudio.models.training.settings import TrainingSettings
from segstudio.models.training.several import leaving, shared
from segstudio.models.training.timing import Timing
from segstudio.models.training.validating import Validating

SAVE_SECONDS = 60.0  # between checkpoints, at least
_SAVE_SHARE = 20  # and at least so many times as long as one takes
_TRIES = 3  # times that the learning rate is halved, in one session, where the loss is no number

Tell = Callable[[Event], None]
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
        with leaving(settings, control, log):
            prepared = prepare(folder, settings, data, log)
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


class Training:
    """One training of a folder, from its checkpoint or from the start."""

    def __init__(self, folder: Path, prepared: Prepared, control: Control, tell: Tell) -> None:
        self._folder, self._prepared, self._control = folder, prepared, control
        self._settings, self._learner = prepared.settings, prepared.learner
        self._fabric: Fabric = prepared.fabric
        self._tell: Tell = tell if self._fabric.is_global_zero else lambda _: None
        self._progress = prepared.progress
        self._validating = Validating(folder, prepared)
        self._timing = Timing(prepared)
        self._saved, self._save_at = self._now(), time.monotonic() + SAVE_SECONDS
        self._tries = _TRIES

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return self._progress.step

    @property
    def best(self) -> float | None:
        """The best mIoU so far."""
        return self._progress.best

    def _now(self) -> tuple[int, int]:
        return self.step, self._progress.validated

    def run(self) -> Ended:
        """Train until the end, whichever comes first."""
        self._start(self._prepared.notes)
        reason = ""
        while not reason:
            try:
                reason = self._trained()
            except Diverged:
                if not self._tries:
                    return self._given_up()
                self._go_slower()
        self._save()
        return self._ended(reason)

    def _start(self, notes: tuple[str, ...]) -> None:
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
                notes,
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
            factor = progress.slower * rate_factor(
                self._settings.schedule, self._settings.warmup, self.step, self._timing.share()
            )
            progress.add(self._learner.step(images, labels, factor))
            self._timing.stepped()
            if self.step % prepared.tell_every == 0 or self.step == prepared.steps:
                self._tell_step(factor)
            if time.monotonic() > self._save_at:
                self._save()
            if self._due_for_validation() and not self._validate():
                return "stopped"
            self._timing.step_begins()
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
        if self._timing.over():
            if self._progress.validated == self.step or self._validate():
                return "time"
            return "stopped"
        return ""

    def _heed(self) -> bool:
        """Whether it is to stop. Waits while it is paused."""
        paused, stopped = shared(self._fabric, (self._control.paused, self._control.stopped))
        if paused:
            self._save()
            self._tell(Paused(self.step))
            with self._timing.stopped():
                if self._fabric.is_global_zero:
                    self._control.wait()
                self._fabric.barrier()
            stopped = shared(self._fabric, self._control.stopped)
            if not stopped:
                self._start(self._prepared.notes)
        return stopped

    def _due_for_validation(self) -> bool:
        each, steps = self._prepared.validate_each, self._prepared.steps
        due = self.step % each == 0 or self.step == steps
        return due and self.step > self._progress.validated

    # -- telling and keeping ----------------------------------------------------------------------

    def _epoch(self) -> int:
        return math.ceil(self.step / self._prepared.per_epoch)

    def _tell_step(self, factor: float) -> None:
        progress = self._progress
        rate = self._settings.learning_rate * factor
        timing, loss = self._timing, progress.taken_loss()
        self._tell(Stepped(self.step, self._epoch(), loss, rate, timing.seconds, timing.left()))

    def _validate(self) -> bool:
        """Validate; whether it was not stopped in between."""
        told = self._validating.run(self._progress, self._epoch(), self._heed)
        if told is None:
            return False
        if not math.isfinite(told.loss):
            raise Diverged
        self._tell(told)
        self._save()
        if told.best and self._fabric.is_global_zero:
            checkpoint.mark_best(self._folder / CHECKPOINT)
        return True

    def _save(self) -> None:
        """Write a checkpoint, unless the last one is of this step and its validation."""
        if self._saved == self._now() or not self.step:
            return
        start = time.monotonic()
        self._progress.seconds = self._timing.seconds
        self._progress.scaling = self._learner.scaling()
        if self._fabric.is_global_zero:
            state = msgspec.json.encode(self._progress).decode()
            checkpoint.save(
                self._folder / CHECKPOINT, checkpoint.Checkpoint(self._learner.tensors(), state)
            )
        now = time.monotonic()
        self._saved, self._timing.save_seconds = self._now(), now - start
        self._save_at = now + max(SAVE_SECONDS, _SAVE_SHARE * (now - start))

    # -- a loss that is no number -----------------------------------------------------------------

    def _go_slower(self) -> None:
        """Go on from the best state, or from the start, with half the learning rate; say so."""
        step, self._tries = self.step + 1, self._tries - 1
        note = failures.slower(step, self._back() or "the start", self._rate())
        self._start((*self._prepared.notes, note))

    def _given_up(self) -> Ended:
        """The end of a training that no learning rate mends: the best state is the last one."""
        step, rate, kept = self.step + 1, self._rate(), ""
        with suppress(SegStudioError):
            kept = self._back()
        return self._ended("failed", failures.diverged(self._settings, step, kept, rate))

    def _back(self) -> str:
        """Halve the learning rate and be at the best state again; what that is, "" for none."""
        self._progress.slower /= 2
        if not return_to(self._folder, self._prepared):
            return ""
        self._saved = (0, 0)
        self._save()  # so that it is as slow after a kill
        return f"its best state (mIoU {self.best or 0:.3f}, step {self._progress.best_step})"

    def _rate(self) -> float:
        return self._settings.learning_rate * self._progress.slower

    def _ended(self, reason: str, message: str = "") -> Ended:
        progress = self._progress
        details = {
            "seconds": self._timing.seconds,
            "epoch": self._epoch(),
            "best_step": progress.best_step,
            "best_epoch": progress.best_epoch,
        }
        return Ended(reason, self.step, message, self.best, details)

"""A trained network taught further in a folder, measured before and after on held-out scenes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from segstudio.core.errors import BadInputError, Cancelled, SegStudioError
from segstudio.core.progress import CancelToken
from segstudio.models.device import choose_device
from segstudio.models.nets.nano import Nano
from segstudio.models.prompt_training.distilling import DistillingLearner, TeacherGrids
from segstudio.models.prompt_training.learner import Learner
from segstudio.models.prompt_training.loop import SETTINGS, Run
from segstudio.models.prompt_training.scene import Scene, read_scene, scene_lines
from segstudio.models.prompt_training.scores import DATA, SCENES, Scores, put_scores, read_scores
from segstudio.models.prompt_training.settings import NanoSettings
from segstudio.models.prompt_training.validation import validate
from segstudio.models.training.control import Control
from segstudio.models.training.event_log import EventLog
from segstudio.models.training.events import Ended, Event, Paused, Started, Stepped
from segstudio.models.training.failures import out_of_memory, sentence

_log = logging.getLogger(__name__)


class Wanted(CancelToken):
    """A token that is set while a training is to pause, or to stop."""

    def __init__(self, control: Control) -> None:
        super().__init__()
        self._control = control

    @property
    def cancelled(self) -> bool:
        return self._control.stopped or self._control.paused

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


class TuningRun(Run):
    """A run that tells events instead of writing a log, and may learn from a teacher's grids."""

    def __init__(self, folder: Path, settings: NanoSettings, tell: Callable[[Event], None]) -> None:
        self._tell_event = tell
        self._place = folder / DATA / SCENES
        super().__init__(folder, folder / DATA, settings, choose_device(settings.device))

    def held_out(self) -> list[Scene]:
        """The scenes to measure on. Raises BadInputError where there is none."""
        names = set(self.settings.held_out)
        lines = [line for line in scene_lines(self._place) if line.name in names]
        if not lines:
            raise BadInputError(f"There is no scene to measure on in {self._place}; begin anew.")
        return [read_scene(self._place, line) for line in lines]

    def started(self) -> Started:
        """The event that a session begins with."""
        parameters = sum(one.numel() for one in self.learner.network.parameters())
        precision = "bf16" if self.device.startswith("cuda") else "32-bit"
        return Started(
            self.step, self.settings.steps, 1, self.device, precision, parameters, time.time()
        )

    def _learner(self, network: Nano) -> Learner:
        if not self.settings.likeness:
            return super()._learner(network)
        grids = TeacherGrids(self._place, self.settings.held_out)
        return DistillingLearner(network, self.settings, self.device, grids)

    def _log(self, row: dict[str, Any]) -> None:
        if "loss" not in row:
            return
        left = self.seconds / max(1, self.step) * (self.settings.steps - self.step)
        rate = self.settings.rate * self.settings.rate_share(self.step - 1)
        self._tell_event(Stepped(self.step, 1, float(row["loss"]), rate, self.seconds, left))


def run(folder: Path, control: Control, tell: Callable[[Event], None]) -> Ended:
    """Tune what `folder` says, from where it was left; the last event is returned.

    Nothing is raised: what goes wrong is told as `Ended(reason="failed")`, in a sentence.
    """
    log = EventLog(folder, tell)
    step = 0
    try:
        settings = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=NanoSettings)
        made = TuningRun(folder, settings, log.add)
        try:
            reason = _tuned(made, control, log)
        finally:
            step = made.step
        ended = Ended(reason, step)
    except Exception as error:  # whatever it is, a person waits for a word
        if not isinstance(error, SegStudioError):
            _log.exception("The tuning failed")
        ended = Ended("failed", step, _sentence(error))
    with contextlib.suppress(OSError):
        log.add(ended)
    return ended


def _tuned(made: TuningRun, control: Control, log: EventLog) -> str:
    """Measure, train, measure; the reason of the end."""
    held_out, wanted = made.held_out(), Wanted(control)
    log.add(made.started())
    while not control.stopped:
        with contextlib.suppress(Cancelled):
            _go_on(made, held_out, wanted)
            return "done"
        if control.paused:
            log.add(Paused(made.step))
            control.wait()
    return "stopped"


def _go_on(made: TuningRun, held_out: list[Scene], wanted: Wanted) -> None:
    """Do what is left, of which nothing is done twice. Raises Cancelled."""
    scores = read_scores(made.folder)
    if scores is None:
        scores = Scores(validate(made.averaged(), held_out, made.device, wanted))
        if not scores.before:
            raise BadInputError("No held-out mask is large enough to be measured; label others.")
        put_scores(made.folder, scores)
    if made.step < made.settings.steps:
        made.go((), wanted)
        wanted.check()
    else:
        made.save()  # the process may have died while it wrote the weights
    after = validate(made.averaged(), held_out, made.device, wanted)
    put_scores(made.folder, Scores(scores.before, after))


def _sentence(error: Exception) -> str:
    if out_of_memory(error):
        return "The memory is not enough for the tuning; close other programs and resume it."
    return sentence(error, None)

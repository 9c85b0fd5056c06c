"""A training that runs now, heard on the GUI's thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from segstudio.engine.jobs import Call, JobRunner
from segstudio.engine.training_process import TrainingProcess
from segstudio.engine.training_run import TrainingRun
from segstudio.gui.training_story import TrainingStory
from segstudio.models.training.events import Event


class EventMail:
    """Says on the GUI's thread that there are news; many at once where they come fast."""

    def __init__(self, runner: JobRunner, news: Call, ended: Call) -> None:
        self._runner, self._news, self._ended = runner, news, ended
        self._lock = threading.Lock()
        self._called = False

    def post(self, _: Event) -> None:
        """Called on the listening thread."""
        with self._lock:
            called, self._called = self._called, True
        if not called:
            self._runner.tell(self._deliver)

    def end(self, _: TrainingProcess) -> None:
        """Called on the listening thread, after the last event."""
        self._runner.tell(self._ended)

    def _deliver(self) -> None:
        with self._lock:
            self._called = False
        self._news()


@dataclass
class LiveTraining:
    """The one that this window runs, and what it told so far."""

    run: TrainingRun
    process: TrainingProcess
    story: TrainingStory = field(default_factory=TrainingStory)
    heard: int = 0
    shown_state: str = ""

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def state(self) -> str:
        return str(self.process.state)

    def take(self) -> list[Event]:
        """Add what the process told since, and return it."""
        self.shown_state = self.state
        fresh = list(self.process.events_after(self.heard))
        self.heard += len(fresh)
        for event in fresh:
            self.story.take(event)
        return fresh

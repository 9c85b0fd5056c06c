"""The folder of one training: what is in it tells all that happened, also after a kill.

`run.json` (what it is of; its being there says that the folder is whole), `settings.json`,
`set.json` and `labels/`; from the process: `events.jsonl`, `checkpoint/`, `best/`, `log.txt`.
`lock` is held by who trains, and `process.json` names the process.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec
import psutil
from filelock import FileLock, Timeout

from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.whole_files import put
from segstudio.engine.training_choices import SetChoices
from segstudio.models.semantic import library
from segstudio.models.training.event_log import append, read_events
from segstudio.models.training.events import Ended, Event, Started, Stepped, Validated
from segstudio.models.training.folder import BEST, CHECKPOINT, SETTINGS
from segstudio.models.training.settings import TrainingSettings

RUN, LOG = "run.json", "log.txt"
_ORPHAN_SECONDS = 30.0  # a step, a checkpoint, and to spare
_LOCK, _PROCESS = "lock", "process.json"
_GOOD_ENDS = frozenset({"done", "early", "time"})


class RunState(StrEnum):
    """How a training stands. INTERRUPTED: its process died, or the machine did.

    GONE: its folder was deleted. STOPPED, INTERRUPTED and FAILED ones can be resumed.
    """

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    GONE = "gone"


class RunNote(msgspec.Struct, frozen=True):
    """What `run.json` holds: what was trained on, and when it was asked for.

    `run_id` is that of the project's run, 0 where the project could not be written then.
    """

    project: str
    project_name: str
    title: str
    choices: SetChoices
    fingerprint: str
    train_images: int
    val_images: int
    started_at: float
    run_id: int = 0


class _ProcessNote(msgspec.Struct, frozen=True):
    pid: int
    created_at: float


@dataclass(frozen=True)
class RunFacts:
    """What the events of a run come to. `miou` is the best one, with the IoU by category then.

    `message` is the sentence of the end, where there is one; `seconds` the time trained.
    """

    started: bool = False
    step: int = 0
    steps: int = 0
    epoch: int = 0
    epochs: int = 0
    device: str = ""
    parameters: int = 0
    seconds: float = 0.0
    left: float = 0.0
    miou: float | None = None
    iou: dict[str, float | None] | None = None
    ended: Ended | None = None

    @property
    def message(self) -> str:
        return self.ended.message if self.ended is not None else ""


@dataclass(frozen=True)
class RunFolder:
    """A training's folder; what it writes raises OSError where it does not say otherwise."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    # -- what is in it --------------------------------------------------------------------------

    def note(self) -> RunNote:
        """Raises BadInputError where the folder is gone or holds no training."""
        try:
            return msgspec.json.decode((self.path / RUN).read_bytes(), type=RunNote)
        except (OSError, ValueError) as error:
            raise BadInputError(
                f"{self.path} holds no training that can be read ({error}); delete it."
            ) from error

    def put_note(self, note: RunNote) -> None:
        put(self.path / RUN, msgspec.json.format(msgspec.json.encode(note)))

    def settings(self) -> TrainingSettings:
        """Raises BadInputError as `note`."""
        try:
            return msgspec.json.decode((self.path / SETTINGS).read_bytes(), type=TrainingSettings)
        except (OSError, ValueError) as error:
            raise BadInputError(
                f"The settings of the training {self.name} cannot be read ({error}); delete it."
            ) from error

    def put_settings(self, settings: TrainingSettings) -> None:
        put(self.path / SETTINGS, msgspec.json.format(msgspec.json.encode(settings)))

    def events(self) -> list[Event]:
        """All events so far; lines that a kill cut short, or that are none, are passed over."""
        return list(read_events(self.path))

    def add_event(self, event: Event) -> None:
        """Add what the process could not tell itself any more; a full disk is no reason to fail."""
        with contextlib.suppress(OSError):
            append(self.path, event)

    def facts(self) -> RunFacts:
        """What the events come to, those of later sessions over those of earlier ones."""
        return facts_of(read_events(self.path))

    @property
    def has_model(self) -> bool:
        """Whether there is a model to use: the best one so far."""
        return (self.path / BEST / library.WEIGHTS).is_file()

    @property
    def has_checkpoint(self) -> bool:
        """Whether a resumed training goes on from somewhere; else it begins anew."""
        try:
            return any((self.path / CHECKPOINT).iterdir())
        except OSError:
            return False

    # -- who trains in it -----------------------------------------------------------------------

    def hold(self) -> FileLock:
        """The right to train here, to be released. Raises StorageError where another has it.

        A process whose program died is about to save and stop: it is waited for.
        """
        lock = FileLock(self.path / _LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise self._busy() from None
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be written ({error.strerror or error}); check its disk."
            ) from error
        if not self.wait_dead(_ORPHAN_SECONDS):
            lock.release()
            raise self._busy()
        return lock

    def _busy(self) -> StorageError:
        return StorageError(
            f"The training {self.name} is running in another process; stop it there first."
        )

    def note_process(self, pid: int) -> None:
        """Remember who trains here, so that others see it when this program is gone."""
        with contextlib.suppress(OSError, psutil.Error):
            note = _ProcessNote(pid, psutil.Process(pid).create_time())
            put(self.path / _PROCESS, msgspec.json.encode(note))

    def alive(self) -> bool:
        """Whether the process that trains here lives."""
        try:
            note = msgspec.json.decode((self.path / _PROCESS).read_bytes(), type=_ProcessNote)
            process = psutil.Process(note.pid)
            same = abs(process.create_time() - note.created_at) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.Error):
            return False

    def look(self) -> tuple[RunState, RunFacts]:
        """How the training stands and what its events come to, told from the folder alone."""
        alive = self.alive()  # asked first: a process that ends now has told so where we then look
        facts = self.facts()
        if not (self.path / RUN).is_file():
            return RunState.GONE, facts
        if alive:
            return RunState.RUNNING, facts
        if facts.ended is None:
            return RunState.INTERRUPTED, facts
        if facts.ended.reason in _GOOD_ENDS:
            return RunState.DONE, facts
        failed = facts.ended.reason == "failed"
        return RunState.FAILED if failed else RunState.STOPPED, facts

    def wait_dead(self, timeout: float) -> bool:
        """Wait until nobody trains here; False if `timeout` seconds pass first."""
        until = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def delete(self) -> None:
        """Delete it with all models in it that were not put to use. Raises StorageError."""
        lock = self.hold() if self.path.is_dir() else None
        try:
            if lock is not None:
                # Without its note it is no training any more, should the rest be interrupted.
                (self.path / RUN).unlink(missing_ok=True)
                lock.release()
                shutil.rmtree(self.path)
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be deleted ({error.strerror or error}); delete it yourself."
            ) from error


def facts_of(events: Iterator[Event]) -> RunFacts:
    """What events come to; see `RunFacts`."""
    found: dict[str, object] = {}
    for event in events:
        if isinstance(event, Started):
            found |= {
                "started": True,
                "step": event.step,
                "steps": event.steps,
                "epochs": event.epochs,
                "device": event.device,
                "parameters": event.parameters,
                "ended": None,
            }
        elif isinstance(event, Stepped):
            found |= {
                "step": event.step,
                "epoch": event.epoch,
                "seconds": event.seconds,
                "left": event.left,
            }
        elif isinstance(event, Validated):
            found |= {"step": event.step, "epoch": event.epoch}
            if event.best or "miou" not in found:
                found |= {"miou": event.miou, "iou": event.iou}
        elif isinstance(event, Ended):
            found["ended"] = event
    return RunFacts(**found)  # type: ignore[arg-type]  # each is what its event says

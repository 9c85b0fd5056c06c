"""A training in a process of its own: started, listened to, paused, stopped.

The process outlives no parent: at the end of its standard input it saves and stops. What it tells
comes on its standard output, what it complains of goes to `log.txt` in its folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import psutil

from segstudio.core.errors import StorageError
from segstudio.engine.training_folder import LOG, RunFolder
from segstudio.models.training.events import Ended, Event, Paused, Waiting, decode

# -P: nothing is imported from the working folder, which may hold anybody's files.
COMMAND = (sys.executable, "-P", "-m", "segstudio.models.training")

_NICENESS = 10  # the person's own work goes first
_LONGEST_LINE = 4 << 20  # bytes; a longer one is no event
_GARBAGE_KEPT = 20
_SLOW_WINDOWS = 0x00004000 | 0x00000200  # BELOW_NORMAL_PRIORITY_CLASS, CREATE_NEW_PROCESS_GROUP
_LOG_SHOWN = 8 << 10


class ProcessState(StrEnum):
    """What the process does. PAUSING and STOPPING: it was asked to, and is not there yet."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    ENDED = "ended"


OnEvent = Callable[[Event], None]
OnEnd = Callable[["TrainingProcess"], None]


class TrainingProcess:
    """One running training. Every method may be called from any thread, and returns at once.

    `on_event` and `on_end` are called on the thread that listens; in a window, let them bring the
    news to the GUI's thread. `events` are all of the run, those of earlier sessions first: after a
    kill, some of those may be of steps that are done again. `ended` is there when it is over:
    also a process that died has one, made here, with the sentence for a person.
    """

    def __init__(
        self,
        folder: RunFolder,
        on_event: OnEvent | None = None,
        on_end: OnEnd | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Start it; `command` None: COMMAND.

        Raises StorageError where another process trains in that folder.
        """
        self.folder = folder
        self.state = ProcessState.STARTING
        self.ended: Ended | None = None
        self.garbage: deque[str] = deque(maxlen=_GARBAGE_KEPT)
        self._on_event, self._on_end = on_event, on_end
        self._killed = False
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._hold = folder.hold()
        try:
            self._events = folder.events()  # with the last words of a process that was waited for
            self._process = _spawn([*(command or COMMAND), str(folder.path.resolve())], folder.path)
        except BaseException:
            self._hold.release()
            raise
        folder.note_process(self._process.pid)
        for work in (self._listen, self._clear):
            name = f"segstudio-training-{self._process.pid}"
            threading.Thread(target=work, name=name, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def events(self) -> tuple[Event, ...]:
        """All that was told so far, in order."""
        return self.events_after(0)

    def events_after(self, count: int) -> tuple[Event, ...]:
        """Those that were told after the first `count`, in order."""
        with self._lock:
            return tuple(self._events[count:])

    @property
    def details(self) -> str:
        """The end of what the process wrote beside its events, for a report; "" if nothing."""
        log = _tail(self.folder.path / LOG)
        return "\n".join([*self.garbage, log] if log else self.garbage).strip()

    # -- steering -------------------------------------------------------------------------------

    def pause(self) -> None:
        """Let it wait after the step that it is at; all is saved then."""
        self._ask("pause", ProcessState.PAUSING)

    def resume(self) -> None:
        """Let it go on after a pause."""
        self._ask("resume", ProcessState.RUNNING)

    def stop(self) -> None:
        """Let it save and end after the step that it is at; it can be resumed later."""
        self._ask("stop", ProcessState.STOPPING)

    def kill(self) -> None:
        """End it now, with all that it started. What was saved before stays."""
        self._killed = True
        _kill_group(self._process)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over and `on_end` was called; False if `timeout` seconds pass first."""
        return self._over.wait(timeout)

    def close(self, timeout: float = 30.0) -> None:
        """Stop it, wait until all is saved, and kill it if it does not end in `timeout` seconds."""
        self.stop()
        if not self.wait(timeout):
            self.kill()
            self.wait(timeout)

    def release(self) -> None:
        """Let it save and stop by itself, however long that takes; for a program that ends now."""
        self.stop()
        with contextlib.suppress(OSError):
            self._input.close()

    def _ask(self, word: str, becomes: ProcessState) -> None:
        with self._lock:
            if self.state is ProcessState.ENDED:
                return
            if self.state is ProcessState.STOPPING and becomes is not ProcessState.STOPPING:
                return
            self.state = becomes
        # A process that is gone already tells so by its end.
        with contextlib.suppress(OSError, ValueError):
            self._input.write(f"{word}\n".encode())
            self._input.flush()

    @property
    def _input(self) -> BinaryIO:
        assert self._process.stdin is not None, "it was opened as a pipe"
        return self._process.stdin  # type: ignore[return-value]  # unbuffered binary

    # -- listening ------------------------------------------------------------------------------

    def _listen(self) -> None:
        """The life of the listening thread: events until the end, then the end itself."""
        assert self._process.stdout is not None, "it was opened as a pipe"
        with self._process.stdout as stream:
            while line := stream.readline(_LONGEST_LINE):
                try:
                    self._take(decode(line))
                except ValueError:  # a library that prints; it is no event, and no harm
                    self._keep_garbage(line)
        status = self._process.wait()
        with contextlib.suppress(OSError):
            self._input.close()
        with self._lock:
            self.state = ProcessState.ENDED
            told = self.ended
        if told is None:
            self._take(self._death(status), kept=True)
        self._hold.release()
        if self._on_end is not None:
            _reported(lambda: self._on_end and self._on_end(self))
        self._over.set()

    def _clear(self) -> None:
        """Once it has ended, end what it had started: else its output would stay open for ever."""
        if hasattr(os, "waitid"):  # while it is not reaped, its number is no other process's
            with contextlib.suppress(OSError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
                os.killpg(self._process.pid, signal.SIGKILL)

    def _take(self, event: Event, *, kept: bool = False) -> None:
        with self._lock:
            self._events.append(event)
            if isinstance(event, Ended):
                self.ended = event
            elif isinstance(event, Paused):
                if self.state is ProcessState.PAUSING:
                    self.state = ProcessState.PAUSED
            elif self.state is ProcessState.STARTING and not isinstance(event, Waiting):
                self.state = ProcessState.RUNNING
        if kept:  # the process could not write this one any more
            self.folder.add_event(event)
        if self._on_event is not None:
            _reported(lambda: self._on_event and self._on_event(event))

    def _keep_garbage(self, line: bytes) -> None:
        if text := line[:500].decode("utf-8", "replace").strip():
            self.garbage.append(text)

    def _death(self, status: int) -> Ended:
        """What to say of a process that ended without saying so."""
        step = max((getattr(event, "step", 0) for event in self.events), default=0)
        if self._killed:
            return Ended("stopped", step, "The training was ended at once; it can be resumed.")
        return Ended("failed", step, death_sentence(status, self.details))


def death_sentence(status: int, details: str = "") -> str:
    """What befell a process of that exit status (negative: a signal), and what to do."""
    if status == -int(getattr(signal, "SIGKILL", 9)):
        return (
            "The training was killed by the system, most likely because the memory ran out; "
            "resume it with other programs closed, or train with smaller squares or batches."
        )
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"The training crashed ({name}); it can be resumed from where it was saved last."
    last = details.splitlines()[-1].strip() if details else ""
    reason = f": {last}" if last else ""
    return f"The training ended by itself (exit status {status}){reason}."


def _spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | _SLOW_WINDOWS
    try:
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=-1,
                creationflags=flags,
                start_new_session=os.name == "posix",  # Ctrl-C is for us to hand on
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            )
    except OSError as error:
        raise StorageError(
            f"The training cannot be started in {folder} ({error.strerror or error})."
        ) from error
    if sys.platform != "win32":
        # Now, while it has one thread: those that it starts later are as patient.
        with contextlib.suppress(psutil.Error, OSError):
            started = psutil.Process(process.pid)
            started.nice(max(_NICENESS, int(started.nice())))
    return process


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all of its group; nothing where it has ended."""
    with contextlib.suppress(OSError):
        if process.poll() is None:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LOG_SHOWN))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _reported(call: Callable[[], object]) -> None:
    """Call a listener of ours; what it raises is reported and does not end the listening."""
    try:
        call()
    except Exception as error:
        thread = threading.current_thread()
        told = threading.ExceptHookArgs((type(error), error, error.__traceback__, thread))
        with contextlib.suppress(OSError, ValueError):  # nobody reads our complaints any more
            threading.excepthook(told)

"""What a training is told while it runs: a word a line on its standard input, or a signal."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

PAUSE, RESUME, STOP = "pause", "resume", "stop"
_LOOK_SECONDS = 0.2


class Control:
    """What is wanted of the training now; any thread may tell, one asks.

    It stops once and for all; other words than the three are passed over.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._paused = False
        self._stopped = False
        self._heard: socket.socket | None = None

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def paused(self) -> bool:
        return self._paused and not self._stopped

    def tell(self, word: str) -> None:
        """Take "pause", "resume" or "stop"."""
        with self._changed:
            if word == STOP:
                self._stopped = True
            elif word in (PAUSE, RESUME):
                self._paused = word == PAUSE
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when it is not paused, or no more."""
        with self._changed:
            while self.paused:
                # With a time, so that a signal's handler gets its turn on every system.
                self._changed.wait(0.5)

    def listen(self, lines: Iterable[str]) -> threading.Thread:
        """Take words from `lines` on a thread; their end means that whoever told them is gone."""

        def take() -> None:
            try:
                for line in lines:
                    self.tell(line.strip().lower())
            finally:
                self.tell(STOP)

        thread = threading.Thread(target=take, name="words", daemon=True)
        thread.start()
        return thread

    @contextlib.contextmanager
    def leaving(self, leave: Callable[[], object]) -> Iterator[None]:
        """Call `leave` on a thread if it is stopped within: for a wait that asks nobody."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK_SECONDS):
                if self._stopped:
                    leave()
                    return

        threading.Thread(target=watch, name="leaving", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def heed_signals(self) -> Callable[[], None]:
        """Let SIGINT and SIGTERM stop it, in the main thread; returns what undoes that."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stopped = True  # without the lock, which this very thread may hold

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        stop_hearing = self._hear_signals()

        def undo() -> None:
            stop_hearing()
            for number, handler in before.items():
                signal.signal(number, handler)

        return undo

    def _hear_signals(self) -> Callable[[], None]:
        """Let a thread hear signals too: the main one may wait where Python has no turn."""
        ours, theirs = socket.socketpair()
        self._heard = theirs  # as long as we live: the system writes into it
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

        def take() -> None:
            with ours:
                while ours.recv(1):
                    self.tell(STOP)

        threading.Thread(target=take, name="signals", daemon=True).start()

        def undo() -> None:
            signal.set_wakeup_fd(before)
            theirs.close()
            self._heard = None

        return undo

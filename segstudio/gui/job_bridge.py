"""Brings callbacks from any thread to the GUI thread."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal

_SLICE_S = 0.008  # half a frame: a flood of callbacks must not hold up painting

Call = Callable[[], None]


class JobBridge(QObject):
    """Give its `deliver` to a `JobRunner`; make it on the GUI thread, `close` it there at the end.

    Callbacks run in the order they came, each from the event loop and never inside `deliver`.
    One that raises is told to `sys.excepthook`; the next ones still run.
    """

    _woken = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._waiting: deque[Call] = deque()
        self._open = True
        self._wanted = False  # a `_woken` is on its way
        self._woken.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def deliver(self, callback: Call) -> None:
        """Have `callback` called on the GUI thread, soon. Any thread may ask; never blocks."""
        with self._lock:
            if self._open:
                self._waiting.append(callback)
                self._wake()

    def close(self) -> None:
        """Drop what waits and whatever comes later. Calling it again does nothing."""
        with self._lock:
            self._open = False
            self._waiting.clear()

    def _wake(self) -> None:
        if not self._wanted:
            self._wanted = True
            self._woken.emit()

    def _run(self) -> None:
        with self._lock:
            self._wanted = False
        until = time.perf_counter() + _SLICE_S
        while callback := self._next(time.perf_counter() >= until):
            try:
                callback()
            except Exception:
                kind, error, trace = sys.exc_info()
                assert kind is not None and error is not None
                sys.excepthook(kind, error, trace)

    def _next(self, late: bool) -> Call | None:
        with self._lock:
            if late and self._waiting:
                self._wake()
            if late or not self._waiting:
                return None
            callback = self._waiting.popleft()
            if self._waiting:  # the callback may run an event loop of its own (a file dialog)
                self._wake()
            return callback

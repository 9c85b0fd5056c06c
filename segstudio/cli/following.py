"""Waiting for a training in a process of its own, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Self

from segstudio.cli.output import Output

if TYPE_CHECKING:  # the engine would make `--help` slow
    from segstudio.engine.training_process import TrainingProcess

INTERRUPTED = 130
_LOOK_SECONDS = 0.2


class CtrlC:
    """Counts Ctrl-C while a training runs; as an exception it is lost where a finaliser runs."""

    def __init__(self) -> None:
        self.count = 0
        self._before: Any = None

    def _note(self, _number: int, _frame: object) -> None:
        self.count += 1

    def __enter__(self) -> Self:
        here = threading.current_thread() is threading.main_thread()  # elsewhere none arrives
        if here and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell's background
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def followed(process: TrainingProcess, pressed: CtrlC, output: Output) -> int:
    """Wait until it is over; the first Ctrl-C lets it save and stop, a second one kills it."""
    heeded = 0
    while not process.wait(_LOOK_SECONDS):
        if pressed.count > heeded:
            heeded += 1
            if heeded == 1:
                output.say("Saving, then stopping; once more Ctrl-C ends it at once.")
                process.stop()
            else:
                output.say("Ended at once; what was saved before is kept.")
                process.kill()
    return INTERRUPTED if heeded else 0

"""What a process that trains has around its training: words in, events out, signals heeded.

Events go to standard output, a line each, all else that anything prints to standard error. Words
come from standard input; its end stops the training, as whoever started it is gone.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from segstudio.models.training.control import STOP, Control
from segstudio.models.training.event_log import first_process
from segstudio.models.training.events import Ended, Event, encode

Train = Callable[[Path, Control, Callable[[Event], None]], Ended]


def serve(arguments: Sequence[str], module: str, load: Callable[[], Train]) -> int:
    """Train in the folder that the arguments name; the exit status.

    `load` imports what trains, which may take seconds: a word or a signal before it is there counts
    already. The status is 0 however it ends by itself or by a word, 1 where it failed, 2 for other
    arguments.
    """
    if len(arguments) != 1:
        print(f"usage: python -m {module} FOLDER", file=sys.stderr)
        return 2
    out = _own_output()
    control = Control()
    if first_process():
        # Unbuffered: a thread that waits in a buffered reader stops the interpreter from ending.
        words = os.fdopen(0, "rb", buffering=0, closefd=False)
        control.listen(line.decode(errors="replace") for line in words)
    control.heed_signals()
    ended = load()(Path(arguments[0]), control, lambda event: _tell(out, event, control))
    return int(ended.reason == "failed")


def _own_output() -> BinaryIO:
    """Standard output for events alone; whoever else writes there writes to standard error."""
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def _tell(out: io.BufferedIOBase | BinaryIO, event: Event, control: Control) -> None:
    try:
        out.write(encode(event) + b"\n")
        out.flush()
    except OSError:  # nobody listens any more
        control.tell(STOP)

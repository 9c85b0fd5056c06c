"""`python -m segstudio.models.training FOLDER`: train what a folder says, in this process.

Events go to standard output, a line each, all else that anything prints to standard error. Words
come from standard input; its end stops the training, as whoever started it is gone. The exit status
is 0 however it ends by itself or by a word, 1 where it failed.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import BinaryIO

from segstudio.models.training.control import STOP, Control
from segstudio.models.training.event_log import first_process
from segstudio.models.training.events import Event, encode


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m segstudio.models.training FOLDER", file=sys.stderr)
        return 2
    out = _own_output()
    control = Control()
    if first_process():
        # Unbuffered: a thread that waits in a buffered reader stops the interpreter from ending.
        words = os.fdopen(0, "rb", buffering=0, closefd=False)
        control.listen(line.decode(errors="replace") for line in words)
    control.heed_signals()
    # Torch takes seconds; a word or a signal before it is there counts already.
    from segstudio.models.threads import settle_threads  # noqa: PLC0415
    from segstudio.models.training.loop import run  # noqa: PLC0415

    settle_threads()
    ended = run(Path(arguments[0]), control, lambda event: _tell(out, event, control))
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The record of what a training told: a line for each event, at the end of a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from segstudio.models.training.events import Event, encode
from segstudio.models.training.folder import EVENTS


class EventLog:
    """Appends events to `events.jsonl` and passes them on, in the first of several processes.

    A session that goes on from a checkpoint begins with `Started`, whose step says from where on
    what was told before did not happen. Raises OSError where the disk refuses.
    """

    def __init__(self, folder: Path, tell: Callable[[Event], None]) -> None:
        self._path, self._tell = folder / EVENTS, tell
        self._begun = False

    def add(self, event: Event) -> None:
        """Tell first: who listens hears even of a full disk."""
        if not first_process():
            return
        self._tell(event)
        line = encode(event) + b"\n"
        with self._path.open("ab") as file:
            if not self._begun and file.tell() and not self._ends_whole():
                line = b"\n" + line  # the power went while a line was written
            file.write(line)
        self._begun = True

    def _ends_whole(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, 2)
            return file.read() == b"\n"


def first_process() -> bool:
    """Whether it is the one of several that tells and is told; launchers number them so."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK")
    return all(os.environ.get(name, "0") == "0" for name in names)

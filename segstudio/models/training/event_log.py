"""The record of what a training told: a line for each event, at the end of a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from segstudio.models.training.events import Event, decode, encode
from segstudio.models.training.folder import EVENTS


class EventLog:
    """Appends events to `events.jsonl` and passes them on, in the first of several processes.

    A session that goes on from a checkpoint begins with `Started`, whose step says from where on
    what was told before did not happen. Raises OSError where the disk refuses.
    """

    def __init__(self, folder: Path, tell: Callable[[Event], None]) -> None:
        self._folder, self._tell = folder, tell

    def add(self, event: Event) -> None:
        """Tell first: who listens hears even of a full disk."""
        if first_process():
            self._tell(event)
            append(self._folder, event)


def append(folder: Path, event: Event) -> None:
    """Add an event to a training's record. Raises OSError."""
    with (folder / EVENTS).open("ab+") as file:
        line = encode(event) + b"\n"
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # the power went, or a kill came, while a line was written
                line = b"\n" + line
        file.write(line)


def read_events(folder: Path) -> Iterator[Event]:
    """All that a training told so far; lines that were cut short, or are none, are passed over."""
    try:
        with (folder / EVENTS).open("rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    yield decode(line)
    except OSError:
        return


def first_process() -> bool:
    """Whether it is the one of several that tells and is told; launchers number them so."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK")
    return all(os.environ.get(name, "0") == "0" for name in names)

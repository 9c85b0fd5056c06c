"""Cancelling long work and telling how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from segstudio.core.errors import Cancelled


class CancelToken:
    """A flag that one thread sets and another looks at; it can never be unset."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if the flag is set; call it between steps of long work."""
        if self._event.is_set():
            raise Cancelled


@dataclass(frozen=True)
class Progress:
    """`done` of `total` steps (`total` 0: unknown) and what is being done, in the user's words."""

    done: int
    total: int
    text: str = ""

    @property
    def fraction(self) -> float | None:
        return min(1.0, self.done / self.total) if self.total > 0 else None


ProgressSink = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """A sink for callers that do not show progress."""

"""When to let go of a model that nobody uses: after a long time, or when memory is short."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

UNLOAD_MINUTES = 30.0

_SHORT_REST_SECONDS = 60.0  # unused for that long, a model goes when memory is short
_FLOOR_SHARE = 1 / 16  # memory is short when less than this part of it is available,
_FLOOR_BYTES = 1 << 30  # and less than this


def memory_is_short() -> bool:
    """Whether this computer's programs will soon have no main memory left."""
    memory = psutil.virtual_memory()
    return bool(memory.available < min(memory.total * _FLOOR_SHARE, _FLOOR_BYTES))


class ModelRest:
    """Knows how long a model has not been used."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        short: Callable[[], bool] = memory_is_short,
    ) -> None:
        self._clock = clock
        self._short = short
        self._used_at = clock()

    def used(self) -> None:
        """The model is used now."""
        self._used_at = self._clock()

    def due(self, unload_minutes: float) -> bool:
        """Whether it may go. `unload_minutes` 0: only when memory is short."""
        idle = self._clock() - self._used_at
        if unload_minutes > 0 and idle >= unload_minutes * 60:
            return True
        return idle >= _SHORT_REST_SECONDS and self._short()

"""Pictures and scenes from a folder, drawn by chance; decoded ones stay within a bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

Key = TypeVar("Key")
Value = TypeVar("Value")

_TRIES = 16  # of files that cannot be read, one after another, before that is an error


class Shelf(Generic[Key, Value]):
    """What `read` makes of keys, of which at most `budget` bytes are kept.

    Decoding costs more than composing: once the memory is full, `again` of all draws take what is
    decoded, so that the shelf is turned over slowly.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        read: Callable[[Key], Value],
        size: Callable[[Value], int],
        budget: int,
        again: float = 0.6,
    ) -> None:
        self.keys = keys
        self._read, self._size, self._budget, self._again = read, size, budget, again
        self._held: OrderedDict[int, Value] = OrderedDict()
        self._order: list[int] = []  # the held ones' indices, to draw from
        self._bytes = 0
        self._full = False

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)

    def draw(self, rng: np.random.Generator) -> tuple[int, Value]:
        """An index and what stands there. Raises FileNotFoundError where nothing can be read."""
        if self._full and rng.random() < self._again:
            index = self._order[int(rng.integers(len(self._order)))]
            return index, self._held[index]
        for _ in range(_TRIES):
            index = int(rng.integers(len(self.keys)))
            try:
                return index, self.take(index)
            except FileNotFoundError:
                continue  # the folder is being filled anew beside us
        raise FileNotFoundError(f"None of {_TRIES} files drawn can be read: {self.keys[index]}.")

    def take(self, index: int) -> Value:
        """What stands at this index. Raises FileNotFoundError."""
        held = self._held.get(index)
        if held is not None:
            return held
        value = self._read(self.keys[index])
        self._held[index] = value
        self._order.append(index)
        self._bytes += self._size(value)
        while self._bytes > self._budget and len(self._held) > 1:
            oldest, gone = self._held.popitem(last=False)
            self._order.remove(oldest)
            self._bytes -= self._size(gone)
            self._full = True
        return value

"""Pictures and scenes from a folder, drawn by chance; decoded ones stay within a bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

Key = TypeVar("Key")
Value = TypeVar("Value")

_TRIES = 16  # of files that cannot be read, one after another, before that is an error
_TURNED = 0.25  # of the window that gives way at each turn


class Shelf(Generic[Key, Value]):
    """What `read` makes of keys, of which about `budget` bytes are kept.

    Decoding costs more than composing. So at each time only a window of the keys is drawn from, in
    an order that the seed shuffles; `turn` moves it. What is drawn depends on the turn and the
    generator alone, never on what happens to be decoded. `typical`: bytes of a value, about, from
    which the window's length follows.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        read: Callable[[Key], Value],
        size: Callable[[Value], int],
        *,
        budget: int,
        typical: int,
        seed: int,
    ) -> None:
        self.keys = keys
        self._read, self._size, self._budget = read, size, budget
        self._order = np.random.default_rng((seed, len(keys))).permutation(len(keys))
        self._window = max(1, min(len(keys), budget // typical))
        self._start = 0
        self._held: OrderedDict[int, Value] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)

    def turn(self, number: int) -> None:
        """Move the window to where it stands at this turn."""
        step = max(1, int(self._window * _TURNED))
        self._start = number * step % max(1, len(self.keys))

    def draw(self, rng: np.random.Generator) -> Value:
        """One of the window. Raises FileNotFoundError where none can be read."""
        for _ in range(_TRIES):
            place = (self._start + int(rng.integers(self._window))) % len(self.keys)
            index = int(self._order[place])
            try:
                return self.take(index)
            except FileNotFoundError:
                continue  # the folder is being filled anew beside us
        raise FileNotFoundError(f"None of {_TRIES} files drawn can be read: {self.keys[index]}.")

    def take(self, index: int) -> Value:
        """What stands at this index. Raises FileNotFoundError."""
        held = self._held.get(index)
        if held is not None:
            self._held.move_to_end(index)
            return held
        value = self._read(self.keys[index])
        self._held[index] = value
        self._bytes += self._size(value)
        while self._bytes > self._budget and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self._bytes -= self._size(gone)
        return value

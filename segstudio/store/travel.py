"""Many steps of a history as one: what they change all in all, without reading a single mask.

Works on the ledger's own rows. A mask that was painted a thousand times is decoded twice, as it is
now and as it becomes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from segstudio.core.changes import Edit, Records
from segstudio.store import codec
from segstudio.store.codec import Row

_Rows = dict[int, Row]
_TABLES = ("annotations", "categories", "images")


class _Net:
    """The rows of one table: as they were before the first step, and as the last one leaves them.

    A row that a step replaces takes over only the columns that the step changed, as each step
    alone would: others may have changed since outside the history (the path of a moved file).
    """

    def __init__(self) -> None:
        self.before: dict[int, Row | None] = {}
        self.after: dict[int, Row | None] = {}

    def take(self, before: _Rows, after: _Rows) -> None:
        for number in {**before, **after}:
            old, new = before.get(number), after.get(number)
            self.before.setdefault(number, old)
            last = self.after.get(number)
            if last is not None and old is not None and new is not None:
                changed = {name: value for name, value in new.items() if old.get(name) != value}
                new = {**last, **changed}
            self.after[number] = new

    def rows(self, side: dict[int, Row | None]) -> list[Row]:
        """The rows of one side, without those that are the same on both."""
        moved = (number for number in sorted(side) if self.before[number] != self.after[number])
        return [row for number in moved if (row := side[number]) is not None]


def composed(text: str, image_id: int, steps: Iterable[tuple[str, str]], *, inverted: bool) -> Edit:
    """One edit that does what `steps` do one after the other.

    Each step is `before` and `after` as the ledger holds them (JSON), in the order in which they
    are taken; `inverted` ones are undone. Raises StorageError where the ledger makes no sense.
    """
    nets = {table: _Net() for table in _TABLES}

    def read(row: Any) -> Edit:
        for before, after in row["steps"]:
            first, second = json.loads(before), json.loads(after)
            if inverted:
                first, second = second, first
            for table, net in nets.items():
                net.take(_by_id(first[table]), _by_id(second[table]))
        return Edit(text, image_id, _records(nets, "before"), _records(nets, "after"))

    return codec.read(read, {"id": f"of image {image_id}", "steps": steps}, "the history")


def _by_id(rows: list[Row]) -> _Rows:
    return {int(row["id"]): row for row in rows}


def _records(nets: dict[str, _Net], side: str) -> Records:
    tables = {table: net.rows(getattr(net, side)) for table, net in nets.items()}
    return codec.records_from_rows(tables)

"""Transactions on an open project, and the ids that it gives out."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Table, func, select

from segstudio.core.changes import Edit
from segstudio.core.errors import StorageError
from segstudio.store import meta_values, opening, sqlite_file
from segstudio.store.failures import explained
from segstudio.store.history_reading import HistoryReading
from segstudio.store.schema import annotation, category


class ProjectWriting(HistoryReading):
    """The writing half of a project, without what is written.

    One thread writes at a time; others go on reading while a long transaction is made. Who takes
    both locks takes `_write_lock` first.
    """

    def __init__(self, path: Path, file: opening.OpenFile) -> None:
        """Take over an open file; it is closed with this."""
        super().__init__(path, file)
        self._write_lock = threading.RLock()
        self._last_moment = 0.0
        with self._reading() as connection:
            tables = (annotation, category)
            self._stored_ids = {table.name: _stored_id(connection, table) for table in tables}
            self._next_ids = {table.name: _free_id(connection, table) for table in tables}

    def close(self) -> None:
        """Wait for what is being written, then free the file; a second call does nothing."""
        with self._write_lock, self._lock:
            # Ids that were given out and not used are not to be given out again. On a full disk
            # nothing is lost: nothing was ever stored under them.
            if not self._closed and not self.read_only and self._next_ids != self._stored_ids:
                with suppress(StorageError), self._writing():
                    pass
            super().close()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction, which stores the id counters with whatever else it holds."""
        with self._write_lock, self._alone() as engine:
            self._require_writable()
            with engine.execution_options(writes=True).begin() as connection:
                yield connection
                given_out = self._store_counters(connection)
            self._stored_ids = given_out

    @contextmanager
    def _long_writing(self) -> Iterator[Connection]:
        """The same on a connection of its own: meanwhile, others read what was there before.

        What the body raises goes on as it is: it may come from elsewhere than the project file.
        """
        with self._write_lock:
            with self._alone():
                self._require_writable()
            with explained(self.path):
                engine = sqlite_file.connect(self.path, "rw")
            try:
                with explained(self.path):
                    sqlite_file.expect_much(engine)
                    connection = engine.connect().execution_options(writes=True)
                    transaction = connection.begin()
                try:
                    yield connection
                    with explained(self.path):
                        given_out = self._store_counters(connection)
                        transaction.commit()
                except BaseException:
                    with suppress(StorageError), explained(self.path):
                        transaction.rollback()
                    raise
                finally:
                    with suppress(StorageError), explained(self.path):
                        connection.close()
            finally:
                engine.dispose()
            self._stored_ids = given_out

    def _require_writable(self) -> None:
        if self.read_only:
            raise StorageError(
                f"{self.path.name} was opened read-only and cannot be changed; "
                "close it and open it for writing."
            )
        if not self._file.in_place(self.path):
            raise StorageError(
                f"{self.path} was moved, deleted or replaced while it was open; put it back, "
                "or save a copy under another name to keep your work."
            )

    def _store_counters(self, connection: Connection) -> dict[str, int]:
        with self._lock:
            given_out = dict(self._next_ids)
        for table, number in given_out.items():
            if number != self._stored_ids[table]:
                meta_values.put(connection, _counter(table), number)
        return given_out

    def _moment(self) -> float:
        """Now, in seconds since 1970, but never the same twice."""
        with self._lock:
            later = math.nextafter(self._last_moment, math.inf)
            self._last_moment = max(time.time(), later)
            return self._last_moment

    def _note_ids_used(self, edit: Edit) -> None:
        with self._lock:
            for table, records in (
                (annotation.name, edit.after.annotations),
                (category.name, edit.after.categories),
            ):
                used = max((record.id for record in records), default=0)
                self._next_ids[table] = max(self._next_ids[table], used + 1)

    def new_annotation_id(self) -> int:
        """An id that no annotation had or will have, also after undo and restart."""
        return self._new_id(annotation)

    def new_category_id(self) -> int:
        """An id that no category had or will have, also after undo and restart."""
        return self._new_id(category)

    def _new_id(self, table: Table) -> int:
        with self._lock:
            number = self._next_ids[table.name]
            self._next_ids[table.name] = number + 1
            return number


def _stored_id(connection: Connection, table: Table) -> int:
    return int(meta_values.get(connection, _counter(table.name), 1))


def _free_id(connection: Connection, table: Table) -> int:
    highest = connection.scalar(select(func.max(table.c.id))) or 0
    return max(_stored_id(connection, table), highest + 1)


def _counter(table: str) -> str:
    return f"next_{table}_id"

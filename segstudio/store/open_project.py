"""An open project file: one connection, one thread at a time, errors in sentences."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, Select, func, select

from segstudio.core.errors import StorageError
from segstudio.store import checks, codec, meta_values, places
from segstudio.store.failures import explained
from segstudio.store.opening import OpenFile, copy_file
from segstudio.store.schema import edit

T = TypeVar("T")


class OpenProject:
    """The file below a project.

    Every method may be called from any thread; one at a time is carried out. All raise
    StorageError or BadInputError, in one sentence, when the file fails them.

    `path`: the project file. `name`: what its owner calls it. `images_dir`: absolute.
    `last_commit_at`: when the last edit was stored, seconds since 1970 (0.0: never).
    """

    def __init__(self, path: Path, file: OpenFile) -> None:
        """Take over an open file; it is closed with this."""
        self.path = path
        self.read_only = file.lock is None
        self._file = file
        self._closed = False
        self._lock = threading.RLock()
        with self._reading() as connection:
            self.name = str(meta_values.get(connection, "name", path.stem))
            self.images_dir = places.real_folder(
                path, str(meta_values.get(connection, "images_dir", "."))
            )
            self.last_commit_at = float(connection.scalar(select(func.max(edit.c.made_at))) or 0.0)

    def close(self) -> None:
        """Bring everything into the one file and free it for others; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _alone(self) -> Iterator[Engine]:
        """The open file for this thread alone, with its errors explained."""
        with self._lock, explained(self.path):
            if self._closed:
                raise StorageError(f"{self.path.name} is closed; open it again.")
            yield self._file.engine

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._alone() as engine, engine.connect() as connection:
            yield connection

    def _all(
        self, query: Select[Any], decode: Callable[[Mapping[Any, Any]], T], what: str
    ) -> list[T]:
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [codec.read(decode, row, what) for row in rows]

    # -- whole file -----------------------------------------------------------------------------

    def save_copy(self, path: Path) -> None:
        """Write a consistent copy to a new file, whole or not at all, while work goes on.

        The copy finds the same image folder. Raises StorageError if `path` exists.
        """
        target = path.resolve()
        with self._alone() as engine, explained(target):
            copy_file(engine, target, places.stored_folder(target, self.images_dir))

    def integrity(self) -> list[str]:
        """What is wrong with the file, one sentence each; an empty list is a whole project."""
        with self._reading() as connection:
            return checks.faults(connection)

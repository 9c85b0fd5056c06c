"""A project as it was at one moment, while work on it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import Connection

from segstudio.store.opening import OpenFile, open_for_reading
from segstudio.store.reading import ProjectReading


class ProjectSnapshot(ProjectReading):
    """Reads what the project held when the snapshot was taken; a `core.project_view.ProjectView`.

    One read transaction lasts as long as the snapshot. The writer does not wait for it, but the
    file's log grows until it is closed.
    """

    def __init__(self, path: Path, file: OpenFile) -> None:
        """Take over an open file; use `take`."""
        self._connection: Connection | None = None
        super().__init__(path, file)

    @classmethod
    def take(cls, path: Path) -> Self:
        """A snapshot of what has been committed to the file by now, also by this process.

        Raises BadInputError for what is no project or damaged, StorageError if it is newer than
        this program.
        """
        path = path.resolve()
        file = open_for_reading(path)
        try:
            return cls(path, file)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            super().close()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._alone() as engine:
            if self._connection is None:  # its first SELECT is what fixes the moment
                self._connection = engine.connect()
            yield self._connection

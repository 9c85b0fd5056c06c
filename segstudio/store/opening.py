"""Making, opening and migrating project files, so that none is ever seen half-done."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from segstudio.core.errors import StorageError
from segstudio.store import meta_values, sqlite_file
from segstudio.store.failures import code_of, explained
from segstudio.store.lock import WriterLock
from segstudio.store.migrations import migrate, schema_version
from segstudio.store.schema import SCHEMA_VERSION, metadata

_NO_SHARED_MEMORY = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR")


@dataclass
class OpenFile:
    """An open project file.

    `lock` is there when it may be written, `copy` (a folder) when it is a private copy,
    `identity` (device, inode) when it is known which file the name stood for.
    """

    engine: Engine
    lock: WriterLock | None = None
    copy: Path | None = None
    identity: tuple[int, int] | None = None

    def in_place(self, path: Path) -> bool:
        """Whether `path` still names the file that is open: SQLite would go on writing to one
        that was deleted, and all of it would be lost on closing."""
        return self.identity is None or _identity(path) == self.identity

    def close(self) -> None:
        """Bring the log into the file and let go of all; never raises for a full disk."""
        try:
            if self.lock is not None:
                with _tolerated():
                    sqlite_file.checkpoint(self.engine)
            self.engine.dispose()
        finally:
            if self.copy is not None:
                shutil.rmtree(self.copy, ignore_errors=True)
            if self.lock is not None:
                self.lock.release()


@contextmanager
def _tolerated() -> Iterator[None]:
    """What the log holds is safe there; the next opening brings it into the file."""
    try:
        with explained(Path()):
            yield
    except StorageError:
        pass


@contextmanager
def _locked(path: Path) -> Iterator[WriterLock]:
    """The writer's lock, which stays when the body succeeds."""
    lock = WriterLock(path)
    lock.acquire()
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


def create_file(path: Path, values: dict[str, object]) -> None:
    """Write a new, empty project with these values in `meta`, whole or not at all.

    Raises StorageError if there is such a file already or it cannot be written, ProjectLockedError
    if another process has it open.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as lock:
            if path.exists():
                raise StorageError(f"{path} exists already; open it, or choose another name.")
            with _new_file(path) as part:
                _write_schema(part, values)
            lock.release()


def copy_file(source: Engine, target: Path, images_dir: str) -> None:
    """Write a copy of an open project with its own `images_dir`, whole or not at all.

    Raises StorageError if there is a file already.
    """
    with _locked(target) as lock:
        if target.exists():
            raise StorageError(f"{target} exists already; choose another name for the copy.")
        with _new_file(target) as part:
            sqlite_file.back_up(source, part)
            engine = sqlite_file.connect(part, "rw")
            try:
                with engine.execution_options(writes=True).begin() as connection:
                    meta_values.put(connection, "images_dir", images_dir)
            finally:
                engine.dispose()
            sqlite_file.flush(part)
        lock.release()


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the body succeeds.

    The caller holds the lock of `path`, so the temporary name is its own, and what lies there was
    left by a process that died.
    """
    part = path.with_name(f".{path.name}.part")
    sqlite_file.remove_file(part)
    try:
        yield part
        sqlite_file.set_stray_log_aside(path)
        part.replace(path)
        sqlite_file.flush(path)
    finally:
        sqlite_file.remove_file(part)


def _write_schema(part: Path, values: dict[str, object]) -> None:
    engine = sqlite_file.connect(part, "rwc")
    every = {"schema_version": SCHEMA_VERSION, "created_at": time.time(), **values}
    try:
        sqlite_file.stamp(engine)
        with engine.execution_options(writes=True).begin() as connection:
            metadata.create_all(connection)
            for key, value in every.items():
                meta_values.put(connection, key, value)
    finally:
        engine.dispose()
    sqlite_file.flush(part)


def open_for_writing(path: Path) -> OpenFile:
    """Lock, connect, and migrate where needed.

    Raises BadInputError for what is no project or damaged, ProjectLockedError if another process
    writes it, StorageError if it is newer or cannot be written.
    """
    sqlite_file.require_project_file(path)
    with explained(path), _locked(path) as lock:
        engine = sqlite_file.connect(path, "rw")
        try:
            with engine.connect() as connection:
                version = schema_version(connection)
            if version < SCHEMA_VERSION:
                _keep_older(engine, path, version)
                _migrate(engine)
            sqlite_file.use_write_ahead_log(engine)
        except BaseException:
            engine.dispose()
            raise
        return OpenFile(engine, lock=lock, identity=_identity(path))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep_older(engine: Engine, path: Path, version: int) -> None:
    """Copy the file to NAME.v<N>-backup; a number is added if there is one already."""
    name, number = f"{path.name}.v{version}-backup", 1
    backup = path.with_name(name)
    while backup.exists():
        number += 1
        backup = path.with_name(f"{name}-{number}")
    with _new_file(backup) as part:
        sqlite_file.back_up(engine, part)


def _migrate(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        migrate(connection)


def open_for_reading(path: Path) -> OpenFile:
    """Connect without a lock and without changing a byte; an older file is migrated in a copy.

    Raises BadInputError for what is no project or damaged, StorageError if it is newer.
    """
    sqlite_file.require_project_file(path)
    with explained(path):
        file = _connect_read_only(path)
        try:
            with file.engine.connect() as connection:
                version = schema_version(connection)
            return file if version == SCHEMA_VERSION else _migrated_copy(file, path)
        except BaseException:
            file.close()
            raise


def _connect_read_only(path: Path) -> OpenFile:
    """Where SQLite cannot make its shared memory (read-only, full), go without or use a copy."""
    engine = sqlite_file.connect(path, "ro")
    try:
        with engine.connect() as connection:
            schema_version(connection)
        return OpenFile(engine)
    except DBAPIError as error:
        engine.dispose()
        if not code_of(error).startswith(_NO_SHARED_MEMORY):
            raise
    except BaseException:
        engine.dispose()
        raise
    if not sqlite_file.has_log(path):
        return OpenFile(sqlite_file.connect(path, "immutable"))
    # The log holds accepted work that its writer, killed, did not bring into the file.
    with _private_folder() as folder:
        for source in (path, sqlite_file.beside(path)[0]):
            shutil.copyfile(source, folder / source.name)
        engine = sqlite_file.connect(folder / path.name, "rw")
        return OpenFile(engine, copy=folder)


def _migrated_copy(file: OpenFile, path: Path) -> OpenFile:
    with _private_folder() as folder:
        copy = folder / path.name
        sqlite_file.back_up(file.engine, copy)
        file.close()
        engine = sqlite_file.connect(copy, "rw")
        try:
            _migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return OpenFile(engine, copy=folder)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A new folder of our own, which stays when the body succeeds."""
    folder = Path(tempfile.mkdtemp(prefix="segstudio-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

"""The one door where database and file errors become sentences."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from segstudio.core.errors import BadInputError, SegStudioError, StorageError

# Less than this is no room for a transaction, whatever the error was called.
_NO_ROOM_BYTES = 64 * 1024


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise StorageError or BadInputError, in one sentence, for what goes wrong with `path`."""
    try:
        yield
    except SegStudioError:
        raise
    except DBAPIError as error:
        raise _of_database(path, error.orig or error) from error
    except SQLAlchemyError as error:
        raise StorageError(f"{path.name} cannot be used ({_short(error)}).") from error
    except sqlite3.Error as error:
        raise _of_database(path, error) from error
    except UnicodeEncodeError as error:
        raise StorageError(
            f"{path.name} cannot hold the text {error.object!r}, which is not valid Unicode; "
            "rename it first."
        ) from error
    except OSError as error:
        raise _of_system(path, error) from error


def code_of(error: BaseException | None) -> str:
    """SQLite's name of an error ("SQLITE_FULL"), or "" for an error of something else."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlite_errorname", ""))


def _of_database(path: Path, error: BaseException) -> SegStudioError:
    code, name = code_of(error), path.name
    if code == "SQLITE_FULL" or (code.startswith("SQLITE_IOERR") and _no_room(path)):
        return _full(name)
    if code.startswith("SQLITE_IOERR"):
        return StorageError(
            f"The disk of {name} failed to read or write ({code}); check its connection and try "
            "again, nothing accepted so far is lost."
        )
    if code.startswith("SQLITE_READONLY"):
        return _read_only(name)
    if code.startswith("SQLITE_CANTOPEN"):
        return StorageError(
            f"{name} cannot be opened; check that it exists and that you may read and write "
            f"the folder {path.parent}."
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageError(f"Another program is using {name}; close it and try again.")
    if code == "SQLITE_NOTADB":
        return BadInputError(f"{name} is not a SegStudio project.")
    if code.startswith("SQLITE_CORRUPT") or "no such table" in str(error):
        return BadInputError(f"{name} is damaged ({_short(error)}); go back to a copy of it.")
    if isinstance(error, sqlite3.IntegrityError) or code.startswith("SQLITE_CONSTRAINT"):
        return StorageError(
            f"{name} was changed meanwhile and does not fit this change any more "
            f"({_short(error)}); open it again and repeat."
        )
    return StorageError(f"{name} cannot be used ({_short(error)}).")


def _of_system(path: Path, error: OSError) -> SegStudioError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(path.name)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return _read_only(path.name)
    return StorageError(f"{path.name} cannot be used ({error.strerror or error}).")


def _full(name: str) -> StorageError:
    return StorageError(
        f"{name} could not be written: The disk is full; free some space and try again, "
        "nothing accepted so far is lost."
    )


def _read_only(name: str) -> StorageError:
    return StorageError(
        f"{name} or its folder is read-only; open it read-only, or copy it to a place where you "
        "may write."
    )


def _no_room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _NO_ROOM_BYTES
    except OSError:
        return False


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__

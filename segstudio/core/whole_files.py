"""Files that are there whole or not at all, also after a power cut; what full disks are told."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from segstudio.core.errors import StorageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NAMED = 40  # characters of the target's name in the temporary one, so that this is not too long


def put(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then take its name. Raises OSError."""

    def write(part: Path) -> None:
        with part.open("xb") as file:
            file.write(content)

    put_by(path, write)


def put_by(path: Path, write: Callable[[Path], object]) -> None:
    """As `put`, for content that `write` puts into the path that it is given.

    What is there before it takes the name is on the disk, so that a power cut leaves the old file
    or the new one. Raises what `write` does, and OSError; then nothing is left behind.
    """
    part = path.with_name(f".{path.name[:_NAMED]}.{os.urandom(6).hex()}.part")
    try:
        write(part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
        flush_names(path.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def flush_names(folder: Path) -> None:
    """Bring the names in a folder to the disk; not every system opens one, and then it does so."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def disk_error(error: OSError, place: Path, what: str) -> StorageError:
    """The sentence for a disk that refused `place`; `what` was to happen ("The training")."""
    if error.errno in _FULL:
        return StorageError(
            f"{what} stopped: the disk of {place} is full; make room and try again."
        )
    return StorageError(
        f"{what} stopped: {place} cannot be written ({error.strerror or error}); check the "
        "folder's disk and permissions."
    )

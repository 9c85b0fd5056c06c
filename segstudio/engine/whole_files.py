"""Files that are there whole or not at all, with sentences for disks that refuse."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from segstudio.core.errors import StorageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def put(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then take its name. Raises OSError."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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

"""A folder of cache files within a budget of bytes, shared with other processes."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from pathlib import Path
from typing import NamedTuple

_MODEL_KEY = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,200}")
_IMAGE_KEY = re.compile(r"[0-9a-f]{8,128}")
_TEMPORARY = ".part"
_STALE_SECONDS = 3600.0  # a temporary file of that age is left over from a process that died
_KEEP = 0.9  # eviction goes on down to this part of the budget, so that it is not due at each put


def check_keys(model_key: str, image_key: str) -> None:
    """Raises ValueError for keys that cannot be file names."""
    if not _MODEL_KEY.fullmatch(model_key) or not _IMAGE_KEY.fullmatch(image_key):
        raise ValueError(f"not keys of a cache: {model_key!r}, {image_key!r}")


class CacheFolder:
    """Files named `...SUFFIX` below `folder`, about `budget` bytes of them in all.

    What was used longest ago is deleted first; a file's modification time says when that was. Each
    process may go over the budget by a sixteenth until it looks again. Every method may be called
    from any thread.
    """

    def __init__(self, folder: Path, budget: int, suffix: str) -> None:
        self.folder = folder
        self._budget = budget
        self._suffix = suffix
        self._disk = _DiskBudget(folder, budget, suffix)

    def path(self, model_key: str, image_key: str, more: str = "") -> Path:
        """Where a result of that model on that image lies; `more` tells several apart."""
        check_keys(model_key, image_key)
        return self.folder / model_key / image_key[:2] / f"{image_key}{more}{self._suffix}"

    def read(self, path: Path) -> bytes | None:
        """A file's content, or None if it is not there or cannot be read. It counts as used."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def drop(self, path: Path) -> None:
        """Delete a file (a damaged one); never raises."""
        with contextlib.suppress(OSError):
            path.unlink()

    def write(self, path: Path, data: bytes) -> None:
        """Write beside the target and rename, so that no reader ever sees half a file.

        Nothing is written that is larger than the budget. There is no fsync: after a power cut a
        checksum tells a torn file, and it is made again. Raises OSError, and leaves nothing behind.
        """
        if len(data) > self._budget:
            return
        # Random, as process numbers are not unique where containers or machines share the folder.
        temporary = path.with_name(f".{path.stem}.{os.urandom(6).hex()}{_TEMPORARY}")
        try:
            self._disk.make_room(len(data))
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            try:
                os.replace(temporary, path)  # noqa: PTH105 - Path.replace is the same call
            except PermissionError:
                if not path.is_file():
                    raise
                temporary.unlink()  # it is there, and another process reads it now (Windows)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


class _File(NamedTuple):
    used_at: int  # nanoseconds since 1970
    size: int
    path: str


class _DiskBudget:
    """Keeps the folder within its budget by deleting the files that were used longest ago.

    The folder is only walked when this process has written a sixteenth of the budget since the
    last walk, or believes the budget to be used up. Other processes may add and delete meanwhile.
    """

    def __init__(self, folder: Path, budget: int, suffix: str) -> None:
        self._folder = folder
        self._budget = budget
        self._suffix = suffix
        self._used: int | None = None
        self._written = 0
        self._lock = threading.Lock()

    def make_room(self, size: int) -> None:
        """Call before `size` bytes are written. Never raises for files that are gone already."""
        with self._lock:
            full = self._used is None or self._used + size > self._budget
            if full or self._written + size > self._budget // 16:
                self._used = self._evict(size)
                self._written = 0
            self._used = (self._used or 0) + size
            self._written += size

    def _evict(self, size: int) -> int:
        files = sorted(self._walk())
        used = sum(file.size for file in files)
        if used + size <= self._budget:
            return used
        for file in files:
            if used + size <= self._budget * _KEEP or used == 0:
                break
            try:
                Path(file.path).unlink(missing_ok=True)
            except OSError:
                continue  # another process reads it just now (Windows), or it is not ours to delete
            used -= file.size
        return used

    def _walk(self) -> list[_File]:
        files: list[_File] = []
        now = time.time()
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - a Path for each costs twice
                if not name.endswith((self._suffix, _TEMPORARY)):
                    continue
                with contextlib.suppress(OSError):
                    status = os.stat(path)  # noqa: PTH116
                    if name.endswith(self._suffix):
                        files.append(_File(status.st_mtime_ns, status.st_size, path))
                    elif now - status.st_mtime > _STALE_SECONDS:
                        Path(path).unlink()
        return files

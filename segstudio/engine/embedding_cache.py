"""The embedding cache: memory first, then disk. It makes work faster and never fails it."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_file import DamagedFile, from_bytes, rounded, to_bytes

_MODEL_KEY = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,200}")
_IMAGE_KEY = re.compile(r"[0-9a-f]{8,128}")
_SUFFIX = ".emb"
_TEMPORARY = ".part"
_STALE_SECONDS = 3600.0  # a temporary file of that age is left over from a process that died
_KEEP = 0.9  # eviction goes on down to this part of the budget, so that it is not due at each put

Key = tuple[str, str]


class EmbeddingCache:
    """Embeddings by model key and image key.

    Memory holds the last used ones up to `memory_bytes`. Disk holds
    `folder/MODEL_KEY/ab/abcdef....emb` up to about `disk_bytes` (each process may go over by a
    sixteenth until it looks again); several processes may share the folder. Without a folder, or
    when it cannot be written, the cache works in memory alone, and `warning` is a sentence that
    says so.

    Whichever tier answers, the values are the same: those of `embedding_file.rounded`. Damaged,
    cut off and foreign files are deleted and count as missing. The arrays are shared: do not write
    to them. Every method may be called from any thread.
    """

    def __init__(self, folder: Path | None, memory_bytes: int, disk_bytes: int) -> None:
        self._folder = folder if disk_bytes > 0 else None
        self._memory_bytes = memory_bytes
        self._memory: OrderedDict[Key, Embedding] = OrderedDict()
        self._memory_used = 0
        self._lock = threading.Lock()
        self._disk = _DiskBudget(folder, disk_bytes) if folder is not None else None
        self._disk_bytes = disk_bytes
        self.warning: str | None = None

    def get(self, model_key: str, image_key: str) -> Embedding | None:
        """The embedding, or None. Raises ValueError for keys that cannot be file names."""
        path = self._path(model_key, image_key)
        with self._lock:
            found = self._memory.get((model_key, image_key))
            if found is not None:
                self._memory.move_to_end((model_key, image_key))
                return found
        read = self._read(path, (model_key, image_key)) if path is not None else None
        if read is not None:
            self._remember(read)
        return read

    def put(self, embedding: Embedding) -> Embedding:
        """Keep an embedding, and return it as `get` will from now on.

        Raises ValueError for keys that cannot be file names, or arrays that are not numbers.
        """
        path = self._path(embedding.model_key, embedding.image_key)
        kept = rounded(embedding)
        self._remember(kept)
        if path is not None:
            self._write(path, to_bytes(kept))
        return kept

    def where(self, model_key: str, image_key: str) -> str | None:
        """ "memory", "disk" or None; a look that changes nothing and reads no file."""
        path = self._path(model_key, image_key)
        with self._lock:
            if (model_key, image_key) in self._memory:
                return "memory"
        return "disk" if path is not None and path.is_file() else None

    def _path(self, model_key: str, image_key: str) -> Path | None:
        if not _MODEL_KEY.fullmatch(model_key) or not _IMAGE_KEY.fullmatch(image_key):
            raise ValueError(f"not keys of a cache: {model_key!r}, {image_key!r}")
        if self._folder is None:
            return None
        return self._folder / model_key / image_key[:2] / (image_key + _SUFFIX)

    # -- memory ---------------------------------------------------------------------------------

    def _remember(self, embedding: Embedding) -> None:
        key = embedding.model_key, embedding.image_key
        with self._lock:
            older = self._memory.pop(key, None)
            if older is not None:
                self._memory_used -= older.nbytes
            if embedding.nbytes > self._memory_bytes:
                return
            self._memory[key] = embedding
            self._memory_used += embedding.nbytes
            while self._memory_used > self._memory_bytes:
                self._memory_used -= self._memory.popitem(last=False)[1].nbytes

    # -- disk -----------------------------------------------------------------------------------

    def _read(self, path: Path, key: Key) -> Embedding | None:
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            embedding = from_bytes(data)
            if (embedding.model_key, embedding.image_key) != key:
                raise DamagedFile
        except DamagedFile:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # its modification time says when it was used last
        return embedding

    def _write(self, path: Path, data: bytes) -> None:
        """Write beside the target and rename, so that no reader ever sees half a file.

        There is no fsync: after a power cut the checksum tells a torn file, and it is made again.
        """
        if len(data) > self._disk_bytes or self._disk is None:
            return
        name = f".{path.stem}.{os.getpid()}.{threading.get_ident()}{_TEMPORARY}"
        temporary = path.with_name(name)
        try:
            self._disk.make_room(len(data))
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            os.replace(temporary, path)  # noqa: PTH105 - Path.replace is the same call
            self.warning = None
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            why = error.strerror or str(error)
            self.warning = (
                f"Embeddings are kept in memory only, as {self._folder} cannot be written "
                f"({why}); free some space or choose another cache folder."
            )


class _File(NamedTuple):
    used_at: int  # nanoseconds since 1970
    size: int
    path: str


class _DiskBudget:
    """Keeps the folder within its budget by deleting the files that were used longest ago.

    The folder is only walked when this process has written a sixteenth of the budget since the
    last walk, or believes the budget to be used up. Other processes may add and delete meanwhile.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = folder
        self._budget = budget
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
            with contextlib.suppress(FileNotFoundError):
                try:
                    Path(file.path).unlink()
                except PermissionError:
                    continue  # another process reads it just now (Windows)
            used -= file.size
        return used

    def _walk(self) -> list[_File]:
        files: list[_File] = []
        now = time.time()
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - a Path for each costs twice
                if not name.endswith((_SUFFIX, _TEMPORARY)):
                    continue
                with contextlib.suppress(OSError):
                    status = os.stat(path)  # noqa: PTH116
                    if name.endswith(_SUFFIX):
                        files.append(_File(status.st_mtime_ns, status.st_size, path))
                    elif now - status.st_mtime > _STALE_SECONDS:
                        Path(path).unlink()
        return files

"""The embedding cache: memory first, then disk. It makes work faster and never fails it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from segstudio.core.prompt import Embedding
from segstudio.engine.cache_folder import CacheFolder, check_keys
from segstudio.engine.embedding_file import DamagedFile, from_bytes, rounded, to_bytes

_SUFFIX = ".emb"

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
        self._memory_bytes = memory_bytes
        self._memory: OrderedDict[Key, Embedding] = OrderedDict()
        self._memory_used = 0
        self._lock = threading.Lock()
        wanted = folder if disk_bytes > 0 else None
        self._disk = CacheFolder(wanted, disk_bytes, _SUFFIX) if wanted is not None else None
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
        check_keys(model_key, image_key)
        return self._disk.path(model_key, image_key) if self._disk is not None else None

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
        data = self._disk.read(path) if self._disk is not None else None
        if data is None or self._disk is None:
            return None
        try:
            embedding = from_bytes(data)
            if (embedding.model_key, embedding.image_key) != key:
                raise DamagedFile
        except DamagedFile:
            self._disk.drop(path)
            return None
        return embedding

    def _write(self, path: Path, data: bytes) -> None:
        if self._disk is None:
            return
        try:
            self._disk.write(path, data)
            self.warning = None
        except OSError as error:
            why = error.strerror or str(error)
            self.warning = (
                f"Embeddings are kept in memory only, as {self._disk.folder} cannot be written "
                f"({why}); free some space or choose another cache folder."
            )

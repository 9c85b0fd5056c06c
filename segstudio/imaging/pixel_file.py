"""The pixels of a huge image in a file: levels of its pyramid, written as they come, then mapped.

The file has no name (or vanishes when it is closed, on Windows): whatever happens to the program,
nothing of it stays behind, and nobody else can read or change it. It goes when the last array over
it goes.
"""

from __future__ import annotations

import mmap
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from segstudio.core.errors import StorageError
from segstudio.core.image import Rgb8
from segstudio.imaging.pyramid import halved, level_sizes

_KEPT_FREE = 256 << 20  # bytes of the disk that are left to others
_ALIGNED = 1 << 16


class PixelFile:
    """Takes (h, W, 3) uint8 RGB rows of an image of `size` (H, W) and gives its levels.

    With `halves` all levels of the pyramid are made on the way, else only the first is there.
    Raises StorageError, one sentence, where the disk has no room or cannot be written.
    """

    def __init__(self, folder: Path, size: tuple[int, int], *, halves: bool = True) -> None:
        self._sizes = level_sizes(size) if halves else [size]
        self._starts, end = [], 0
        for height, width in self._sizes:
            self._starts.append(end)
            end += -(-height * width * 3 // _ALIGNED) * _ALIGNED
        self._length, self._folder = end, folder
        self._filled = [0] * len(self._sizes)  # rows so far
        self._odd: list[Rgb8 | None] = [None] * len(self._sizes)  # a row that waits for its second
        self._file = self._made()

    def __enter__(self) -> PixelFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, rows: Rgb8) -> None:
        """The next rows of the image, from top to bottom."""
        try:
            self._add(0, rows)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def levels(self) -> tuple[Rgb8, ...]:
        """The levels, read-only, mapped; all rows must have come. The file is closed after it."""
        try:
            for index in range(len(self._sizes) - 1):
                waiting, self._odd[index] = self._odd[index], None
                if waiting is not None:
                    self._add(index + 1, halved(waiting))
            self._file.truncate(self._length)
            self._file.flush()
            mapped = mmap.mmap(self._file.fileno(), self._length, access=mmap.ACCESS_READ)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        whole = np.frombuffer(mapped, dtype=np.uint8)
        return tuple(
            whole[start : start + height * width * 3].reshape(height, width, 3)
            for start, (height, width) in zip(self._starts, self._sizes, strict=True)
        )

    def _add(self, index: int, rows: Rgb8) -> None:
        width = self._sizes[index][1]
        self._file.seek(self._starts[index] + self._filled[index] * width * 3)
        self._file.write(np.ascontiguousarray(rows).data)
        self._filled[index] += len(rows)
        if index + 1 == len(self._sizes):
            return
        waiting = self._odd[index]
        if waiting is not None:
            rows = np.concatenate((waiting, rows))
        even = len(rows) // 2 * 2
        self._odd[index] = rows[even:].copy() if even < len(rows) else None
        if even:
            self._add(index + 1, halved(rows[:even]))

    def _made(self) -> IO[bytes]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
            if free < self._length + _KEPT_FREE:
                raise StorageError(
                    f"There is too little room in the cache folder “{self._folder}” for so large "
                    f"an image ({_gigabytes(free)} free, {_gigabytes(self._length + _KEPT_FREE)} "
                    "needed); free some space, or move the folder with SEGSTUDIO_HOME."
                )
            return tempfile.TemporaryFile(dir=self._folder, prefix="pixels-")
        except OSError as error:
            raise _unwritable(self._folder, error) from error


def _unwritable(folder: Path, error: OSError) -> StorageError:
    reason = error.strerror or str(error)
    return StorageError(
        f"The cache folder “{folder}” cannot take so large an image ({reason}); free some space, "
        "or move the folder with SEGSTUDIO_HOME."
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"

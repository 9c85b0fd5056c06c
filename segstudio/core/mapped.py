"""Arrays that are mapped from a file: how to walk through them without holding them in memory.

Pages of a mapped file that were read count as the process's memory until they are given back;
then they are the system's to keep or to drop, and come back by themselves when they are read again.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

BAND_BYTES = 16 << 20

Number = TypeVar("Number", bound=np.generic)


def mapping_of(array: npt.NDArray[Any]) -> mmap.mmap | None:
    """The mapped file that `array` is a view of, or None for one in memory."""
    owner: object = array
    while isinstance(owner, (np.ndarray, memoryview)):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    return owner if isinstance(owner, mmap.mmap) else None


def release(array: npt.NDArray[Any]) -> None:
    """Give back what was read of the file under `array`; nothing to do for one in memory.

    Safe while other threads read: they find the same values, a little later.
    """
    mapped = mapping_of(array)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows, which trims itself
        mapped.madvise(mmap.MADV_DONTNEED)


def trim_heap() -> None:
    """Give back what the allocator keeps of memory that is free: hundreds of megabytes after work
    on a huge image. Takes some milliseconds, so off the GUI thread.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; musl needs and has none
        if trim is not None:
            trim(0)


def bands(
    array: npt.NDArray[Number], multiple: int = 1, most_bytes: int = BAND_BYTES
) -> Iterator[tuple[int, npt.NDArray[Number]]]:
    """(first row, rows) from top to bottom, a multiple of `multiple` rows each but the last.

    Bands are views of about `most_bytes`; a mapped one is given back before the next comes.
    """
    row_bytes = max(1, array[:1].nbytes)
    rows = max(1, most_bytes // (row_bytes * multiple)) * multiple
    for top in range(0, len(array), rows):
        yield top, array[top : top + rows]
        release(array)

"""Named arrays and a few plain facts as checksummed bytes: how caches store things on disk.

Layout: 8 bytes magic; 16 bytes BLAKE2b of all that follows; uint32 (little endian) length of the
header; the header, JSON; the arrays one after the other, little endian, C order. Nothing in it is
executed on reading, and a file of which any byte changed is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

_DIGEST_BYTES = 16
_LENGTH = struct.Struct("<I")
_MOST_FACTS = 1 << 24  # bytes of a header that is believed
_KINDS = "biuf"  # bool, signed, unsigned, float: plain numbers, nothing that could hold an object

Array = npt.NDArray[Any]


class DamagedFile(Exception):  # noqa: N818 - an outcome that a cache turns into a miss
    """The bytes are not what was written whole."""


def pack(magic: bytes, facts: Mapping[str, Any], arrays: Mapping[str, tuple[Array, str]]) -> bytes:
    """The file's content. `magic` has 8 bytes, `facts` are plain JSON.

    Each array comes with the dtype text that it should have again when it is read. Raises
    ValueError for arrays that are not plain numbers.
    """
    rows, parts = [], []
    for name, (array, dtype) in arrays.items():
        stored = plain(array)
        rows.append(
            {
                "name": name,
                "shape": list(stored.shape),
                "dtype": np.dtype(dtype).newbyteorder("<").str,
                "stored": stored.dtype.str,
            }
        )
        parts.append(stored.tobytes())
    text = json.dumps({**facts, "arrays": rows}).encode()
    body = b"".join((_LENGTH.pack(len(text)), text, *parts))
    return b"".join((magic, _digest(body), body))


def unpack(magic: bytes, data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """The facts and the arrays that `pack` wrote. Raises DamagedFile for anything else."""
    view = memoryview(data)
    prefix = len(magic) + _DIGEST_BYTES
    body = view[prefix:]
    if bytes(view[: len(magic)]) != magic or bytes(view[len(magic) : prefix]) != _digest(body):
        raise DamagedFile
    try:
        (length,) = _LENGTH.unpack_from(body)
        start = _LENGTH.size + length
        facts = json.loads(bytes(body[_LENGTH.size : start]))
        arrays: dict[str, Array] = {}
        for row in facts.pop("arrays"):
            stored, shape = np.dtype(row["stored"]), tuple(row["shape"])
            count = math.prod(shape)
            if stored.kind not in _KINDS or min(shape, default=0) < 0:
                raise DamagedFile
            flat = np.frombuffer(body, dtype=stored, count=count, offset=start)
            native = np.dtype(row["dtype"]).newbyteorder("=")
            arrays[row["name"]] = flat.reshape(shape).astype(native)
            start += count * stored.itemsize
    except (AttributeError, KeyError, TypeError, ValueError, struct.error) as error:
        raise DamagedFile from error
    return facts, arrays


def read_facts(magic: bytes, file: BinaryIO) -> dict[str, Any]:
    """The facts alone, from the beginning of an open file; the arrays are neither read nor checked.

    Raises DamagedFile where no facts can be read, OSError.
    """
    prefix = len(magic) + _DIGEST_BYTES
    head = file.read(prefix + _LENGTH.size)
    try:
        (length,) = _LENGTH.unpack_from(head, prefix)
        if head[: len(magic)] != magic or length > _MOST_FACTS:
            raise DamagedFile
        facts = json.loads(file.read(length))
        del facts["arrays"]
    except (KeyError, RecursionError, TypeError, ValueError, struct.error) as error:
        raise DamagedFile from error
    return dict(facts)


def plain(array: Array) -> Array:
    """The array in C order, little endian. Raises ValueError if it holds no plain numbers."""
    if array.dtype.kind not in _KINDS:
        raise ValueError(f"a cache file holds arrays of numbers, not of {array.dtype}")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _digest(body: bytes | memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()

"""One embedding as bytes: how the cache stores it on disk.

Layout: 8 bytes magic; 16 bytes BLAKE2b of all that follows; uint32 (little endian) length of the
header; the header, JSON; the arrays one after the other, little endian, C order. Nothing in it is
executed on reading, and a file of which any byte changed is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from segstudio.core.prompt import Embedding

_MAGIC = b"SEGEMB1\n"
_DIGEST_BYTES = 16
_LENGTH = struct.Struct("<I")
_PREFIX = len(_MAGIC) + _DIGEST_BYTES
_KINDS = "biuf"  # bool, signed, unsigned, float: plain numbers, nothing that could hold an object

Array = npt.NDArray[Any]


class DamagedFile(Exception):  # noqa: N818 - an outcome that the cache turns into a miss
    """The bytes are not an embedding that was written whole."""


def rounded(embedding: Embedding) -> Embedding:
    """The embedding as it comes back from disk: float32 arrays hold float16's values.

    Half the size for an error of at most 2**-11 of a value, or 2**-25 where it is smaller than
    2**-14. An array with a value that float16 cannot hold (beyond 65504) keeps float32, and every
    other dtype stays as it is. Raises ValueError for arrays that are not plain numbers.
    """
    return Embedding(
        embedding.model_key,
        embedding.image_key,
        embedding.image_size,
        {name: _stored(array).astype(array.dtype) for name, array in embedding.arrays.items()},
    )


def to_bytes(embedding: Embedding) -> bytes:
    """The file's content; `from_bytes` gives what `rounded` gives."""
    rows, parts = [], []
    for name, array in embedding.arrays.items():
        stored = _stored(array)
        rows.append(
            {
                "name": name,
                "shape": list(array.shape),
                "dtype": array.dtype.newbyteorder("<").str,
                "stored": stored.dtype.str,
            }
        )
        parts.append(stored.tobytes())
    header = {
        "model_key": embedding.model_key,
        "image_key": embedding.image_key,
        "image_size": list(embedding.image_size),
        "arrays": rows,
    }
    text = json.dumps(header).encode()
    body = b"".join((_LENGTH.pack(len(text)), text, *parts))
    return b"".join((_MAGIC, _digest(body), body))


def from_bytes(data: bytes) -> Embedding:
    """Read what `to_bytes` wrote. Raises DamagedFile for anything else."""
    view = memoryview(data)
    body = view[_PREFIX:]
    if bytes(view[: len(_MAGIC)]) != _MAGIC or bytes(view[len(_MAGIC) : _PREFIX]) != _digest(body):
        raise DamagedFile
    try:
        (length,) = _LENGTH.unpack_from(body)
        start = _LENGTH.size + length
        header = json.loads(bytes(body[_LENGTH.size : start]))
        arrays: dict[str, Array] = {}
        for row in header["arrays"]:
            stored, shape = np.dtype(row["stored"]), tuple(row["shape"])
            count = math.prod(shape)
            if stored.kind not in _KINDS or min(shape, default=0) < 0:
                raise DamagedFile
            flat = np.frombuffer(body, dtype=stored, count=count, offset=start)
            native = np.dtype(row["dtype"]).newbyteorder("=")
            arrays[row["name"]] = flat.reshape(shape).astype(native)
            start += count * stored.itemsize
        height, width = header["image_size"]
        return Embedding(header["model_key"], header["image_key"], (height, width), arrays)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise DamagedFile from error


def _digest(body: bytes | memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()


def _stored(array: Array) -> Array:
    """The array as it is written: C order, little endian, float32 as float16 where that fits."""
    if array.dtype.kind not in _KINDS:
        raise ValueError(f"an embedding holds arrays of numbers, not of {array.dtype}")
    if array.dtype == np.float32:
        with np.errstate(over="ignore"):
            half = array.astype("<f2")
        if np.array_equal(np.isfinite(half), np.isfinite(array)):
            return half
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")

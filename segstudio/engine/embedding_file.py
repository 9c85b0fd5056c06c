"""One embedding as bytes: how the cache stores it on disk (see `array_file` for the layout)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segstudio.core.prompt import Embedding
from segstudio.engine.array_file import DamagedFile, pack, plain, unpack

__all__ = ["DamagedFile", "from_bytes", "rounded", "to_bytes"]

_MAGIC = b"SEGEMB1\n"

Array = npt.NDArray[Any]


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
    facts = {
        "model_key": embedding.model_key,
        "image_key": embedding.image_key,
        "image_size": list(embedding.image_size),
    }
    arrays = {name: (_stored(array), array.dtype.str) for name, array in embedding.arrays.items()}
    return pack(_MAGIC, facts, arrays)


def from_bytes(data: bytes) -> Embedding:
    """Read what `to_bytes` wrote. Raises DamagedFile for anything else."""
    facts, arrays = unpack(_MAGIC, data)
    try:
        height, width = facts["image_size"]
        return Embedding(facts["model_key"], facts["image_key"], (height, width), arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile from error


def _stored(array: Array) -> Array:
    """The array as it is written: float32 as float16 where that fits."""
    if array.dtype == np.float32:
        with np.errstate(over="ignore"):
            half = array.astype("<f2")
        if np.array_equal(np.isfinite(half), np.isfinite(array)):
            return half
    return plain(array)

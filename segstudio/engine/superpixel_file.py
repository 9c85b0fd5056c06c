"""One map of superpixels as bytes: how the cache stores it on disk (see `array_file`)."""

from __future__ import annotations

import numpy as np

from segstudio.engine.array_file import DamagedFile, pack, unpack
from segstudio.engine.superpixel_map import SuperpixelMap

__all__ = ["DamagedFile", "from_bytes", "to_bytes"]

_MAGIC = b"SEGSPX1\n"


def to_bytes(made: SuperpixelMap) -> bytes:
    """Runs of equal labels, row after row: some tenths of a byte a pixel."""
    flat = made.labels.ravel()
    starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    lengths = np.diff(starts, append=len(flat)).astype(np.uint32)
    facts = {"size": list(made.size), "step": made.step, "shape": list(made.labels.shape)}
    labels = flat[starts]
    return pack(
        _MAGIC,
        facts,
        {"lengths": (lengths, lengths.dtype.str), "labels": (labels, labels.dtype.str)},
    )


def from_bytes(data: bytes) -> SuperpixelMap:
    """Read what `to_bytes` wrote. Raises DamagedFile for anything else."""
    facts, arrays = unpack(_MAGIC, data)
    try:
        height, width = facts["size"]
        shape = tuple(facts["shape"])
        lengths, labels = arrays["lengths"], arrays["labels"]
        if int(lengths.sum(dtype=np.int64)) != shape[0] * shape[1]:
            raise DamagedFile
        flat = np.repeat(labels, lengths).reshape(shape)
        return SuperpixelMap(flat, (int(height), int(width)), int(facts["step"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DamagedFile from error

"""One semantic prediction as bytes: how the cache stores it on disk (see `array_file`).

Each map is kept as what each pixel adds to the one above it (modulo 256), deflated: label maps,
most of whose pixels are like the one above, take about a thirtieth of their pixels, confidence and
entropy about a third. Nothing is lost.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from segstudio.core.prediction import ModelCategory, SemanticPrediction
from segstudio.engine.array_file import DamagedFile, pack, read_facts, unpack

__all__ = ["DamagedFile", "from_bytes", "read_categories", "to_bytes"]

_MAGIC = b"SEGPRE1\n"
_LEVELS = {"labels": 6, "confidence": 1, "entropy": 1}  # of deflate; noise gains nothing by more
_BAND = 1 << 22  # pixels at once: a large map is not copied whole

Map = npt.NDArray[np.uint8]


def to_bytes(image_key: str, prediction: SemanticPrediction) -> bytes:
    """The file's content. Raises ValueError for maps that are not (H, W) uint8 of one size."""
    maps = {name: getattr(prediction, name) for name in _LEVELS}
    if any(one.dtype != np.uint8 or one.shape != prediction.size for one in maps.values()):
        raise ValueError("a prediction's maps are uint8 and of one size")
    facts = {
        "image_key": image_key,
        "model_key": prediction.model_key,
        "settings_key": prediction.settings_key,
        "image_size": list(prediction.size),
        "categories": [asdict(category) for category in prediction.categories],
    }
    arrays: dict[str, tuple[npt.NDArray[Any], str]] = {
        name: (_deflated(one, _LEVELS[name]), "|u1") for name, one in maps.items()
    }
    return pack(_MAGIC, facts, arrays)


def from_bytes(data: bytes) -> tuple[str, SemanticPrediction]:
    """The image's key and its prediction, as `to_bytes` was given them. Raises DamagedFile."""
    facts, arrays = unpack(_MAGIC, data)
    try:
        height, width = (int(value) for value in facts["image_size"])
        maps = {name: _inflated(arrays[name], (height, width)) for name in _LEVELS}
        prediction = SemanticPrediction(
            categories=_categories(facts),
            model_key=str(facts["model_key"]),
            settings_key=str(facts["settings_key"]),
            **maps,
        )
        return str(facts["image_key"]), prediction
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise DamagedFile from error


def read_categories(file: BinaryIO) -> tuple[ModelCategory, ...]:
    """The categories alone, from the beginning of an open file; no map is read.

    Raises DamagedFile, OSError.
    """
    try:
        found = _categories(read_facts(_MAGIC, file))
    except (KeyError, TypeError) as error:
        raise DamagedFile from error
    if not all(isinstance(text, str) for row in found for text in (row.name, row.colour)):
        raise DamagedFile  # no checksum was asked
    return found


def _categories(facts: dict[str, Any]) -> tuple[ModelCategory, ...]:
    return tuple(ModelCategory(**row) for row in facts["categories"])


def _deflated(pixels: Map, level: int) -> Map:
    """(N,) uint8."""
    height, width = pixels.shape
    rows = max(1, _BAND // max(1, width))
    deflate = zlib.compressobj(level)
    parts = []
    for top in range(0, height, rows):
        steps = pixels[top : top + rows].copy()
        if top:
            steps[0] -= pixels[top - 1]
        steps[1:] -= pixels[top : top + rows - 1][: len(steps) - 1]
        parts.append(deflate.compress(steps.data))
    return np.frombuffer(b"".join((*parts, deflate.flush())), dtype=np.uint8)


def _inflated(data: Map, size: tuple[int, int]) -> Map:
    """(H, W) uint8. Raises DamagedFile where it is of another size; no more memory is taken."""
    if min(size) < 0:
        raise DamagedFile
    pixels = np.empty(size, dtype=np.uint8)
    rows = max(1, _BAND // max(1, size[1]))
    inflate, rest = zlib.decompressobj(), data.tobytes()
    for top in range(0, size[0], rows):
        band = pixels[top : top + rows]
        got = inflate.decompress(rest, max(1, band.size))
        rest = inflate.unconsumed_tail
        if len(got) != band.size:
            raise DamagedFile
        band[...] = np.frombuffer(got, dtype=np.uint8).reshape(band.shape)
        if top:
            band[0] += pixels[top - 1]
        np.cumsum(band, axis=0, dtype=np.uint8, out=band)
    if inflate.decompress(rest, 1) or not inflate.eof:
        raise DamagedFile
    return pixels

"""JSON of a source: read within bounds, and seen to have the right shape."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from segstudio.core.errors import BadInputError
from segstudio.formats.found import Place
from segstudio.formats.source_files import SourceFolder

T = TypeVar("T")

_MOST_HELD = 256 << 20  # bytes that the values of one JSON take in memory
_BOM = b"\xef\xbb\xbf"


def load_json(source: SourceFolder, path: Path) -> Any:
    """The value of a JSON file that is small enough to be held whole.

    Raises BadInputError, with file and line, for what is no JSON (also NaN and Infinity, which
    some programs write), is nested without end, or is too large.
    """
    data = source.bytes_of(path).removeprefix(_BOM)
    check_values(data, source.place(path))
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        place = source.place(path, f"line {error.lineno}")
        raise BadInputError(f"{place}: this is not valid JSON ({error.msg}).") from None


def check_values(data: bytes, place: Place) -> None:
    """See that JSON does not hold more values than fit: “[]” are 3 bytes in a file and 64 here.

    Raises BadInputError, with `place`, if it does.
    """
    if len(data) * 80 <= _MOST_HELD:  # no value takes more than that for each of its bytes
        return
    held = 32 * data.count(b",") + 64 * data.count(b"[") + 200 * data.count(b"{")
    if held > _MOST_HELD:
        raise BadInputError(f"{place}: it holds more values than any image has; it is not read.")


def shaped(value: object, kind: type[T], place: Place) -> T:
    """`value` (of JSON) as a `msgspec.Struct` or any other type that msgspec knows.

    Keys that the type does not name are let pass. Raises BadInputError, with `place` and the path
    inside the entry, where the shape is another.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadInputError(f"{place}: {_sentence(error)}.") from None


def points(values: object, place: Place) -> npt.NDArray[np.float64]:
    """(N, 2) float64 xy from a list of pairs or a flat list x, y, x, y ...

    Raises BadInputError, with `place`, for anything else and for NaN and infinity.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise BadInputError(f"{place}: the points are not pairs of numbers.") from None
    if array.ndim == 1 and len(array) % 2 == 0:
        array = array.reshape(-1, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise BadInputError(f"{place}: the points are not pairs of numbers.")
    if not np.isfinite(array).all():
        raise BadInputError(f"{place}: a coordinate is not a finite number.")
    return array


def finite(value: float | None, what: str, place: Place) -> float | None:
    """`value`, unless it is NaN or infinite. Raises BadInputError with `place` then."""
    if value is not None and not math.isfinite(value):
        raise BadInputError(f"{place}: {what} is not a finite number.")
    return value


def _sentence(error: msgspec.ValidationError) -> str:
    """The path inside the entry first, then what is wrong there."""
    text = str(error)
    what, _, where = text.partition(" - at ")
    return f"{where.strip('`').removeprefix('$.') or 'the entry'}: {what[0].lower()}{what[1:]}"

"""COCO's compressed run lengths (`cocoapi/common/maskApi.c`): runs to text and back.

Each run but the first three is written as the difference to the run two before it, 5 bits a
character, the least first; 32 says that another character follows, 16 in the last one the sign.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segstudio.core.errors import BadInputError

Runs = npt.NDArray[np.int64]

_MOST_CHARACTERS = 12  # of one run: 60 bits


def compress(runs: Runs) -> bytes:
    """The text of (N,) int64 run lengths, byte for byte as pycocotools writes it."""
    values = runs.copy()
    values[3:] -= runs[1:-2]
    digits = []
    running = np.ones(len(values), dtype=bool)
    while running.any():
        digit = values & 31
        values >>= 5
        more = np.where(digit & 16, values != -1, values != 0)
        digits.append(np.where(running, digit + 32 * more + 48, 0))
        running = running & more
    if not digits:
        return b""
    table = np.stack(digits, axis=1).astype(np.uint8).ravel()
    return bytes(table[table != 0].tobytes())


def decompress(text: bytes) -> tuple[Runs, bool]:
    """The (N,) int64 run lengths of a text, and whether `compress` gives that text for them.

    Another writer may use more characters than it takes. Raises BadInputError for what is no such
    text, or holds numbers larger than any image. The runs may be negative.
    """
    if not text:
        return np.empty(0, dtype=np.int64), True
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise BadInputError("A mask's compressed run lengths hold characters that COCO does not.")
    ends = np.flatnonzero(codes < 32)
    lengths = np.diff(ends, prepend=-1)
    if int(lengths.max()) > _MOST_CHARACTERS:
        raise BadInputError("A mask's compressed run lengths are larger than any image.")
    starts = ends - lengths + 1
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    values = np.add.reduceat((codes & 31) << shifts, starts)
    last = codes[ends]
    values -= (last >> 4) << 5 * lengths  # the sign; bit 5 is not set in a last one
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    # A last character that only repeats the sign of the one before it is one too many.
    before = codes[ends - 1]
    idle = np.where(before & 16, last == 31, last == 0)
    return values, not bool((idle & (lengths > 1)).any())

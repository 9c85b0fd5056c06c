"""Compiling number loops for this machine's processor, once, on the user's machine.

numba, as it comes as wheels for every system that SegStudio runs on and needs no compiler there; a
compiled extension of our own would have to be built for each system and for the oldest processor
that it may meet, while this uses whatever vector instructions the machine has. What was compiled
is kept on disk (in `NUMBA_CACHE_DIR`, else beside the source or, where that cannot be written, in
the user's cache folder).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]
Scalar = Any  # one number of the dtype that the docstring or the caller names

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be taken in any order and products be fused: the last bits of a result may differ from
# one processor to another. There are no NaN, and no infinities.
_FAST = {"contract", "reassoc", "nsz", "nnan", "ninf", "arcp"}


def compiled(function: F) -> F:
    """A decorator: the function is compiled when it is first called, and runs without the GIL."""
    kept = njit(nogil=True, fastmath=_FAST, error_model="numpy")(function)
    # No folder can be written: it is compiled anew in each run.
    with suppress(RuntimeError):
        kept.enable_caching()
    return cast("F", kept)

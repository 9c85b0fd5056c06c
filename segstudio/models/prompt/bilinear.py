"""Torch's bilinear interpolation along one axis, number for number, at chosen places only.

`torch.nn.functional.interpolate(mode="bilinear", align_corners=False)` on the CPU blends two
neighbours along x and then along y, in float32; its compiler may have fused a product with the
sum, so that it is not rounded. Which neighbours, which weights and which product is fused are read
off torch itself, so that numbers computed here are its own, on any processor. (With one thread and
three channels torch takes another kernel, whose numbers differ in the last bit.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Blend:
    """Where each of n outputs along an axis comes from, out of `source` inputs.

    `low`, `high` (n,) int64: the neighbours, both ascending; `low_weight`, `high_weight` (n,)
    float32: their weights; `first` (source + 1,) int64: the first output whose `low` is at least
    that input, n where there is none.
    """

    low: Indices
    high: Indices
    low_weight: Floats
    high_weight: Floats
    first: Indices


@lru_cache(maxsize=64)
def blend_table(source: int, target: int) -> Blend:
    """How torch takes `source` inputs to `target` outputs."""
    # Every third input is 1: the answer is the weight of the neighbour with that remainder.
    comb = torch.zeros((3, 1, 1, source))
    for remainder in range(3):
        comb[remainder, 0, 0, remainder::3] = 1.0
    # Torch has another kernel, with other last bits, where height and width add up to 128 or less.
    size = (max(1, 129 - target), target)
    weights = functional.interpolate(comb, size, mode="bilinear", align_corners=False)
    of_remainder = weights[:, 0, 0].numpy()
    outputs = np.arange(target)
    place = np.maximum((outputs + 0.5) * (source / target) - 0.5, 0.0)
    low = np.minimum(place.astype(np.int64), source - 1)
    # Rounded to float32, a place may lie on the other side of a whole number.
    beyond = of_remainder[(low + 2) % 3, outputs] != 0
    here = of_remainder[low % 3, outputs] != 0
    low = np.clip(low + np.where(beyond, np.where(here, -1, 1), 0), 0, source - 1)
    high = np.minimum(low + 1, source - 1)
    low_weight = of_remainder[low % 3, outputs]
    high_weight = np.where(high > low, of_remainder[high % 3, outputs], np.float32(0.0))
    first = np.searchsorted(low, np.arange(source + 1)).astype(np.int64)
    return Blend(low, high, low_weight, high_weight, first)


def blend(low: Floats, high: Floats, low_weight: Floats, high_weight: Floats) -> Floats:
    """low * low_weight + high * high_weight in float32, rounded where torch rounds."""
    return _blend(low, high, low_weight, high_weight, _fused())


def _blend(
    low: Floats, high: Floats, low_weight: Floats, high_weight: Floats, fused: str
) -> Floats:
    # A product of two float32 is exact in float64. Rounding its sum twice instead of once gives
    # another float32 about once in 2**29.
    if fused == "low":
        exact = np.multiply(low, low_weight, dtype=np.float64)
        exact += high * high_weight
        return exact.astype(np.float32)
    if fused == "high":
        exact = np.multiply(high, high_weight, dtype=np.float64)
        exact += low * low_weight
        return exact.astype(np.float32)
    return np.asarray(low * low_weight + high * high_weight, dtype=np.float32)


@cache
def _fused() -> str:
    """Which product torch does not round: "low", "high" or "none"."""
    table = blend_table(97, 1000)
    sample = np.random.default_rng(0).standard_normal((200, 97)).astype(np.float32)
    # With as many rows out as in, only x is blended.
    rows = torch.from_numpy(sample)[None, None]
    expected = functional.interpolate(rows, (200, 1000), mode="bilinear", align_corners=False)
    low, high = sample[:, table.low], sample[:, table.high]
    wrong = {
        name: np.count_nonzero(
            _blend(low, high, table.low_weight, table.high_weight, name) != expected[0, 0].numpy()
        )
        for name in ("low", "high", "none")
    }
    return min(wrong, key=lambda name: wrong[name])

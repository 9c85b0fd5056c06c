"""Gaussian filtering of scattered values on the permutohedral lattice (Adams et al. 2010).

The space of features is cut into simplices whose d + 1 corners are points of a lattice. Values are
added to the corners around them (splat), the corners' sums are blurred by 1/2, 1, 1/2 along each of
the lattice's d + 1 directions, and each place reads them from its corners again (slice). All three
are products with sparse matrices, which scipy multiplies in C: no compiler and nothing to compile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from segstudio.core.progress import CancelToken

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.intp]

_LEAST = 1e-20  # of a row sum
_ROWS = 1 << 14  # places at a time: what is computed of them stays in the cache

# A lattice point is known by a sum of its coordinates times these odd numbers, modulo 2^64: so
# neighbours' keys differ by a constant. That two points of an image share one has a chance of about
# 1 in 10^6 for the largest lattices, and would blur a little of one to the other.
_FACTORS = np.random.Generator(np.random.PCG64(5)).integers(0, 2**63, (2, 8), np.uint64) | 1


class Lattice:
    """A Gaussian filter, normalised on both sides: weight * D^(-1/2) K D^(-1/2).

    K_ij is exp(-|f_i - f_j|^2 / 2) as the lattice approximates it, D the diagonal of its row sums.
    Only lattice points near some place exist, and what a blur would carry over others is lost: for
    places that lie apart K is too narrow, and not quite symmetric, as in the authors' code.
    `features` is (N, d) float32 with d from 1 to 7, in standard deviations. `corners` is how many
    lattice points are in use: far fewer than N where features lie close together. Making one raises
    Cancelled when `cancel` is set.
    """

    def __init__(
        self, features: Floats, weight: float = 1.0, cancel: CancelToken | None = None
    ) -> None:
        token = cancel or CancelToken()
        count, depth = features.shape
        nearest, rank, weights = _simplices(features, token)
        of_corner, of_rank = _FACTORS[:, : depth + 1]
        keys = _weighted(nearest, of_corner) + _weighted(rank, of_rank)
        token.check()
        examples, simplex, _ = _unique(keys, token)
        token.check()
        corners = _corner_keys(nearest[examples], rank[examples], of_corner)
        token.check()
        _, corner, points = _unique(corners.ravel(), token)
        token.check()
        self.corners = len(points)
        indices = corner.reshape(-1, depth + 1).astype(np.int32)[simplex]
        ends = np.arange(0, count * (depth + 1) + 1, depth + 1, dtype=np.int64)
        shape = count, self.corners
        self._slice = sparse.csr_matrix((weights.ravel(), indices.ravel(), ends), shape=shape)
        token.check()
        self._splat = self._slice.T  # by columns: values are read in their order
        steps = of_corner.sum() - of_corner * (depth + 1)
        order = np.argsort(points)
        self._blurs = []
        for step in steps:
            token.check()
            self._blurs.append(_blur(points, order, step))
        sums = self.filter(np.ones((count, 1), np.float32), token)
        norm = np.sqrt(weight / np.maximum(sums, np.float32(_LEAST)), dtype=np.float32)
        self._slice.data *= np.repeat(norm, depth + 1)
        self._splat = self._slice.T

    def filter(self, values: Floats, cancel: CancelToken | None = None) -> Floats:
        """(N, C) float32 of (N, C) float32: at each place the weighted sum over all places.

        Raises Cancelled between its eight or so steps.
        """
        token = cancel or CancelToken()
        token.check()
        at_corners: Any = self._splat @ values
        for blur in self._blurs:
            token.check()
            at_corners = blur @ at_corners
        token.check()
        filtered: Floats = self._slice @ at_corners
        return filtered


def _simplices(features: Floats, cancel: CancelToken) -> tuple[Ints, npt.NDArray[np.int8], Floats]:
    """The simplex around each place: (N, d + 1) its corner of remainder 0, the order of the
    coordinates by their distance from it (0: the farthest up), and the weights of its corners.
    """
    count, depth = features.shape
    nearest = np.empty((count, depth + 1), np.int32)
    rank = np.empty((count, depth + 1), np.int8)
    weights = np.empty((count, depth + 1), np.float32)
    places = np.arange(1, depth + 1)
    # So wide that the three steps together have the standard deviation 1 (their section 3.1).
    scale = np.sqrt(2 / 3) * (depth + 1) / np.sqrt(places * (places + 1))
    for start in range(0, count, _ROWS):
        cancel.check()
        rows = slice(start, min(count, start + _ROWS))
        elevated = _elevated(features[rows].T * scale.astype(np.float32)[:, None])
        nearest[rows], rank[rows], weights[rows] = _located(elevated)
    return nearest, rank, weights


def _elevated(scaled: Floats) -> Floats:
    """(d, n) to (d + 1, n) in the hyperplane of vectors that sum to 0."""
    depth, count = scaled.shape
    elevated = np.empty((depth + 1, count), np.float32)
    total = np.zeros(count, np.float32)
    for axis in range(depth, 0, -1):
        elevated[axis] = total - axis * scaled[axis - 1]
        total += scaled[axis - 1]
    elevated[0] = total
    return elevated


def _located(elevated: Floats) -> tuple[Floats, Ints, Floats]:
    """`_simplices` of some elevated places, (d + 1, n); each result is (n, d + 1)."""
    sides, count = elevated.shape
    nearest = np.rint(elevated / sides)
    surplus = nearest.sum(axis=0).astype(np.int32)
    nearest *= sides
    apart = elevated - nearest
    rank = np.tile(surplus, (sides, 1))
    for one in range(sides):
        for other in range(one + 1, sides):
            less = apart[one] < apart[other]
            rank[one] += less
            rank[other] += ~less
    wrapped = sides * ((rank < 0).astype(np.int32) - (rank >= sides))
    rank += wrapped
    nearest += wrapped
    apart -= wrapped
    ordered = np.empty_like(apart)
    np.put_along_axis(ordered, sides - 1 - rank, apart / np.float32(sides), axis=0)
    weights = ordered.copy()
    weights[1:] -= ordered[:-1]
    weights[0] += 1 - ordered[-1]
    return nearest.T, rank.T, weights.reshape(sides, count).T


def _weighted(coordinates: npt.NDArray[np.signedinteger[Any]], factors: Keys) -> Keys:
    """(n,) sums modulo 2^64 of (n, d + 1) whole numbers times the factors."""
    total = np.zeros(len(coordinates), np.uint64)
    for column, factor in zip(coordinates.T, factors, strict=True):
        total += column.astype(np.int64).view(np.uint64) * factor
    return total


def _corner_keys(nearest: Ints, rank: npt.NDArray[np.int8], factors: Keys) -> Keys:
    """(n, d + 1) keys of the corners of n simplices, in the order of their weights."""
    sides = nearest.shape[1]
    base, step = _weighted(nearest, factors), factors.sum()
    keys = np.empty(nearest.shape, np.uint64)
    for corner in range(sides):
        over = (rank >= sides - corner).astype(np.int8)
        keys[:, corner] = base - sides * _weighted(over, factors)
        base += step
    return keys


def _unique(keys: Keys, cancel: CancelToken) -> tuple[Indices, Indices, Keys]:
    """Where each different key comes first, the number of each key's kind, and the different keys.

    Kinds are numbered by where they come first, so that neighbours' numbers are close together.
    """
    order = np.argsort(keys)
    cancel.check()
    ordered = keys[order]
    fresh = np.ones(len(keys), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(fresh)
    first = np.minimum.reduceat(order, starts)
    cancel.check()
    by_place = np.argsort(first)
    cancel.check()
    number = np.empty(len(starts), np.intp)
    number[by_place] = np.arange(len(starts))
    kind = np.empty(len(keys), np.intp)
    kind[order] = number[np.cumsum(fresh) - 1]
    return first[by_place], kind, ordered[starts][by_place]


def _blur(points: Keys, order: Indices, step: np.uint64) -> Any:
    """1/2, 1, 1/2 along one direction of the lattice, among the points that are there.

    `order` sorts them.
    """
    count = len(points)
    ordered = points[order]
    wanted = ordered + step
    place = np.searchsorted(ordered, wanted)
    place[place == count] = 0
    there = ordered[place] == wanted
    lower, upper = order[there], order[place[there]]
    along = np.full(len(lower), 0.5, np.float32)
    half = sparse.coo_matrix((along, (lower, upper)), shape=(count, count)).tocsr()
    return (half + half.T + sparse.identity(count, np.float32, format="csr")).tocsr()

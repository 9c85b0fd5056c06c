"""Minimum cuts of a superpixel graph (Boykov & Jolly 2001; Dinic's maximum flow from SciPy)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from segstudio.models.prompt.superpixel_graph import Floats, SuperpixelGraph

Bools = npt.NDArray[np.bool_]

# Capacities are integers: this many to one natural unit of energy.
_SCALE = 1000
_SEED = 5_000_000

# What a border of mean length across a flat place costs, against log odds of mean superpixels.
SMOOTHNESS = 0.35


class CutGraph:
    """The graph without a prompt; `cut` may be asked many times."""

    def __init__(self, graph: SuperpixelGraph, smoothness: float = SMOOTHNESS) -> None:
        self._count = graph.count
        self._weight = graph.area / graph.area.mean()
        mean_length = max(1.0, float(graph.length.mean())) if len(graph.length) else 1.0
        cost = -np.log(graph.boundary) * graph.length / mean_length
        self._pairs = graph.pairs
        self._smooth = np.rint(cost * smoothness * _SCALE).astype(np.int32)

    def cut(self, odds: Floats, positive: list[int], negative: list[int]) -> Bools:
        """(n,) the side of the object, for log odds (n,) and seeds that must be in or out.

        Cheapest over the sum of area-weighted log odds and the cut borders; larger odds never
        give a smaller object (parametric maximum flow), so cuts of shifted odds are nested.
        """
        source, sink = self._count, self._count + 1
        unary = np.rint(odds * self._weight * _SCALE)
        unary = np.clip(unary, -_SEED // 10, _SEED // 10)
        unary[positive] = _SEED
        unary[negative] = -_SEED
        inner, outer = np.flatnonzero(unary > 0), np.flatnonzero(unary < 0)
        one, other = self._pairs.T
        rows = np.concatenate((one, other, np.full(len(inner), source), outer))
        columns = np.concatenate((other, one, inner, np.full(len(outer), sink)))
        capacity = np.concatenate((self._smooth, self._smooth, unary[inner], -unary[outer]))
        shape = (self._count + 2, self._count + 2)
        network = coo_matrix((capacity.astype(np.int32), (rows, columns)), shape).tocsr()
        residual = network - maximum_flow(network, source, sink).flow
        residual.eliminate_zeros()
        reached = breadth_first_order(residual, source, return_predecessors=False)
        side = np.zeros(self._count + 2, dtype=bool)
        side[reached] = True
        return side[: self._count]

"""How far each pixel is from a few, by what lies between: distances along paths over a picture.

A step from a pixel to one of its eight neighbours costs the difference of their colours, or what
walls stand there, and a little for its length. A path costs the sum of its steps (the geodesic
distance; Toivanen 1996, by raster scans; for cut-outs Bai & Sapiro 2007) or its dearest step (the
minimax or bottleneck distance: how high the lowest pass lies).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree

Floats = npt.NDArray[np.float32]

_LOG = logging.getLogger(__name__)

FAR = 1e6  # of a pixel that no seed reaches
_LENGTH = 0.004  # what a step of one pixel costs where colours are the same
_AWAY = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])  # (y, x) to four of the eight neighbours
_ROUNDS = 4  # of scans


def step_costs(colours: Floats) -> Floats:
    """(4, h, w) float32: from each pixel of `colours` (h, w, 3) to the right, down, down right and
    down left; FAR where that is outside."""
    return _costs(colours, _difference)


def wall_costs(walls: Floats) -> Floats:
    """The same where a step costs the mean of `walls` (h, w) at its ends."""
    return _costs(walls, _mean)


def _difference(here: Floats, there: Floats) -> Floats:
    return np.asarray(np.sqrt(((there - here) ** 2).sum(axis=2)), dtype=np.float32)


def _mean(here: Floats, there: Floats) -> Floats:
    return np.float32(0.5) * (here + there)


def _costs(values: Floats, between: Callable[[Floats, Floats], Floats]) -> Floats:
    height, width = values.shape[:2]
    costs = np.full((4, height, width), FAR, dtype=np.float32)
    for number, (down, right) in enumerate(_AWAY):
        here, there = _ends(height, width, down, right)
        costs[number][here] = between(values[here], values[there]) + _LENGTH * np.hypot(down, right)
    return costs


def _ends(
    height: int, width: int, down: int, right: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour so far away, and these neighbours."""
    here = slice(0, height - down), slice(max(0, -right), width - max(0, right))
    return here, (slice(down, height), slice(max(0, right), width - max(0, -right)))


def distances(
    costs: Floats, seeds: npt.NDArray[np.bool_], rounds: int = _ROUNDS
) -> tuple[Floats, Floats]:
    """(h, w) float32 each: the least sum of steps from a seed, and the least dearest step.

    `costs` as `step_costs` gives them, `seeds` (h, w) bool. Without a seed all is FAR. Paths that
    turn back more often than `rounds` times come out a little too dear.
    """
    if not seeds.any():
        return (np.full(seeds.shape, FAR, dtype=np.float32),) * 2
    if not compiles():
        return exact_distances(costs, seeds)
    return _scanned(costs, seeds, rounds)


@cache
def compiles() -> bool:
    """Whether the scans can be compiled here; they are, if so."""
    try:
        _scanned(step_costs(np.zeros((1, 1, 3), dtype=np.float32)), np.ones((1, 1), dtype=bool), 1)
    except Exception:
        _LOG.warning("numba does not run here; clicks take longer", exc_info=True)
        return False
    return True


def _scanned(costs: Floats, seeds: npt.NDArray[np.bool_], rounds: int) -> tuple[Floats, Floats]:
    # numba takes half a second to import, and need not be there.
    from segstudio.imaging.geodesic_scans import scan  # noqa: PLC0415

    padded = np.pad(costs, ((0, 0), (1, 1), (1, 1)), constant_values=FAR)
    start = np.where(np.pad(seeds, 1), 0, FAR).astype(np.float32)
    sums, passes = start, start.copy()
    scan(padded, sums, passes, np.int64(rounds))
    return sums[1:-1, 1:-1], passes[1:-1, 1:-1]


def exact_distances(costs: Floats, seeds: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The same by scipy's shortest paths: where numba does not run, and what tests compare with.

    `seeds` holds one or more.
    """
    height, width = seeds.shape
    numbers = np.arange(height * width).reshape(height, width)
    steps = []
    for cost, (down, right) in zip(costs, _AWAY, strict=True):
        here, there = _ends(height, width, down, right)
        steps.append((cost[here].ravel(), numbers[here].ravel(), numbers[there].ravel()))
    values, one, other = (np.concatenate(part) for part in zip(*steps, strict=True))
    shape = height * width, height * width
    graph = coo_matrix((values.astype(np.float64), (one, other)), shape).tocsr()
    sources = np.flatnonzero(seeds)
    sums = dijkstra(graph, directed=False, indices=sources, min_only=True)
    tree = minimum_spanning_tree(graph)
    passes = _dearest(tree.tocoo(), sources, height * width)
    return (
        np.minimum(sums, FAR).astype(np.float32).reshape(height, width),
        passes.astype(np.float32).reshape(height, width),
    )


def _dearest(tree: coo_matrix, sources: npt.NDArray[np.intp], count: int) -> Floats:
    """(count,): the dearest step from a source along the least spanning tree, where all minimax
    paths run; by joining its parts from the cheapest step on (Kruskal)."""
    parent, members = np.arange(count), [[number] for number in range(count)]
    seeded = np.zeros(count, dtype=bool)
    seeded[sources] = True
    found = np.where(seeded, 0, FAR).astype(np.float32)
    for step in np.argsort(tree.data):
        a, b = int(parent[tree.row[step]]), int(parent[tree.col[step]])
        for cold in (a, b):
            if seeded[a] != seeded[b] and not seeded[cold]:
                found[members[cold]] = tree.data[step]
        if len(members[a]) < len(members[b]):
            a, b = b, a
        members[a] += members[b]
        parent[members[b]] = a
        seeded[a] |= seeded[b]
        members[b] = []
    return found

"""The permutohedral lattice: against a slow one of dictionaries, and against the Gaussian."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

from segstudio.imaging.permutohedral import Lattice


def slow_filter(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Adams et al. 2010, section 3, point by point, with corners found by trying all of them.

    A place is a mix of d + 1 lattice points, whose weights are the barycentric coordinates; here
    they are solved for, for each order of the coordinates, until all are positive.
    """
    depth = features.shape[1]
    sides = depth + 1
    # The hyperplane's basis of the paper, scaled for a standard deviation of 1 after three steps.
    basis = np.zeros((sides, depth))
    for column in range(depth):
        basis[: column + 1, column] = 1
        basis[column + 1, column] = -(column + 1)
        basis[:, column] *= sides * math.sqrt(2 / 3) / math.sqrt((column + 1) * (column + 2))
    canonical = [np.array([k] * (sides - k) + [k - sides] * k, dtype=int) for k in range(sides)]
    corners = []
    for place in features.astype(np.float64) @ basis.T:
        corners.append(_corners(place, canonical, sides))
    held: dict[tuple[int, ...], np.ndarray] = defaultdict(lambda: np.zeros(values.shape[1]))
    for found, value in zip(corners, values, strict=True):
        for corner, weight in found:
            held[corner] = held[corner] + weight * value
    used = set(held)
    for axis in range(sides):
        direction = np.ones(sides, int)
        direction[axis] -= sides
        after = {}
        for corner in used:
            beside = [tuple(np.array(corner) + sign * direction) for sign in (1, -1)]
            near = sum((held[one] for one in beside if one in used), np.zeros(values.shape[1]))
            after[corner] = held[corner] + near / 2
        held = defaultdict(lambda: np.zeros(values.shape[1]), after)
    return np.array([sum(weight * held[c] for c, weight in found) for found in corners])


def _corners(place, canonical, sides):
    """The lattice points around a place of the hyperplane, with barycentric weights."""
    ideal = np.round(place / sides).astype(int) * sides
    for shift in itertools.product((-sides, 0, sides), repeat=sides):
        base = ideal + shift
        if base.sum() != 0:
            continue
        for order in itertools.permutations(range(sides)):
            points = []
            for point in canonical:
                moved = np.empty(sides, int)
                moved[list(order)] = point
                points.append(base + moved)
            system = np.vstack((np.array(points).T, np.ones(sides)))
            weights = np.linalg.lstsq(system, np.append(place, 1.0), rcond=None)[0]
            if weights.min() >= -1e-9:
                return [(tuple(int(n) for n in p), w) for p, w in zip(points, weights, strict=True)]
    raise AssertionError("a place lies in no simplex")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_it_is_the_lattice_of_the_paper(depth: int) -> None:
    rng = np.random.default_rng(depth)
    features = rng.uniform(-2, 2, (40, depth)).astype(np.float32)
    values = rng.random((40, 3)).astype(np.float32)
    lattice = Lattice(features, 2.5)
    norm = 1 / np.sqrt(slow_filter(features, np.ones((40, 1))))
    expected = 2.5 * norm * slow_filter(features, norm * values)
    assert np.allclose(lattice.filter(values), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_it_is_near_the_gaussian(depth: int) -> None:
    """Of places that are not far apart, as pixels are not: off by a few hundredths of the mean."""
    rng = np.random.default_rng(depth)
    features = rng.uniform(0, 2, (1500, depth)).astype(np.float32)
    values = rng.random((1500, 2)).astype(np.float32)
    apart = ((features[:, None].astype(np.float64) - features) ** 2).sum(axis=2)
    kernel = np.exp(-apart / 2)
    norm = 1 / np.sqrt(kernel.sum(axis=1))
    expected = norm[:, None] * (kernel @ (norm[:, None] * values))
    error = np.abs(Lattice(features).filter(values) - expected)
    assert error.mean() < 0.05 * expected.mean()


def test_the_filter_is_linear_and_keeps_apart_what_is_far_apart() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    features[150:] += 40
    lattice = Lattice(features)
    matrix = lattice.filter(np.eye(300, dtype=np.float32))
    assert not matrix[:150, 150:].any()
    assert (np.diag(matrix) > 0).all()
    values = rng.random((300, 4)).astype(np.float32)
    assert np.allclose(lattice.filter(values), matrix @ values, atol=1e-5)


def test_equal_places_share_their_corners() -> None:
    features = np.zeros((1000, 5), np.float32)
    lattice = Lattice(features)
    assert lattice.corners == 6
    values = np.arange(1000, dtype=np.float32)[:, None]
    assert np.allclose(lattice.filter(values), values.mean(), rtol=1e-4)

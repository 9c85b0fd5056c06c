"""Distances along paths over a picture's colours, against scipy's shortest paths."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.graph import MCP

from segstudio.imaging import geodesic
from segstudio.imaging.geodesic import FAR, distances, exact_distances, step_costs, wall_costs


def picture(height: int, width: int, seed: int, smooth: float = 1.5) -> npt.NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), smooth), dtype=np.float32)


def some_seeds(height: int, width: int, count: int, seed: int) -> npt.NDArray[np.bool_]:
    made = np.zeros((height, width), dtype=bool)
    made.ravel()[np.random.default_rng(seed).choice(made.size, count, replace=False)] = True
    return made


@given(st.integers(1, 24), st.integers(1, 24), st.integers(1, 4), st.integers(0, 999))
def test_scans_find_what_shortest_paths_find(height: int, width: int, count: int, seed: int):
    costs = step_costs(picture(height, width, seed))
    seeds = some_seeds(height, width, min(count, height * width), seed)
    exact = exact_distances(costs, seeds)
    few, many = distances(costs, seeds, rounds=1), distances(costs, seeds, rounds=100)
    for early, scanned, least in zip(few, many, exact, strict=True):
        np.testing.assert_allclose(scanned, least, rtol=0, atol=1e-4)
        assert (early >= scanned).all(), "too dear, never too cheap"


def test_without_a_turn_scans_are_exact():
    ramp = np.repeat(np.linspace(0, 1, 40, dtype=np.float32)[None, :, None], 30, axis=0)
    costs = step_costs(np.repeat(ramp, 3, axis=2))
    seeds = some_seeds(30, 40, 1, 3)
    for scanned, exact in zip(distances(costs, seeds), exact_distances(costs, seeds), strict=True):
        np.testing.assert_allclose(scanned, exact, rtol=0, atol=1e-5)


def test_the_lowest_pass_is_what_a_flood_from_the_seed_must_rise_to():
    """An independent reference: the least level at which a seed and a pixel are joined."""
    height, width = 12, 15
    costs = step_costs(picture(height, width, 5))
    seeds = some_seeds(height, width, 1, 5)
    passes = exact_distances(costs, seeds)[1]
    for level in np.quantile(passes, [0.1, 0.4, 0.7]):
        reached = seeds.copy()
        while True:
            grown = reached.copy()
            for cost, (dy, dx) in zip(costs, ((0, 1), (1, 0), (1, 1), (1, -1)), strict=True):
                for y in range(height - dy):
                    for x in range(max(0, -dx), width - max(0, dx)):
                        if cost[y, x] <= level and (reached[y, x] or reached[y + dy, x + dx]):
                            grown[y, x] = grown[y + dy, x + dx] = True
            if (grown == reached).all():
                break
            reached = grown
        np.testing.assert_array_equal(reached, passes <= level)


def test_steps_of_even_colour_cost_their_length_as_in_scikit_image():
    flat = np.zeros((20, 30, 3), dtype=np.float32)
    seeds = np.zeros((20, 30), dtype=bool)
    seeds[4, 7] = True
    least = float(step_costs(flat)[0, 0, 0])
    expected = _with_diagonals(seeds)
    np.testing.assert_allclose(distances(step_costs(flat), seeds)[0], least * expected, atol=1e-5)


def _with_diagonals(seeds: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    from skimage.graph import MCP_Geometric

    assert issubclass(MCP_Geometric, MCP)
    found, _ = MCP_Geometric(np.ones(seeds.shape)).find_costs([tuple(np.argwhere(seeds)[0])])
    return np.asarray(found)


def test_a_click_reaches_its_own_side_of_an_edge_first():
    halves = np.zeros((20, 30, 3), dtype=np.float32)
    halves[:, 15:] = 0.5
    seeds = np.zeros((20, 30), dtype=bool)
    seeds[10, 3] = True
    for found in distances(step_costs(halves), seeds):
        assert found[:, :15].max() < found[:, 15:].min()


def test_a_gap_in_a_wall_is_where_the_cheapest_path_goes():
    walls = np.zeros((20, 30), dtype=np.float32)
    walls[:, 15] = 1.0
    walls[2, 15] = 0.0
    seeds = np.zeros((20, 30), dtype=bool)
    seeds[18, 3] = True
    sums, passes = distances(wall_costs(walls), seeds)
    assert passes[:, 16:].max() < 0.01, "and no step of it is dear"
    behind = np.delete(sums, 15, axis=1)
    assert behind.max() < 0.5, "around it, and not across"
    walls[2, 15] = 1.0
    assert distances(wall_costs(walls), seeds)[0][:, 16:].min() > 0.9


def test_without_a_seed_all_is_far():
    costs = step_costs(picture(6, 7, 0))
    for found in distances(costs, np.zeros((6, 7), dtype=bool)):
        assert (found == FAR).all()


def test_where_numba_does_not_run_the_exact_distances_are_taken(monkeypatch: pytest.MonkeyPatch):
    costs, seeds = step_costs(picture(9, 9, 1)), some_seeds(9, 9, 2, 1)
    monkeypatch.setattr(geodesic, "compiles", lambda: False)
    found, exact = distances(costs, seeds), exact_distances(costs, seeds)
    assert all((one == other).all() for one, other in zip(found, exact, strict=True))

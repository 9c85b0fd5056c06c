"""Polygons cover the pixels whose centres they wind around."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.mask import Mask
from segstudio.imaging.contours import polygons
from segstudio.imaging.polygon_raster import polygon_mask, union_of_polygons

SIZE = (12, 17)
# Eighths are exact, and none of them lies on a pixel's centre but for the halves.
numbers = st.integers(-40, 200).map(lambda n: n / 8)
rings = st.lists(st.tuples(numbers, numbers), max_size=8)
arrays = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random(SIZE) < 0.2 + seed % 6 / 10
)


def winding(ring: list[tuple[float, float]], x: Fraction, y: Fraction) -> int:
    """How often a ring winds around a point: edges that cross the ray upwards from it, by sign.

    An edge at the point's own height is above it; a vertex at its column belongs to the right.
    """
    total = 0
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], *ring[:1]], strict=True):
        if (x0 <= x) == (x1 <= x):
            continue
        cut = Fraction(y0) + (x - Fraction(x0)) * Fraction(y1 - y0) / Fraction(x1 - x0)
        if cut <= y:
            total += 1 if x0 < x1 else -1
    return total


@given(st.lists(rings, max_size=3))
def test_a_pixel_is_inside_where_the_rings_wind_around_its_centre(
    several: list[list[tuple[float, float]]],
) -> None:
    half = Fraction(1, 2)
    wanted = np.array(
        [
            [sum(winding(ring, x + half, y + half) for ring in several) != 0 for x in range(17)]
            for y in range(12)
        ]
    )
    assert np.array_equal(polygon_mask(several, SIZE).to_array(), wanted)


@given(arrays)
def test_exact_outlines_give_back_their_mask(array: np.ndarray) -> None:
    mask = Mask.from_array(array)
    found = [ring for piece in polygons(mask) for ring in (piece.outer, *piece.holes)]
    assert polygon_mask(found, SIZE) == mask


@given(st.lists(rings, max_size=4), st.tuples(st.integers(-3, 20), st.integers(-3, 20)))
def test_each_ring_by_itself_and_only_some_columns(
    several: list[list[tuple[float, float]]], columns: tuple[int, int]
) -> None:
    wanted = np.zeros(SIZE, dtype=bool)
    for ring in several:
        wanted |= polygon_mask([ring], SIZE).to_array()
    assert np.array_equal(union_of_polygons(several, SIZE).to_array(), wanted)
    inside = np.zeros(SIZE, dtype=bool)
    inside[:, max(columns[0], 0) : max(columns[1], 0)] = True
    assert np.array_equal(union_of_polygons(several, SIZE, columns).to_array(), wanted & inside)
    together = polygon_mask(several, SIZE).to_array()
    assert np.array_equal(polygon_mask(several, SIZE, columns).to_array(), together & inside)


@given(rings, rings)
def test_the_same_edge_gives_the_same_pixels_both_ways(
    way: list[tuple[float, float]], there: list[tuple[float, float]]
) -> None:
    one, other = [*way, *there], [*there[::-1], *way[::-1]]
    assert polygon_mask([one], SIZE) == polygon_mask([other], SIZE)
    assert polygon_mask([one, one[::-1]], SIZE).area == 0


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    a, b, c, d, middle = (0, 0), (17, 0), (17, 12), (0, 12), (7.5, 5.5)
    parts = [polygon_mask([(p, q, middle)], SIZE) for p, q in ((a, b), (b, c), (c, d), (d, a))]
    assert (sum(part.to_array().astype(int) for part in parts) == 1).all()


def test_loops_that_cross_count_and_holes_run_the_other_way() -> None:
    bow = [(1, 1), (9, 9), (9, 1), (1, 9)]
    array = polygon_mask([bow], SIZE).to_array()
    assert array[5, 2] and array[5, 8] and not array[2, 5]
    outer, hole = [(0, 0), (10, 0), (10, 10), (0, 10)], [(2, 2), (2, 8), (8, 8), (8, 2)]
    assert polygon_mask([outer, hole], SIZE).area == 100 - 36


def test_what_has_no_area_gives_an_empty_mask() -> None:
    assert polygon_mask([], SIZE) == polygon_mask([[(3, 3)], [(1, 1), (9, 9)]], SIZE)
    assert polygon_mask([], SIZE) == Mask.empty(SIZE)

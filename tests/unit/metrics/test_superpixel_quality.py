from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segstudio.metrics.superpixels import (
    achievable_accuracy,
    boundaries,
    boundary_recall,
    undersegmentation_error,
)

HALVES = np.repeat([[0] * 10 + [1] * 10], 10, axis=0)


def maps(shape: tuple[int, int], most: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.int32, shape, elements=st.integers(0, most))


def test_superpixels_that_keep_to_the_regions_are_perfect():
    quarters = HALVES + 2 * (np.arange(10) >= 5)[:, np.newaxis]
    assert boundary_recall(quarters, HALVES, 0) == 1.0
    assert undersegmentation_error(quarters, HALVES) == 0.0
    assert achievable_accuracy(quarters, HALVES) == 1.0


def test_a_superpixel_that_leaks_two_columns_costs_those_on_both_sides():
    leaking = np.repeat([[0] * 12 + [1] * 8], 10, axis=0)
    # Superpixel 0 has 20 pixels outside region 0 and 20 inside region 1; superpixel 1 leaks none.
    assert undersegmentation_error(leaking, HALVES) == pytest.approx(40 / 200)
    assert achievable_accuracy(leaking, HALVES) == pytest.approx(180 / 200)
    assert boundary_recall(leaking, HALVES, 1) == 0.0
    assert boundary_recall(leaking, HALVES, 2) == 1.0


def test_an_image_of_one_region_has_no_boundary_to_miss():
    assert boundary_recall(HALVES, np.zeros_like(HALVES)) == 1.0


def test_maps_of_different_shapes_are_refused():
    for measure in (boundary_recall, undersegmentation_error, achievable_accuracy):
        with pytest.raises(ValueError, match="match"):
            measure(HALVES, HALVES[:5])


@settings(max_examples=60, deadline=None)
@given(superpixels=maps((6, 7), 5), regions=maps((6, 7), 3), tolerance=st.integers(0, 2))
def test_the_figures_are_those_of_their_definitions_pixel_by_pixel(superpixels, regions, tolerance):
    error = accuracy = 0
    for s in np.unique(superpixels):
        inside = [int(((superpixels == s) & (regions == g)).sum()) for g in np.unique(regions)]
        accuracy += max(inside)
        error += sum(min(part, sum(inside) - part) for part in inside if part)
    assert undersegmentation_error(superpixels, regions) == pytest.approx(error / 42)
    assert achievable_accuracy(superpixels, regions) == pytest.approx(accuracy / 42)
    drawn, found = np.argwhere(boundaries(regions)), np.argwhere(boundaries(superpixels))
    if len(drawn):
        hit = [len(found) and np.abs(found - p).max(axis=1).min() <= tolerance for p in drawn]
        recall = boundary_recall(superpixels, regions, tolerance)
        assert recall == pytest.approx(np.mean(hit))

"""Masks from the places where they begin and end."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from segstudio.core.mask import Mask


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.lists(st.integers(0, 81), max_size=20))
def test_a_pixel_is_in_the_mask_if_an_odd_number_of_bounds_lies_before_it(
    height: int, width: int, places: list[int]
) -> None:
    bounds = np.sort([place for place in places if place <= height * width]).astype(np.int64)
    mask = Mask.from_bounds(bounds, (height, width))
    before = np.searchsorted(bounds, np.arange(height * width), side="right")
    expected = (before % 2 == 1).reshape(width, height).T
    assert np.array_equal(mask.to_array(), expected)
    assert mask == Mask.from_array(expected)


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_column_runs_are_vertical_lines_in_order_and_make_the_mask_again(array: np.ndarray) -> None:
    mask = Mask.from_array(array)
    columns, tops, bottoms = mask.column_runs()
    drawn = np.zeros_like(array)
    for x, top, bottom in zip(columns, tops, bottoms, strict=True):
        assert not drawn[top:bottom, x].any()
        drawn[top:bottom, x] = True
    np.testing.assert_array_equal(drawn, array)
    order = np.lexsort((tops, columns))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    assert Mask.from_column_runs(columns, tops, bottoms, mask.size) == mask

"""Masks from the places where they begin and end."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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

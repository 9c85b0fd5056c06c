"""Holes and islands go on runs as they go on pixels in the official code."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_anything.utils.amg import remove_small_regions as official

from segstudio.core.mask import Mask
from segstudio.models.prompt.small_regions import remove_small_regions


def grains(seed: int, height: int, width: int, size: float) -> npt.NDArray[np.bool_]:
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), size) > 0.08)


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 10_000),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 60),
    st.sampled_from([0.4, 0.8, 1.5]),
    st.data(),
)
def test_small_regions_go_as_in_the_official_code(
    seed: int, height: int, width: int, min_area: int, size: float, data: st.DataObject
) -> None:
    array = np.zeros((height, width), dtype=bool)
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    array[y0:, x0:] = grains(seed, height - y0, width - x0, size)
    expected, filled = official(array, min_area, mode="holes")
    expected, dropped = official(expected, min_area, mode="islands")
    if not array.any():
        expected, filled, dropped = array, False, False  # the official code never sees an empty one
    cleaned, changed = remove_small_regions(Mask.from_array(array), min_area)
    assert np.array_equal(cleaned.to_array(), expected)
    assert changed == (filled or dropped)


def test_of_equal_small_islands_the_one_that_the_official_code_keeps_stays() -> None:
    array = np.zeros((12, 12), dtype=bool)
    array[8:10, 0:2] = array[3:5, 8:10] = array[0, 5] = True
    expected, _ = official(array, 30, mode="islands")
    cleaned, changed = remove_small_regions(Mask.from_array(array), 30)
    assert changed and np.array_equal(cleaned.to_array(), expected)
    assert cleaned.box == (8, 3, 10, 5)


def test_a_lone_small_mask_stays_and_counts_as_mended() -> None:
    """As in the official code, whose second search for duplicates prefers whole masks to it."""
    mask = Mask.from_crop(np.ones((2, 3), dtype=bool), (4, 5), (30, 20))
    assert remove_small_regions(mask, 100) == (mask, True)
    assert remove_small_regions(mask, 6) == (mask, False)

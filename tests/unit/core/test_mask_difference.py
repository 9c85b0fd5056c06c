"""Differences of masks agree with numpy on whole arrays, wherever the masks differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segstudio.core.mask import Mask
from segstudio.core.mask_difference import (
    bounds_of,
    boxes_meet,
    difference,
    flipped,
    shared,
    without,
)

Pixels = npt.NDArray[np.bool_]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Pixels, Pixels]:
    """Two arrays of one size: unlike each other, or but for a small part the same."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    one = draw(hnp.arrays(np.bool_, shape))
    other = draw(hnp.arrays(np.bool_, shape))
    if draw(st.booleans()):
        y, x = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
        kept = one.copy()
        kept[y : y + 3, x : x + 3] = other[y : y + 3, x : x + 3]
        other = kept
    return one, other


@given(pairs())
def test_the_difference_is_numpys(pair: tuple[Pixels, Pixels]) -> None:
    one, other = pair
    assert difference(Mask.from_array(one), Mask.from_array(other)) == Mask.from_array(one ^ other)


@given(pairs())
def test_what_is_shared_is_numpys(pair: tuple[Pixels, Pixels]) -> None:
    one, other = pair
    assert shared(Mask.from_array(one), Mask.from_array(other)) == Mask.from_array(one & other)


@given(pairs())
def test_flipping_is_numpys_and_undoes_itself(pair: tuple[Pixels, Pixels]) -> None:
    one, other = pair
    mask, part = Mask.from_array(one), Mask.from_array(other)
    assert flipped(mask, part) == Mask.from_array(one ^ other)
    assert flipped(flipped(mask, part), part) == mask


@given(pairs())
def test_a_mask_without_a_part_is_numpys(pair: tuple[Pixels, Pixels]) -> None:
    one, other = pair
    assert without(Mask.from_array(one), Mask.from_array(other)) == Mask.from_array(one & ~other)


@given(pairs())
def test_boxes_meet_where_their_pixels_say_so(pair: tuple[Pixels, Pixels]) -> None:
    def box(array: Pixels) -> Pixels:
        filled = np.zeros_like(array)
        rows, columns = np.nonzero(array)
        if len(rows):
            filled[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        return filled

    one, other = pair
    meet = bool((box(one) & box(other)).any())
    assert boxes_meet(Mask.from_array(one), Mask.from_array(other)) is meet


def test_bounds_come_in_pairs_also_where_the_last_pixel_is_in() -> None:
    array = np.zeros((2, 3), dtype=bool)
    array[1, 2] = array[0, 0] = True
    assert bounds_of(Mask.from_array(array)).tolist() == [0, 1, 5, 6]


def test_masks_of_different_images_have_no_difference() -> None:
    one, other = Mask.empty((2, 3)), Mask.empty((3, 2))
    for of in (difference, shared, flipped):
        with pytest.raises(ValueError, match="different images"):
            of(one, other)

"""Parts, crumbs and holes against scipy on full arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from segstudio.core.mask import Mask
from segstudio.imaging.mask_parts import holes_filled, mask_parts, part_count, without_crumbs

EIGHT = np.ones((3, 3))
masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))


def drawn(*rows: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in rows])


@given(masks)
def test_parts_are_those_of_scipy(array: np.ndarray) -> None:
    labels, count = ndimage.label(array, EIGHT)
    parts = mask_parts(Mask.from_array(array))
    expected = {(labels == number).tobytes() for number in range(1, count + 1)}
    assert {part.to_array().tobytes() for part in parts} == expected
    assert len(parts) == count
    assert part_count(Mask.from_array(array)) == count
    assert [part.area for part in parts] == sorted((part.area for part in parts), reverse=True)


@given(masks, st.integers(0, 40))
def test_crumbs_are_the_parts_below_the_area_but_never_the_largest(
    array: np.ndarray, least: int
) -> None:
    labels, count = ndimage.label(array, EIGHT)
    areas = [int((labels == number).sum()) for number in range(1, count + 1)]
    expected = np.zeros_like(array)
    for number, area in enumerate(areas, start=1):
        if area >= least:
            expected |= labels == number
    left = without_crumbs(Mask.from_array(array), least).to_array()
    if expected.any() or not array.any():
        np.testing.assert_array_equal(left, expected)
    else:
        assert left.sum() == max(areas)
        assert not (left & ~array).any()
        assert ndimage.label(left, EIGHT)[1] == 1


@given(masks)
@settings(max_examples=200)
def test_filled_holes_are_those_of_scipy(array: np.ndarray) -> None:
    filled = holes_filled(Mask.from_array(array)).to_array()
    np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(array))


def test_a_ring_of_corners_has_an_inside_and_is_one_part() -> None:
    ring = Mask.from_array(drawn(".#.", "#.#", ".#."))
    assert len(mask_parts(ring)) == 1
    assert holes_filled(ring).area == 5


def test_what_is_open_to_the_edge_of_the_image_is_no_hole() -> None:
    bay = Mask.from_array(drawn("#.#", "#.#", "###"))
    assert holes_filled(bay) == bay


def test_an_empty_mask_has_no_parts_and_no_holes() -> None:
    empty = Mask.empty((4, 5))
    assert part_count(empty) == 0
    assert without_crumbs(empty, 3) == empty == holes_filled(empty)


def test_a_huge_image_costs_nothing() -> None:
    far = Mask.from_crop(drawn("##..#", "##..#"), (49_990, 49_990), (50_000, 50_000))
    assert [part.area for part in mask_parts(far)] == [4, 2]
    assert without_crumbs(far, 3).area == 4

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from segstudio.core.mask import Mask
from segstudio.imaging.chain_outlines import (
    bridge_pixels,
    bridges,
    chain_outlines,
    corners,
    elbow,
    joined,
    nearest_first,
)
from segstudio.imaging.mask_parts import holes_filled, part_count

pixels = arrays.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def opencv(rings: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(size, dtype=np.uint8)
    for ring in rings:
        cv2.fillPoly(canvas, [ring.astype(np.int32)], 1)
    return canvas.astype(bool)


def pillow(rings: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    canvas = Image.new("1", size[::-1])
    draw = ImageDraw.Draw(canvas)
    for ring in rings:
        draw.polygon([tuple(pixel) for pixel in ring.tolist()], outline=1, fill=1)
    return np.asarray(canvas)


@pytest.mark.parametrize("paint", [opencv, pillow])
@settings(max_examples=200)
@given(array=pixels)
def test_painted_they_are_the_mask_with_its_holes_filled(paint: object, array: np.ndarray) -> None:
    mask = Mask.from_array(array)
    rings = [corners(ring) for ring in chain_outlines(mask)]
    assert len(rings) == part_count(holes_filled(mask))
    assert all(len(ring) >= 3 for ring in rings)
    painted = paint(rings, array.shape)  # type: ignore[operator]
    assert np.array_equal(painted, holes_filled(mask).to_array())


@pytest.mark.parametrize("paint", [opencv, pillow])
@settings(max_examples=200)
@given(array=pixels)
def test_joined_they_add_their_bridges_and_nothing_else(paint: object, array: np.ndarray) -> None:
    array[0, 0] = True
    filled = holes_filled(Mask.from_array(array)).to_array()
    rings = nearest_first(chain_outlines(Mask.from_array(array)))
    wanted = filled.copy()
    for number, (leave, arrive) in enumerate(bridges(rings)):
        for x, y in bridge_pixels(rings[number][leave], rings[number + 1][arrive]):
            wanted[y, x] = True
    painted = paint([corners(joined(rings))], array.shape)  # type: ignore[operator]
    assert np.array_equal(painted, wanted)


def test_a_square_has_four_corners_and_a_pixel_is_named_three_times() -> None:
    square = np.zeros((9, 9), dtype=bool)
    square[2:7, 3:8] = True
    (ring,) = chain_outlines(Mask.from_array(square))
    assert len(ring) == 16
    assert sorted(corners(ring).tolist()) == [[3, 2], [3, 6], [7, 2], [7, 6]]
    dot = np.zeros((4, 4), dtype=bool)
    dot[1, 2] = True
    (ring,) = chain_outlines(Mask.from_array(dot))
    assert corners(ring).tolist() == [[2, 1]] * 3


def test_a_bridge_is_as_short_as_it_can_be() -> None:
    start, end = np.array([2, 1]), np.array([9, 4])
    between = bridge_pixels(start, end)
    assert len(between) == 6
    steps = np.diff(np.concatenate((start[np.newaxis], between, end[np.newaxis])), axis=0)
    assert np.abs(steps).max() == 1
    assert elbow(start, end).tolist() == [5, 4]
    assert elbow(start, end).tolist() in between.tolist()


def test_bridges_lie_between_the_nearest_pixels() -> None:
    array = np.zeros((20, 40), dtype=bool)
    array[2:6, 2:8] = array[4:9, 20:30] = array[12:14, 9:12] = True
    rings = nearest_first(chain_outlines(Mask.from_array(array)))
    for (leave, arrive), one, other in zip(bridges(rings), rings, rings[1:], strict=False):
        apart = np.linalg.norm(one[:, None] - other[None], axis=2)
        assert np.linalg.norm(one[leave] - other[arrive]) == apart.min()


def test_an_empty_mask_has_no_outline() -> None:
    assert chain_outlines(Mask.empty((5, 6))) == []

"""Outlines are exact: filled again by pycocotools they give the mask back, holes and all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_masks
from scipy import ndimage

from segstudio.core.mask import Mask
from segstudio.imaging.contours import keyhole_rings, polygons

SMALL_MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))


def filled(rings: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """The union of rings as pycocotools fills them."""
    if not rings:
        return np.zeros(size, dtype=bool)
    runs = coco_masks.frPyObjects([ring.ravel().tolist() for ring in rings], *size)
    return coco_masks.decode(coco_masks.merge(runs)).astype(bool)


def twice_area(ring: np.ndarray) -> int:
    """Twice the shoelace area; positive for clockwise on the screen."""
    x, y = ring.astype(np.int64).T
    return int(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def ragged(side: int, smoothness: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((side, side))
    blurred: np.ndarray = cv2.GaussianBlur(noise, (0, 0), smoothness)
    return blurred > 0


@given(SMALL_MASKS)
@settings(max_examples=300, deadline=None)
def test_pycocotools_fills_keyhole_rings_to_exactly_the_mask(array: np.ndarray) -> None:
    mask = Mask.from_array(array)
    np.testing.assert_array_equal(filled(keyhole_rings(mask), mask.size), array)


@given(SMALL_MASKS)
@settings(max_examples=200, deadline=None)
def test_outer_rings_less_their_holes_are_the_mask(array: np.ndarray) -> None:
    mask = Mask.from_array(array)
    canvas = np.zeros(array.shape, dtype=bool)
    for polygon in polygons(mask):
        piece = filled([polygon.outer], mask.size)
        for hole in polygon.holes:
            inside = filled([hole], mask.size)
            assert not (inside & ~piece).any(), "a hole lies inside its own piece"
            piece &= ~inside
        assert not (canvas & piece).any(), "pieces do not overlap"
        canvas |= piece
    np.testing.assert_array_equal(canvas, array)


@given(SMALL_MASKS)
@settings(max_examples=200, deadline=None)
def test_there_is_one_polygon_for_each_connected_piece_and_areas_add_up(array: np.ndarray) -> None:
    found = polygons(Mask.from_array(array))
    _, pieces = ndimage.label(array)
    assert len(found) == pieces
    signed = sum(twice_area(ring) for item in found for ring in (item.outer, *item.holes))
    assert signed == 2 * array.sum()
    assert all(twice_area(item.outer) > 0 for item in found)
    assert all(twice_area(hole) < 0 for item in found for hole in item.holes)


@given(SMALL_MASKS)
@settings(max_examples=100, deadline=None)
def test_every_vertex_is_a_turn(array: np.ndarray) -> None:
    for polygon in polygons(Mask.from_array(array)):
        for ring in (polygon.outer, *polygon.holes):
            steps = np.roll(ring, -1, axis=0) - ring
            assert ((steps == 0).sum(axis=1) == 1).all(), "each edge is level or upright"
            assert ((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0)).all()


def test_all_masks_of_three_by_three_pixels_are_exact() -> None:
    for bits in itertools.product((False, True), repeat=9):
        array = np.array(bits).reshape(3, 3)
        mask = Mask.from_array(array)
        np.testing.assert_array_equal(filled(keyhole_rings(mask), mask.size), array)


@pytest.mark.parametrize("smoothness", [0.5, 2, 8])
def test_large_ragged_masks_with_many_holes_are_exact(smoothness: float) -> None:
    array = ragged(400, smoothness, seed=int(smoothness * 10))
    mask = Mask.from_array(array)
    holes = sum(len(polygon.holes) for polygon in polygons(mask))
    np.testing.assert_array_equal(filled(keyhole_rings(mask), mask.size), array)
    assert holes >= 3


def test_holes_that_hang_on_one_another_are_exact() -> None:
    array = np.ones((50, 50), dtype=bool)
    array[1::2, 1::2] = False  # 25 x 25 holes of one pixel
    array[-1] = array[:, -1] = True
    mask = Mask.from_array(array)
    assert len(keyhole_rings(mask)) == 1
    np.testing.assert_array_equal(filled(keyhole_rings(mask), mask.size), array)


def test_a_mask_at_the_far_corner_of_a_large_image_is_exact_and_cheap() -> None:
    crop = ragged(60, 3, seed=1)
    mask = Mask.from_crop(crop, (3940, 2940), (3000, 4000))
    runs = coco_masks.frPyObjects(
        [ring.ravel().tolist() for ring in keyhole_rings(mask)], 3000, 4000
    )
    assert coco_masks.merge(runs)["counts"] == mask.counts


def test_an_empty_mask_has_no_outline() -> None:
    mask = Mask.empty((5, 7))
    assert polygons(mask) == ()
    assert keyhole_rings(mask) == []


def test_a_pixel_is_the_square_around_its_centre() -> None:
    mask = Mask.from_crop(np.ones((1, 1)), (4, 2), (6, 9))
    (polygon,) = polygons(mask)
    assert polygon.outer.tolist() == [[4, 2], [5, 2], [5, 3], [4, 3]]


def reference_masks(folder: Path) -> Iterator[tuple[dict[str, object], Mask]]:
    data = json.loads(folder.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    for entry in data["annotations"]:
        size = sizes[entry["image_id"]]
        runs = coco_masks.frPyObjects(entry["segmentation"], *size)
        runs = coco_masks.merge(runs) if isinstance(runs, list) else runs
        yield entry, Mask.from_coco(runs["size"], runs["counts"])


def test_every_object_of_real_coco_photos_comes_back_to_the_pixel(reference_data: Path) -> None:
    files = sorted((reference_data / "coco_instances" / "annotations").glob("*.json"))
    count = 0
    for file in files:
        for entry, mask in reference_masks(file):
            if not mask.area:
                continue
            rings = [ring.ravel().tolist() for ring in keyhole_rings(mask)]
            again = coco_masks.merge(coco_masks.frPyObjects(rings, *mask.size))
            assert again["counts"] == mask.counts, entry["id"]
            count += 1
    assert count > 800

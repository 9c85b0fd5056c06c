"""Boundary and trimap IoU, against the papers' formulas on one mask at a time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from scipy.ndimage import distance_transform_cdt

from segstudio.metrics.boundary import (
    BoundaryIou,
    TrimapIou,
    boundary_width,
    inner_band,
    trimap_band,
)


@st.composite
def pairs(draw):
    """Label maps of up to 4 categories in patches, some of it ignored in the truth."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7))
    coarse = arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, 255]))
    grow = draw(st.integers(1, 4))
    truth, predicted = (np.kron(draw(coarse), np.ones((grow, grow), np.uint8)) for _ in "ab")
    return truth, predicted, draw(st.integers(1, 5))


def contour_band(mask: np.ndarray, width: int) -> np.ndarray:
    """G_d and G: pixels of the mask at most `width` from a pixel outside of it or of the image."""
    distance = distance_transform_cdt(np.pad(mask, 1), metric="chessboard")
    return mask & (distance[1:-1, 1:-1] <= width)


def expected_boundary_iou(truth, predicted, width, category):
    counts = truth != 255
    true = contour_band((truth == category) & counts, width)
    said = contour_band((predicted == category) & counts, width)
    return (true & said).sum(), (true | said).sum()


@settings(max_examples=80, deadline=None)
@given(pairs())
def test_boundary_iou_is_the_papers_for_each_category(pair):
    truth, predicted, width = pair
    ours = BoundaryIou(4)
    ours.add(truth, predicted, width)
    for category, found in enumerate(ours.iou()):
        shared, union = expected_boundary_iou(truth, predicted, width, category)
        if union:
            assert found == pytest.approx(shared / union)
        else:
            assert np.isnan(found)


@settings(max_examples=80, deadline=None)
@given(pairs())
def test_trimap_band_is_what_lies_near_another_truth(pair):
    truth, _, width = pair
    near = np.zeros(truth.shape, bool)
    for label in np.unique(truth):
        other = truth != label
        if other.any():
            far = distance_transform_cdt(~other, metric="chessboard")
            near |= (truth == label) & (far <= width)
    assert np.array_equal(trimap_band(truth, width), near)


def test_band_is_that_of_erosion_step_by_step_as_the_papers_code_has_it():
    rng = np.random.default_rng(3)
    mask = cv2.GaussianBlur(rng.random((120, 90)).astype(np.float32), (0, 0), 6) > 0.5
    for width in (1, 2, 7):
        padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
        expected = mask & (eroded == 0)
        assert np.array_equal(inner_band(mask.astype(np.uint8), width) & mask, expected)


def test_camvid_agrees_with_the_formula_over_several_images(reference_data):
    ours, trimap = BoundaryIou(11), TrimapIou(11)
    shared, union = np.zeros(11), np.zeros(11)
    for file in sorted((reference_data / "camvid" / "valannot").glob("*.png"))[::50]:
        truth = np.asarray(Image.open(file))
        truth = np.where(truth == 11, 255, truth).astype(np.uint8)
        predicted = cv2.medianBlur(np.where(truth == 255, 2, truth).astype(np.uint8), 11)
        width = boundary_width(truth.shape)
        assert width == 12
        ours.add(truth, predicted, width)
        trimap.add(truth, predicted, 5)
        for category in range(11):
            counts = expected_boundary_iou(truth, predicted, width, category)
            shared[category] += counts[0]
            union[category] += counts[1]
    known = union > 0
    assert known.sum() > 8
    assert np.allclose(ours.iou()[known], (shared / np.maximum(union, 1))[known])
    assert np.isnan(ours.iou()[~known]).all()
    # Blurring spoils contours more than areas.
    assert 0 < trimap.mean_iou() < ours.mean_iou() < 1


def test_a_copy_of_the_truth_is_perfect_wherever_there_is_a_band():
    truth = np.zeros((30, 40), np.uint8)
    truth[5:20, 5:30] = 1
    truth[:, 35:] = 255
    boundary, trimap = BoundaryIou(3), TrimapIou(3)
    boundary.add(truth, np.where(truth == 255, 2, truth).astype(np.uint8), 2)
    trimap.add(truth, truth, 2)
    assert np.array_equal(boundary.iou(), [1, 1, np.nan], equal_nan=True)
    assert np.array_equal(trimap.iou(), [1, 1, np.nan], equal_nan=True)


def test_images_without_contour_truth_or_pixels_have_no_trimap_score():
    for truth in (np.zeros((8, 8)), np.full((8, 8), 255), np.zeros((0, 0))):
        plain = truth.astype(np.uint8)
        trimap, boundary = TrimapIou(2), BoundaryIou(2)
        trimap.add(plain, plain, 3)
        boundary.add(plain, plain, 3)
        assert np.isnan(trimap.mean_iou())
        assert np.isnan(boundary.mean_iou()) == (not (truth == 0).any())
    with pytest.raises(ValueError, match="at least 1 pixel"):
        trimap.add(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), 0)


def test_width_is_a_share_of_the_diagonal():
    assert boundary_width((300, 400)) == 10
    assert boundary_width((3, 4)) == 1
    assert boundary_width((1024, 2048), 0.005) == 11

"""The confusion matrix and its scores, against torchmetrics and scikit-learn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassJaccardIndex,
)

from segstudio.metrics.confusion import ConfusionMatrix, label_pairs, mean


@st.composite
def pairs(draw):
    """Truth (some of it ignored) and prediction (all of it said) of up to 6 categories."""
    count = draw(st.integers(2, 6))
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=9))
    values = st.sampled_from([*range(count), 255])
    truth = draw(arrays(np.uint8, shape, elements=values))
    return count, truth, draw(arrays(np.uint8, shape, elements=st.integers(0, count - 1)))


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_matrix_is_scikit_learns_without_the_ignored_pixels(pair):
    count, truth, predicted = pair
    matrix = ConfusionMatrix(count)
    matrix.add(truth, predicted)
    kept = truth != 255
    if kept.any():
        expected = confusion_matrix(truth[kept], predicted[kept], labels=range(count))
        assert np.array_equal(matrix.counts[:, :-1], expected)
    assert not matrix.counts[:, -1].any()
    assert matrix.total == kept.sum()


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_scores_of_categories_are_those_of_scikit_learn_where_they_are_defined(pair):
    count, truth, predicted = pair
    matrix = ConfusionMatrix(count)
    matrix.add(truth, predicted)
    kept = truth != 255
    references = (
        (matrix.dice(), f1_score),
        (matrix.accuracy(), recall_score),
        (matrix.precision(), precision_score),
    )
    if not kept.any():
        assert all(np.isnan(ours).all() for ours, _ in references)
        return
    for ours, reference in references:
        theirs = reference(
            truth[kept],
            predicted[kept],
            labels=range(count),
            average=None,
            zero_division=np.nan,
        )
        assert np.allclose(ours, theirs, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_means_are_those_of_torchmetrics_over_several_images(pair):
    count, truth, predicted = pair
    images = [(truth, predicted), (truth[::-1], predicted[:, ::-1])]
    matrix = ConfusionMatrix(count)
    options = {"num_classes": count, "ignore_index": 255}
    references = [
        (MulticlassJaccardIndex(average="macro", **options), matrix.mean_iou),
        (MulticlassAccuracy(average="micro", **options), matrix.pixel_accuracy),
        (MulticlassF1Score(average="macro", **options), matrix.mean_dice),
        (MulticlassJaccardIndex(average="weighted", **options), matrix.frequency_weighted_iou),
    ]
    for one, other in images:
        matrix.add(one, other)
        for reference, _ in references:
            reference.update(torch.tensor(other.copy()).long(), torch.tensor(one.copy()).long())
    for reference, ours in references:
        if matrix.total:
            assert ours() == pytest.approx(float(reference.compute()), abs=1e-6)
        else:
            assert np.isnan(ours())


def test_scores_of_camvid_are_those_of_torchmetrics(reference_data):
    matrix = ConfusionMatrix(11)
    reference = MulticlassJaccardIndex(num_classes=11, ignore_index=255, average="none")
    for file in sorted((reference_data / "camvid" / "testannot").glob("*.png"))[::40]:
        truth = np.asarray(Image.open(file))
        truth = np.where(truth == 11, 255, truth).astype(np.uint8)
        blurred = cv2.medianBlur(np.where(truth == 255, 0, truth).astype(np.uint8), 9)
        matrix.add(truth, blurred)
        reference.update(torch.tensor(blurred).long(), torch.tensor(truth).long())
    assert np.allclose(np.nan_to_num(matrix.iou()), reference.compute().numpy(), atol=1e-6)
    assert 0.5 < matrix.mean_iou() < 1


def test_absent_categories_have_no_score_and_those_only_predicted_have_none_right():
    matrix = ConfusionMatrix(4)
    matrix.add(np.array([[0, 0, 1, 1]]), np.array([[0, 2, 1, 1]]))
    assert np.array_equal(matrix.iou(), [0.5, 1, 0, np.nan], equal_nan=True)
    assert np.array_equal(matrix.accuracy(), [0.5, 1, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(matrix.precision(), [1, 1, 0, np.nan], equal_nan=True)
    assert matrix.mean_iou() == 0.5
    assert matrix.mean_accuracy() == 0.75


def test_predicting_nothing_is_a_mistake_but_not_where_the_truth_is_ignored():
    matrix = ConfusionMatrix(2)
    matrix.add(np.array([[0, 0, 1, 255]]), np.array([[0, 255, 1, 255]]))
    assert matrix.counts.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert matrix.iou().tolist() == [0.5, 1]
    assert matrix.pixel_accuracy() == pytest.approx(2 / 3)


def test_an_image_that_is_all_ignored_has_no_scores():
    matrix = ConfusionMatrix(3)
    matrix.add(np.full((4, 4), 255, np.uint8), np.zeros((4, 4), np.uint8))
    matrix.add(np.zeros((0, 0), np.uint8), np.zeros((0, 0), np.uint8))
    assert matrix.total == 0
    for score in (matrix.mean_iou(), matrix.pixel_accuracy(), matrix.frequency_weighted_iou()):
        assert np.isnan(score)
    assert np.isnan(mean([]))


def test_values_of_no_category_are_refused_and_nothing_is_counted():
    matrix = ConfusionMatrix(2)
    zeros = np.zeros((2, 2), np.uint8)
    for truth, predicted, words in (
        (zeros + 2, zeros, "truth has the value 2"),
        (zeros, zeros + 254, "prediction has the value 254"),
        (zeros, np.zeros((1, 4), np.uint8), "must match"),
        (zeros, zeros.astype(np.int64) - 1, "not from 0 to 255"),
    ):
        with pytest.raises(ValueError, match=words):
            matrix.add(truth, predicted)
    assert matrix.total == 0
    # What is said of ignored pixels does not matter.
    matrix.add(zeros + 255, zeros + 77)
    with pytest.raises(ValueError, match="categories"):
        ConfusionMatrix(256)
    with pytest.raises(ValueError, match="counts"):
        ConfusionMatrix(2, np.zeros((2, 2)))


def test_matrices_of_parts_merge_into_that_of_the_whole():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 150, (2, 40, 40))
    whole, first, second = (ConfusionMatrix(150) for _ in range(3))
    whole.add(truth, predicted)
    first.add(truth[:10], predicted[:10])
    alone = second.added(truth[10:], predicted[10:])
    assert np.array_equal(alone.counts, second.counts)
    first.merge(second)
    assert np.array_equal(first.counts, whole.counts)
    with pytest.raises(ValueError, match="do not fit"):
        first.merge(ConfusionMatrix(3))


def test_pairs_are_counted_exactly_beyond_what_a_float_counts():
    truth = np.zeros((4, 5_000_001), np.uint8)
    truth[:, -1] = 9
    pairs_found = label_pairs(truth, truth)
    assert pairs_found[0, 0] == 20_000_000
    assert pairs_found[9, 9] == 4
    assert pairs_found.sum() == truth.size

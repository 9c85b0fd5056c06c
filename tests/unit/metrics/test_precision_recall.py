"""Precision-recall curves from bins, against scikit-learn and torchmetrics on every pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, precision_recall_curve
from torchmetrics.classification import BinaryAveragePrecision

from segstudio.metrics.precision_recall import BinnedCurves


@st.composite
def scored(draw):
    count = draw(st.integers(1, 40))
    positive = draw(arrays(np.bool_, count))
    few = draw(st.booleans())  # few levels: many equal scores
    scores = draw(arrays(np.uint8, count, elements=st.integers(0, 4 if few else 255)))
    return positive, scores


@settings(max_examples=80, deadline=None)
@given(scored())
def test_curve_and_average_precision_are_scikit_learns(case):
    positive, scores = case
    ours = BinnedCurves(1)
    half = len(scores) // 2
    ours.add(0, positive[:half], scores[:half])
    ours.add(0, positive[half:], scores[half:])
    curve = ours.curve(0)
    if not positive.any():
        assert np.isnan(curve.average_precision)
        return
    precision, recall, thresholds = precision_recall_curve(positive, scores / 255)
    assert np.allclose(curve.precision[::-1], precision[:-1])
    assert np.allclose(curve.recall[::-1], recall[:-1])
    assert np.allclose(curve.thresholds[::-1], thresholds)
    expected = average_precision_score(positive, scores / 255)
    assert curve.average_precision == pytest.approx(expected)


def test_average_precision_of_many_floats_is_near_torchmetrics_exact_one():
    rng = np.random.default_rng(0)
    positive = rng.random((200, 300)) < 0.3
    scores = np.clip(rng.normal(0.4 + 0.2 * positive, 0.2), 0, 1)
    ours = BinnedCurves(2)
    ours.add(1, positive, scores)
    metric = BinaryAveragePrecision(thresholds=None)
    exact = float(metric(torch.tensor(scores).ravel(), torch.tensor(positive).ravel().long()))
    assert ours.curve(1).average_precision == pytest.approx(exact, abs=2e-3)
    assert ours.mean_average_precision() == ours.curve(1).average_precision
    assert np.isnan(ours.average_precisions()[0])


def test_label_maps_with_confidence_count_as_scores_of_each_category():
    rng = np.random.default_rng(1)
    truth = rng.choice([0, 1, 2, 255], (20, 30)).astype(np.uint8)
    predicted = rng.choice([0, 1, 2, 255], (20, 30)).astype(np.uint8)
    sure = rng.integers(0, 256, (20, 30)).astype(np.uint8)
    ours, plain = BinnedCurves(3), BinnedCurves(3)
    ours.add_labels(truth, predicted, sure)
    kept = truth != 255
    for category in range(3):
        scores = np.where(predicted == category, sure, 0)[kept].astype(np.uint8)
        plain.add(category, (truth == category)[kept], scores)
        expected = average_precision_score((truth == category)[kept], scores)
        assert ours.curve(category).average_precision == pytest.approx(expected)
    assert np.array_equal(ours.positives, plain.positives)
    assert np.array_equal(ours.negatives, plain.negatives)


def test_scores_that_are_none_are_refused():
    curves = BinnedCurves(1)
    for scores in (np.array([0.5, 1.5]), np.array([0.5, np.nan]), np.zeros(3)):
        with pytest.raises(ValueError, match=r"from 0 to 1|must match"):
            curves.add(0, np.array([True, False]), scores)
    assert not curves.positives.any()
    assert np.isnan(curves.curve(0).average_precision)

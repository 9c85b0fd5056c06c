"""Precision-recall curves and average precision (AP), from scores counted in bins.

What has a score of at least t is said to be positive. For each threshold t, recall is the share of
the positives that were said, precision the share of the said that are positive. Recall begins with
0 at precision 1, above all scores. AP is the sum of (R_n - R_(n-1)) * P_n over the thresholds, from
the highest to the lowest, as scikit-learn's `average_precision_score` has it (no interpolation).

Scores are kept as counts in 256 bins, so memory does not grow with the pixels; with scores that are
bytes (0 to 255) nothing is lost by it. Without a positive there is neither recall nor AP (NaN).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.metrics.confusion import Floats, mean

BINS = 256

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Curve:
    """A precision-recall curve: three (N,) float64, from the highest threshold to the lowest.

    Only thresholds at which something is added are there. `thresholds` are 0 to 1.
    """

    precision: Floats
    recall: Floats
    thresholds: Floats

    @property
    def average_precision(self) -> float:
        if not len(self.recall) or np.isnan(self.recall[-1]):
            return float("nan")
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())


class BinnedCurves:
    """The curves of C categories, each against all that is not of it, from counts in bins.

    `positives` and `negatives` are (C, 256) int64: what is of the category and has that score, and
    what is not.
    """

    def __init__(self, categories: int) -> None:
        self.positives: Counts = np.zeros((categories, BINS), np.int64)
        self.negatives: Counts = np.zeros((categories, BINS), np.int64)

    def add(self, category: int, positive: npt.NDArray[np.bool_], scores: npt.NDArray[Any]) -> None:
        """Count what has `scores` for one category, of any shape, and is `positive` or not.

        Scores are bytes (255: certain), or floats from 0 to 1, which are rounded to 255ths. Raises
        ValueError for others and where the shapes differ.
        """
        if positive.shape != scores.shape:
            raise ValueError(f"shapes must match, not {positive.shape} and {scores.shape}")
        bins = _bins(scores)
        self.positives[category] += np.bincount(bins[positive], minlength=BINS)
        self.negatives[category] += np.bincount(bins[~positive], minlength=BINS)

    def add_labels(self, truth: LabelMap, predicted: LabelMap, confidence: Scores) -> None:
        """Count an image of which only the best category and its probability is known.

        (H, W) uint8 each; pixels whose truth is `IGNORE` do not count. A pixel has its confidence
        as the score of the category that it was said to be and 0 for all others, as each pixel's
        true category has where something else was said.

        So this is not the AP of the whole probabilities: those also rank the pixels on which a
        category came second, which are all taken at once here, as the curve's last step. It is
        mostly lower.
        """
        kept = truth != IGNORE
        true, said, sure = truth[kept], predicted[kept], confidence[kept]
        known = len(self.positives)
        right = true == said
        spoken = said < known
        at = said.astype(np.int64) * BINS + sure
        self.positives += _histogram(at[right & spoken], known)
        self.negatives += _histogram(at[~right & spoken], known)
        # Where a category was not said, its score is 0.
        of_each = np.bincount(true, minlength=256)[:known]
        said_of_each = np.bincount(said, minlength=256)[:known]
        right_of_each = np.bincount(true[right], minlength=256)[:known]
        self.positives[:, 0] += of_each - right_of_each
        self.negatives[:, 0] += true.size - of_each - (said_of_each - right_of_each)

    def curve(self, category: int) -> Curve:
        """The curve of one category; recall is NaN where it has no positive."""
        return curve(self.positives[category], self.negatives[category])

    def average_precisions(self) -> Floats:
        """(C,) float64, NaN for categories without a positive."""
        return np.array([self.curve(row).average_precision for row in range(len(self.positives))])

    def mean_average_precision(self) -> float:
        """The mean AP over the categories that have positives; NaN if none has."""
        return mean(self.average_precisions())


def curve(positives: Counts, negatives: Counts) -> Curve:
    """The curve of counts by score, (256,) each: bin b stands for the score b / 255."""
    right = np.cumsum(positives[::-1])
    said = right + np.cumsum(negatives[::-1])
    thresholds = np.arange(BINS - 1, -1, -1) / (BINS - 1)
    steps = (positives + negatives)[::-1] > 0
    right, said = right[steps], said[steps]
    total = int(positives.sum())
    recall = right / total if total else np.full(len(right), np.nan)
    return Curve(right / said, recall, thresholds[steps])


def _bins(scores: npt.NDArray[Any]) -> Scores:
    if scores.dtype == np.uint8:
        return scores
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError("scores are from 0 to 1, or bytes")
    bins: Scores = np.rint(scores * (BINS - 1)).astype(np.uint8)
    return bins


def _histogram(at: npt.NDArray[np.int64], rows: int) -> Counts:
    counts: Counts = np.bincount(at, minlength=rows * BINS).reshape(rows, BINS)
    return counts

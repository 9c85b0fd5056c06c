"""Scores of label maps, all from one confusion matrix over every pixel.

Definitions, for a category c with TP pixels right, FP pixels wrongly said to be c, and FN pixels
of c that were said to be something else or nothing:

- a pixel whose truth is `IGNORE` (255) does not count at all, whatever was predicted there;
- a pixel that has a truth and was predicted as `IGNORE` is a mistake: it is FN of its true
  category and FP of none, and stands in the matrix's last column, "nothing";
- IoU = TP / (TP + FP + FN); Dice (F1) = 2 TP / (2 TP + FP + FN); accuracy (recall) = TP / (TP +
  FN); precision = TP / (TP + FP); each is NaN where its denominator is 0. So a category that is
  neither in the truth nor in the prediction ("absent") has no score and counts in no mean, and one
  that is only predicted has an IoU and a Dice of 0;
- means are over the categories that have a score (mIoU over all that are in the truth or in the
  prediction), and NaN where none has (nothing but ignored pixels, or no pixels);
- the sums are over the data set, not per image: a mean of images' scores is another number.

torchmetrics' `MulticlassJaccardIndex(average="macro", ignore_index=255)` is the mean IoU here,
scikit-learn's `confusion_matrix` the matrix without its last column. Frequency-weighted IoU is
after Long, Shelhamer and Darrell (2015), "Fully convolutional networks".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.prediction import IGNORE, MOST_CATEGORIES

Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_EXACT = 1 << 23  # pixels that a float32 histogram counts without rounding, and to spare


class ConfusionMatrix:
    """Pixels by what they are and what they were said to be; see the module for the scores.

    `counts` is (C, C + 1) int64: rows are the truth, columns the prediction, the last column is
    "nothing predicted". Add label maps one by one; memory does not grow.
    """

    def __init__(self, categories: int, counts: npt.ArrayLike | None = None) -> None:
        """Of 1 to 255 `categories`; `counts` is that of another one, to go on with (copied).

        Raises ValueError if the number or the shape of `counts` does not fit.
        """
        if not 1 <= categories <= MOST_CATEGORIES:
            raise ValueError(f"1 to {MOST_CATEGORIES} categories, not {categories}")
        shape = (categories, categories + 1)
        self.counts: Counts = (
            np.zeros(shape, np.int64) if counts is None else np.array(counts, dtype=np.int64)
        )
        if self.counts.shape != shape:
            raise ValueError(f"counts must be {shape}, not {self.counts.shape}")

    @property
    def categories(self) -> int:
        return int(self.counts.shape[0])

    def add(self, truth: Labels, predicted: Labels) -> None:
        """Count the pixels of two label maps of one shape: integers, 0 to C - 1 or `IGNORE`.

        Raises ValueError, and counts nothing, if the shapes differ, or if there is another value
        in the truth, or in the prediction where the truth is not ignored.
        """
        self.counts += self._of(truth, predicted)

    def added(self, truth: Labels, predicted: Labels) -> ConfusionMatrix:
        """As `add`, and what was added, as a matrix of its own (one image's)."""
        alone = ConfusionMatrix(self.categories, self._of(truth, predicted))
        self.counts += alone.counts
        return alone

    def merge(self, other: ConfusionMatrix) -> None:
        """Take over the pixels of another matrix of the same categories (another process's)."""
        if other.counts.shape != self.counts.shape:
            raise ValueError(f"{other.categories} categories do not fit {self.categories}")
        self.counts += other.counts

    def pixels(self) -> Counts:
        """(C,) how many pixels of the truth each category has."""
        return _int(self.counts.sum(axis=1))

    def predicted_pixels(self) -> Counts:
        """(C,) how many of the pixels that have a truth were said to be each category."""
        return _int(self.counts[:, :-1].sum(axis=0))

    @property
    def right(self) -> int:
        """Pixels whose prediction is their truth."""
        return int(np.trace(self.counts[:, :-1]))

    @property
    def total(self) -> int:
        """Pixels that have a truth."""
        return int(self.counts.sum())

    def iou(self) -> Floats:
        """(C,) float64, NaN for absent categories."""
        right = self._right()
        return _ratio(right, self.pixels() + self.predicted_pixels() - right)

    def dice(self) -> Floats:
        """(C,) float64, NaN for absent categories; F1."""
        return _ratio(2 * self._right(), self.pixels() + self.predicted_pixels())

    def accuracy(self) -> Floats:
        """(C,) float64: the share of each category's pixels that was found (its recall).

        NaN for those that have no pixel in the truth.
        """
        return _ratio(self._right(), self.pixels())

    def precision(self) -> Floats:
        """(C,) float64: the share of what was said to be a category that is; NaN if nothing was."""
        return _ratio(self._right(), self.predicted_pixels())

    def mean_iou(self) -> float:
        """mIoU: the mean over the categories that have an IoU."""
        return mean(self.iou())

    def mean_dice(self) -> float:
        return mean(self.dice())

    def mean_accuracy(self) -> float:
        return mean(self.accuracy())

    def pixel_accuracy(self) -> float:
        """The share of all pixels that are right; NaN if there are none."""
        return self.right / self.total if self.total else float("nan")

    def frequency_weighted_iou(self) -> float:
        """The sum of IoUs, each weighted with its category's share of the truth; NaN if empty."""
        if not self.total:
            return float("nan")
        return float(np.nansum(self.iou() * self.pixels()) / self.total)

    def _right(self) -> Counts:
        return _int(np.diagonal(self.counts[:, :-1]))

    def _of(self, truth: Labels, predicted: Labels) -> Counts:
        """(C, C + 1) the counts of two label maps."""
        if truth.shape != predicted.shape:
            raise ValueError(f"label maps must match, not {truth.shape} and {predicted.shape}")
        pairs = label_pairs(truth, predicted)
        known = self.categories
        there = pairs[:IGNORE]
        strange = there[known:].any(axis=1), there[:, known:IGNORE].any(axis=0)
        for what, found in zip(("truth", "prediction"), strange, strict=True):
            if found.any():
                value = known + int(np.argmax(found))
                raise ValueError(f"the {what} has the value {value}, of {known} categories")
        return _int(np.hstack((there[:known, :known], there[:known, IGNORE:])))


def label_pairs(truth: Labels, predicted: Labels) -> Counts:
    """(256, 256) int64: how many pixels have each pair of values (row: truth, column: predicted).

    Both of one shape, any integer type with values from 0 to 255; raises ValueError for others.
    """
    one, other = _bytes(truth), _bytes(predicted)
    pairs: Counts = np.zeros((256, 256), np.int64)
    for start in range(0, one.size, _EXACT):
        part = [one[start : start + _EXACT], other[start : start + _EXACT]]
        # OpenCV counts pairs of bytes in half the time that numpy.bincount takes.
        pairs += cv2.calcHist(part, [0, 1], None, [256, 256], [0, 256, 0, 256]).astype(np.int64)
    return pairs


def mean(scores: Floats | Sequence[float]) -> float:
    """The mean of the scores that are not NaN; NaN if there is none."""
    kept = np.asarray(scores, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    return float(kept.mean()) if kept.size else float("nan")


def _bytes(labels: Labels) -> npt.NDArray[np.uint8]:
    """One row of bytes, without a copy where they lie so."""
    if labels.dtype != np.uint8 and labels.size and (labels.min() < 0 or labels.max() > 255):
        raise ValueError("a label map has a value that is not from 0 to 255")
    flat: npt.NDArray[np.uint8] = np.ascontiguousarray(labels, dtype=np.uint8).reshape(-1)
    return flat


def _ratio(part: Counts, whole: Counts) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return ratio


def _int(values: npt.NDArray[Any]) -> Counts:
    return values.astype(np.int64, copy=False)

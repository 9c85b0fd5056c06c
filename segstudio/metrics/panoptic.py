"""Panoptic quality: how well segments, things one by one and stuff, are found and named.

Kirillov et al. 2019, "Panoptic Segmentation", and its reference implementation (panopticapi):

- every pixel belongs to one segment or to none ("void"); a segment has one category;
- a true and a predicted segment of the same category match when their IoU is above 0.5, which no
  two pairs of a segment can be. Pixels of the prediction that are void in the truth are left out of
  the union;
- a true segment without a match is a false negative, unless it is a crowd: crowds are never
  matched, missed or scored;
- a predicted segment without a match is a false positive, unless more than half of it lies on void
  or on crowds of its category;
- SQ is the mean IoU of the matches, RQ = TP / (TP + FP / 2 + FN / 2), and PQ = SQ * RQ, each by
  category over the data set. A category without TP, FP and FN is absent: PQ, SQ and RQ are NaN and
  count in no mean. One without TP has PQ, SQ and RQ 0. Means are over the categories that are
  there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segstudio.metrics.confusion import Floats, mean

Ids = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segments:
    """The segments of an image, which do not overlap.

    `ids` is (H, W) int32: 0 for void, else the segment's number from 1 to N. `categories` are N
    indices from 0, `crowds` N flags (none given: no crowds).
    """

    ids: Ids
    categories: Sequence[int]
    crowds: Sequence[bool] = ()


@dataclass(frozen=True)
class PanopticScores:
    """PQ, SQ and RQ, of a category or the mean of some; NaN where nothing has a score."""

    pq: float
    sq: float
    rq: float


class PanopticQuality:
    """Counts of C categories over images that are added one by one.

    `true_positives`, `false_positives`, `false_negatives` are (C,) int64, `iou_sum` is (C,) float64
    over the matches.
    """

    def __init__(self, categories: int) -> None:
        self.true_positives: Ints = np.zeros(categories, np.int64)
        self.false_positives: Ints = np.zeros(categories, np.int64)
        self.false_negatives: Ints = np.zeros(categories, np.int64)
        self.iou_sum: Floats = np.zeros(categories)

    def add(self, truth: Segments, predicted: Segments) -> None:
        """Match the segments of one image. Raises ValueError if the shapes of `ids` differ."""
        shared = _shared(truth, predicted)
        true, said = _kinds(truth), _kinds(predicted)
        crowd = _flags(truth)
        real = _present(shared.sum(axis=1)[1:])
        area = shared[:, 1:].sum(axis=0)
        union = shared[1:].sum(axis=1)[:, None] + (area - shared[0, 1:])[None] - shared[1:, 1:]
        comparable = (true[:, None] == said[None]) & ~crowd[:, None]
        # Twice the intersection above the union: IoU > 1/2 without rounding.
        rows, columns = np.nonzero(comparable & (2 * shared[1:, 1:] > union))
        np.add.at(self.true_positives, true[rows], 1)
        np.add.at(self.iou_sum, true[rows], shared[1:, 1:][rows, columns] / union[rows, columns])
        missed = real & ~crowd
        missed[rows] = False
        np.add.at(self.false_negatives, true[missed], 1)
        of_crowds = shared[1:, 1:] * (crowd[:, None] & (true[:, None] == said[None]))
        excused = 2 * (shared[0, 1:] + of_crowds.sum(axis=0)) > area
        wrong = _present(area) & ~excused
        wrong[columns] = False
        np.add.at(self.false_positives, said[wrong], 1)

    def pq(self) -> Floats:
        """(C,) float64, NaN for absent categories."""
        return self._over(self.iou_sum, self._weight())

    def sq(self) -> Floats:
        """(C,) float64: the mean IoU of the matches; 0 without one, NaN for absent categories."""
        quality = np.divide(
            self.iou_sum,
            self.true_positives,
            out=np.zeros_like(self.iou_sum),
            where=self.true_positives > 0,
        )
        return np.where(self._weight() > 0, quality, np.nan)

    def rq(self) -> Floats:
        """(C,) float64: F1 of finding segments; NaN for absent categories."""
        return self._over(self.true_positives, self._weight())

    def scores(self, of: Bools | None = None) -> PanopticScores:
        """The means over the categories, or over some of them ((C,) bool: things, or stuff)."""
        chosen = np.ones(len(self.iou_sum), np.bool_) if of is None else of
        return PanopticScores(*(mean(row[chosen]) for row in (self.pq(), self.sq(), self.rq())))

    def _weight(self) -> Floats:
        weight: Floats = self.true_positives + (self.false_positives + self.false_negatives) / 2
        return weight

    @staticmethod
    def _over(part: npt.NDArray[np.int64] | Floats, whole: Floats) -> Floats:
        ratio: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
        return ratio


def _shared(truth: Segments, predicted: Segments) -> Ints:
    """(N + 1, M + 1) pixels that each true segment shares with each predicted one; 0 is void."""
    if truth.ids.shape != predicted.ids.shape:
        raise ValueError(f"segments must match, not {truth.ids.shape} and {predicted.ids.shape}")
    rows, columns = len(truth.categories) + 1, len(predicted.categories) + 1
    pairs = truth.ids.astype(np.int64).ravel() * columns + predicted.ids.ravel()
    return np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)


def _kinds(segments: Segments) -> Ints:
    return np.asarray(segments.categories, dtype=np.int64)


def _flags(segments: Segments) -> Bools:
    if not segments.crowds:
        return np.zeros(len(segments.categories), np.bool_)
    return np.asarray(segments.crowds, dtype=np.bool_)


def _present(area: Ints) -> Bools:
    """Segments that lie wholly under others are none."""
    return area > 0

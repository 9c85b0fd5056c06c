"""Precision-recall curves of an evaluation: of objects with scores, of pixels with confidence."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segstudio.metrics.coco_ap import RECALLS, CocoScores
from segstudio.metrics.confusion import Floats
from segstudio.metrics.precision_recall import BinnedCurves

# What a curve is of: objects that overlap by that IoU, the mean over COCO's ten IoUs, or pixels.
CurveKind = Literal["masks@.50", "masks@.75", "masks@[.50:.95]", "pixels"]
KINDS: tuple[CurveKind, ...] = ("masks@.50", "masks@.75", "masks@[.50:.95]", "pixels")
# Why there are none: nothing has a score; all objects have the same; there is no true thing.
NoCurves = Literal["", "unscored", "alike", "no things"]

_ROWS = {"masks@.50": 0, "masks@.75": 5}  # among COCO's IoUs


@dataclass(frozen=True, kw_only=True, eq=False)
class CategoryCurve:
    """The precision-recall curve of one category.

    `category` is a place in the evaluation's table. `recall`, `precision` and `thresholds` are (N,)
    float64 and lie from 0 to 1, recall rising: what has at least that score is taken. Curves of
    masks are COCO's: interpolated, at 101 recalls, precision 0 where a recall is not reached; there
    thresholds are NaN, as all are of the mean over IoUs. `ap` is the average precision.
    """

    category: int
    kind: CurveKind
    recall: Floats
    precision: Floats
    thresholds: Floats
    ap: float

    def points(self) -> list[tuple[float | None, float, float]]:
        """Threshold (None: none), recall and precision of each point."""
        rows = zip(self.thresholds, self.recall, self.precision, strict=True)
        return [(None if math.isnan(one) else float(one), float(r), float(p)) for one, r, p in rows]


def mask_curves(coco: CocoScores, present: Sequence[int]) -> list[CategoryCurve]:
    """Three curves for each of the categories `present` that has true objects, by kind."""
    found = []
    for kind in KINDS[:3]:
        row = _ROWS.get(kind)
        precision = coco.curves.mean(axis=0) if row is None else coco.curves[row]
        unknown = np.full(precision.shape, np.nan)
        thresholds = unknown if row is None else coco.thresholds[row]
        found += [
            CategoryCurve(
                category=place,
                kind=kind,
                recall=RECALLS,
                precision=precision[at],
                thresholds=thresholds[at],
                ap=float(precision[at].mean()),
            )
            for place, at in enumerate(present)
            if not np.isnan(precision[at, 0])
        ]
    return found


def pixel_curves(counted: BinnedCurves, present: Sequence[int]) -> list[CategoryCurve]:
    """A curve for each of the categories `present` that has a true pixel."""
    found = []
    for place, at in enumerate(present):
        one = counted.curve(at)
        if not math.isnan(one.average_precision):
            found.append(
                CategoryCurve(
                    category=place,
                    kind="pixels",
                    recall=one.recall,
                    precision=one.precision,
                    thresholds=one.thresholds,
                    ap=one.average_precision,
                )
            )
    return found


def curves_csv(curves: Iterable[CategoryCurve], names: Sequence[str]) -> str:
    """The points as a table: category, kind, threshold ("" where there is none), recall, precision.

    `names` are the categories', by their places.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["category", "kind", "threshold", "recall", "precision"])
    for one in curves:
        for threshold, recall, precision in one.points():
            known = "" if threshold is None else f"{threshold:.6g}"
            numbers = known, f"{recall:.6g}", f"{precision:.6g}"
            writer.writerow([names[one.category], one.kind, *numbers])
    return text.getvalue()

"""COCO's mask mAP@[.5:.95], by pycocotools' own matching and accumulation.

Lin et al. 2014, "Microsoft COCO", and `pycocotools.cocoeval.COCOeval(iouType="segm")`: detections
of an image and category, the surest first and at most 100, are matched with true objects at ten IoU
thresholds from 0.5 to 0.95; crowds match any number of detections and count neither way; precision
is interpolated and read at 101 recalls. Objects are small below 32², large above 96² pixels.

A category that has no true object (crowds aside) has no AP (NaN) and counts in no mean: what is
detected of it is nowhere punished. Objects and detections with empty masks are left out.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.cocoeval import COCOeval

from segstudio.core.mask import Mask
from segstudio.metrics.confusion import Floats, mean

MOST_DETECTIONS = 100  # an image and category, as COCO has it
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
_AREAS = ("all", "small", "medium", "large")
_ALL = 1 << 40  # more detections than there are
_TOGETHER = 256  # images whose matches are joined


@dataclass(frozen=True)
class Instance:
    """A true object, or a detection with its score (the higher, the surer)."""

    category: int
    mask: Mask
    iscrowd: bool = False
    score: float = 1.0


@dataclass(frozen=True, eq=False)
class CocoScores:
    """What COCO's summary says, NaN where nothing has a score.

    `ap` is mAP@[.5:.95], `ap50` and `ap75` are at one IoU, `small`, `medium` and `large` by the
    objects' area, `recall` is the mean recall with 100 detections an image (AR). `per_category`
    and `per_category_50` are (C,) float64. `curves` are (10, C, 101) float64: the precision at each
    of `IOU_THRESHOLDS` and `RECALLS`, interpolated, 0 where that recall is not reached, NaN for
    categories without a true object; the mean of a curve is its AP. `thresholds`, of the same
    shape, are the scores down to which detections must be taken for it, NaN where nothing reaches
    it.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    recall: float
    per_category: Floats
    per_category_50: Floats
    curves: Floats
    thresholds: Floats


class CocoAp:
    """mAP of C categories over images that are added one by one.

    What is kept is about 100 bytes a detection, no mask.
    """

    def __init__(self, categories: int, most_detections: int = MOST_DETECTIONS) -> None:
        self.categories = categories
        self.most_detections = most_detections
        self.objects = 0  # true ones that count
        self.detections = 0
        self._matched: dict[tuple[int, int], list[_Matched]] = defaultdict(list)

    def add(self, truth: Iterable[Instance], predicted: Iterable[Instance]) -> None:
        """Match the detections of one image with its true objects."""
        matcher = self._evaluator([1])
        for number, instance in enumerate(truth, start=1):
            if instance.mask.area:
                matcher._gts[1, instance.category].append(_entry(instance, number))
                self.objects += not instance.iscrowd
        for number, instance in enumerate(predicted, start=1):
            if instance.mask.area:
                matcher._dts[1, instance.category].append(_entry(instance, number))
                self.detections += 1
        for _, category in sorted({*matcher._gts, *matcher._dts}):
            matcher.ious[1, category] = matcher.computeIoU(1, category)
            for index, area in enumerate(matcher.params.areaRng):
                found = matcher.evaluateImg(1, category, area, self.most_detections)
                if found is not None:
                    self._keep(category, index, _matched(found))

    def scores(self) -> CocoScores:
        """COCO's summary of all images so far."""
        whole = self._evaluator([1])
        whole.params.maxDets = [_ALL]
        whole.evalImgs = [
            _as_image(self._matched.get((category, area), ()))
            for category in range(self.categories)
            for area in range(len(_AREAS))
        ]
        whole._paramsEval = whole.params
        with redirect_stdout(io.StringIO()):  # it tells how far it is
            whole.accumulate()
        precision = whole.eval["precision"][..., 0]  # IoU, recall, category, area
        recall = whole.eval["recall"][..., 0]
        every, scores = precision[..., 0], whole.eval["scores"][..., 0, 0]
        return CocoScores(
            ap=_mean(every),
            ap50=_mean(every[0]),
            ap75=_mean(every[5]),
            small=_mean(precision[..., 1]),
            medium=_mean(precision[..., 2]),
            large=_mean(precision[..., 3]),
            recall=_mean(recall[..., 0]),
            per_category=np.array([_mean(every[..., row]) for row in range(self.categories)]),
            per_category_50=np.array([_mean(every[0, :, row]) for row in range(self.categories)]),
            curves=_by_category(np.where(every < 0, np.nan, every)),
            thresholds=_by_category(np.where(every > 0, scores, np.nan)),
        )

    def _keep(self, category: int, area: int, found: _Matched) -> None:
        """Many small arrays take more memory than what they hold: join them now and then."""
        kept = self._matched[category, area]
        kept.append(found)
        if len(kept) == _TOGETHER:
            kept[:] = [_joined(kept)]

    def _evaluator(self, images: Sequence[int]) -> Any:
        evaluator = COCOeval(iouType="segm")
        evaluator.params.imgIds = list(images)
        evaluator.params.catIds = list(range(self.categories))
        evaluator.params.maxDets = [self.most_detections]
        evaluator.params.iouThrs = IOU_THRESHOLDS
        evaluator.params.recThrs = RECALLS
        return evaluator


@dataclass(frozen=True, eq=False)
class _Matched:
    """What of an image, category and range of areas the accumulation needs."""

    scores: Floats
    matched: npt.NDArray[np.bool_]
    ignored: npt.NDArray[np.bool_]
    truth_ignored: npt.NDArray[np.bool_]


def _entry(instance: Instance, number: int) -> dict[str, Any]:
    """As pycocotools holds an annotation; numbers begin with 1, for 0 is "no match" to it."""
    return {
        "id": number,
        "segmentation": instance.mask.to_coco(),
        "area": float(instance.mask.area),
        "iscrowd": int(instance.iscrowd),
        "ignore": int(instance.iscrowd),
        "score": float(instance.score),
    }


def _matched(found: dict[str, Any]) -> _Matched:
    return _Matched(
        np.asarray(found["dtScores"], dtype=np.float64),
        np.asarray(found["dtMatches"]) > 0,
        np.asarray(found["dtIgnore"], dtype=np.bool_),
        np.asarray(found["gtIgnore"], dtype=np.bool_),
    )


def _joined(images: Sequence[_Matched]) -> _Matched:
    """Several images as one, in their order: where scores are equal, the first image comes first,
    as if pycocotools had joined them."""
    return _Matched(
        np.concatenate([image.scores for image in images]),
        np.concatenate([image.matched for image in images], axis=1),
        np.concatenate([image.ignored for image in images], axis=1),
        np.concatenate([image.truth_ignored for image in images]),
    )


def _as_image(images: Sequence[_Matched]) -> dict[str, Any] | None:
    """As pycocotools holds what it matched on one image."""
    if not images:
        return None
    one = _joined(images)
    return {
        "dtScores": one.scores,
        "dtMatches": one.matched,
        "dtIgnore": one.ignored,
        "gtIgnore": one.truth_ignored,
    }


def _by_category(values: Floats) -> Floats:
    """(IoU, recall, C) as (IoU, C, recall)."""
    return np.ascontiguousarray(np.moveaxis(values, 1, 2))


def _mean(values: Floats) -> float:
    """Of those that are there: pycocotools writes -1 where there is no true object."""
    return mean(values[values >= 0])

"""Comparing two label sets: every score, and every image with the place where they differ most.

One image is read at a time, so memory does not grow with their number. What is absent, ignored or
empty is defined in `segstudio.metrics`. A pixel has a truth where the truth's set labels it;
others do not count, or are background if the options say so. Where there is a truth and the
prediction says nothing, or a category that the truth does not know, it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.disagreement import largest_disagreement
from segstudio.engine.evaluation_counts import EvaluationCounts
from segstudio.engine.evaluation_scores import Evaluation, ImageScores, LeftOut, score
from segstudio.engine.image_pairs import pair
from segstudio.engine.label_set import LabelledImage, LabelSet, OpenLabelSet, SetImage
from segstudio.engine.label_space import LabelSpace, label_space
from segstudio.metrics.boundary import BOUNDARY_SHARE
from segstudio.metrics.confusion import ConfusionMatrix

TRIMAP_WIDTH = 3


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How two sets are compared.

    `unlabelled` pixels of the sets are "ignore": they have no truth, or no prediction; or
    "background": a category of that name. `split` takes only images of that split ("" all).
    `missing_is_wrong` counts images of the truth that the prediction says nothing of as ones on
    which it labelled nothing; else they are left out and listed. `boundary_share` is the width of
    boundary IoU's band as a share of the image's diagonal, `trimap_width` the pixels on either side
    of a contour. `contours` and `objects` say whether these scores are reckoned at all.
    """

    unlabelled: str = "ignore"
    split: str = ""
    missing_is_wrong: bool = False
    boundary_share: float = BOUNDARY_SHARE
    trimap_width: int = TRIMAP_WIDTH
    contours: bool = True
    objects: bool = True

    def __post_init__(self) -> None:
        if self.unlabelled not in {"ignore", "background"}:
            raise ValueError(f"unlabelled pixels are ignore or background: {self.unlabelled}")
        if not 0 < self.boundary_share < 1 or self.trimap_width < 1:
            raise ValueError("a band is wider than nothing, and narrower than the image")


def evaluate(
    predicted: LabelSet,
    truth: LabelSet,
    options: EvaluationOptions | None = None,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Compare what two sets say of the images that both have.

    Raises BadInputError, in a sentence, where they have no image or no category in common or none
    could be compared, and Cancelled.
    """
    chosen, token = options or EvaluationOptions(), cancel or CancelToken()
    with predicted.opened(token) as said, truth.opened(token) as true:
        space = label_space(said, true, background=chosen.unlabelled == "background")
        pairs = pair(said.images, true.images, chosen.split)
        run = _Run(said, true, space, chosen)
        wanted: list[tuple[SetImage | None, SetImage]] = list(pairs.both)
        if chosen.missing_is_wrong:
            wanted += [(None, image) for image in pairs.only_truth]
        else:
            run.leave_out(pairs.only_truth, f"The prediction {_lacks(said)}.")
        run.leave_out(pairs.only_predicted, f"The truth {_lacks(true)}.")
        for done, (one, other) in enumerate(wanted):
            token.check()
            report(Progress(done, len(wanted), f"Comparing {other.name}"))
            run.compare(one, other)
        report(Progress(len(wanted), len(wanted), "Compared"))
    return run.result(predicted.title, truth.title)


class _Run:
    """Two open sets, and what was found of each image so far."""

    def __init__(
        self,
        predicted: OpenLabelSet,
        truth: OpenLabelSet,
        space: LabelSpace,
        options: EvaluationOptions,
    ) -> None:
        self._predicted, self._truth = predicted, truth
        self._space, self._options = space, options
        self._counts = EvaluationCounts(space)
        self._all_pixels = 0
        self._images: list[ImageScores] = []
        self._left_out: list[LeftOut] = []

    def leave_out(self, images: Iterable[SetImage], reason: str) -> None:
        self._left_out += [LeftOut(image.name, reason, image.image_id) for image in images]

    def compare(self, predicted: SetImage | None, truth: SetImage) -> None:
        """Count one image, or note why it is left out."""
        try:
            true = self._truth.read(truth)
            said = self._predicted.read(predicted) if predicted is not None else None
        except BadInputError as error:
            self.leave_out([truth], str(error))
            return
        if true is None:
            self.leave_out([truth], "The truth says nothing of it.")
        elif said is None and not self._options.missing_is_wrong:
            self.leave_out([truth], "The prediction says nothing of it.")
        elif said is not None and said.labels.shape != true.labels.shape:
            (h, w), (height, width) = said.labels.shape, true.labels.shape
            self.leave_out(
                [truth],
                f"It is {width} x {height} pixels in the truth and {w} x {h} in the prediction.",
            )
        else:
            number = truth.image_id or (predicted.image_id if predicted is not None else 0)
            self._count(truth.name, number, true, said)

    def _count(
        self, name: str, number: int, true: LabelledImage, told: LabelledImage | None
    ) -> None:
        missing, said = told is None, told or _nothing(true)
        truth, predicted = self._space.truth.labels(true), self._space.predicted.labels(said)
        counts, options = self._counts, self._options
        self._all_pixels += truth.size
        alone = counts.confusion.added(truth, predicted)
        self._images.append(_row(name, number, truth, predicted, alone))
        if options.contours:
            counts.add_contours(truth, predicted, options.boundary_share, options.trimap_width)
        if options.objects:
            counts.add_objects(true, said, truth, predicted, missing=missing)
        if missing:
            counts.add_unsaid(truth)
        else:
            counts.add_confidence(truth, predicted, said.confidence)

    def result(self, predicted: str, truth: str) -> Evaluation:
        """All of it. Raises BadInputError if no image was compared."""
        if not self._images:
            raise BadInputError(f"The two have no image that can be compared.{self._for_one()}")
        counts, options = self._counts, self._options
        coco, present = counts.coco(), counts.present()
        curves = tuple(counts.curves(present, coco))
        matrix = counts.confusion
        total = matrix.total
        if len(present) < matrix.categories:
            matrix = ConfusionMatrix(
                len(present), matrix.counts[np.ix_(present, [*present, matrix.categories])]
            )
        return Evaluation(
            predicted=predicted,
            truth=truth,
            scores=counts.scores(coco),
            categories=counts.rows(present, coco),
            confusion=matrix,
            images=tuple(_renumbered(row, present) for row in self._images),
            left_out=tuple(self._left_out),
            only_predicted=self._space.only_predicted,
            boundary_share=options.boundary_share,
            boundary_pixels=counts.boundary_pixels,
            trimap_width=options.trimap_width,
            unlabelled=1 - total / self._all_pixels if self._all_pixels else None,
            curves=curves,
            no_curves="" if curves else counts.no_curves(),
        )

    def _for_one(self) -> str:
        """Why one of the images was left out: one that has a truth, if there is any."""
        rows = [row for row in self._left_out if not row.reason.startswith("The truth")]
        chosen = (rows or self._left_out)[-1:]
        return "".join(f" {row.name}: {row.reason}" for row in chosen)


def _lacks(where: OpenLabelSet) -> str:
    """Why an image is not among those of a set: a project has it, but nobody labelled it there."""
    of_project = any(image.image_id for image in where.images)
    return "says nothing of it" if of_project else "has no such image"


def _nothing(like: LabelledImage) -> LabelledImage:
    """An image of which nothing is said."""
    ids = None if like.ids is None else np.zeros_like(like.ids)
    return LabelledImage(np.full_like(like.labels, IGNORE), (), ids)


def _row(
    name: str, number: int, truth: LabelMap, predicted: LabelMap, alone: ConfusionMatrix
) -> ImageScores:
    wrong = alone.total - alone.right
    most = largest_disagreement(truth, predicted) if wrong else None
    height, width = truth.shape
    return ImageScores(
        name=name,
        image_id=number,
        size=(height, width),
        pixels=alone.total,
        wrong=wrong,
        miou=score(alone.mean_iou()),
        box=None if most is None else most.box,
        place_truth=-1 if most is None else most.truth,
        place_predicted=-1 if most is None else most.predicted,
    )


def _renumbered(row: ImageScores, present: list[int]) -> ImageScores:
    """Its pair of categories as places in the table of those that are told of."""
    places = {category: place for place, category in enumerate(present)}
    return replace(
        row,
        place_truth=places.get(row.place_truth, -1),
        place_predicted=places.get(row.place_predicted, -1),
    )

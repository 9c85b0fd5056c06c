"""Everything that is counted of two label sets, image by image, and the scores that follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.engine.evaluation_curves import CategoryCurve, NoCurves, mask_curves, pixel_curves
from segstudio.engine.evaluation_scores import CategoryScores, PanopticParts, Scores, score
from segstudio.engine.label_set import LabelledImage
from segstudio.engine.label_space import LabelSpace
from segstudio.metrics.boundary import BoundaryIou, TrimapIou, boundary_width
from segstudio.metrics.coco_ap import CocoAp, CocoScores
from segstudio.metrics.confusion import ConfusionMatrix, Floats
from segstudio.metrics.panoptic import PanopticQuality
from segstudio.metrics.precision_recall import BinnedCurves


class EvaluationCounts:
    """Counts in the categories of a `LabelSpace`; memory does not grow with the images, but for
    about 100 bytes a detected thing.

    `confusion` is over all pixels; `boundary_pixels` the least and the most width of boundary
    IoU's band so far, in pixels.
    """

    def __init__(self, space: LabelSpace) -> None:
        count = len(space.categories)
        self.confusion = ConfusionMatrix(count)
        self.boundary_pixels = (0, 0)
        self._space = space
        self._things = space.things
        self._boundary, self._trimap = BoundaryIou(count), TrimapIou(count)
        self._panoptic, self._coco = PanopticQuality(count), CocoAp(count)
        self._curves = BinnedCurves(count)
        self._with_objects = self._with_confidence = False
        self._object_scores: set[float] = set()  # the first two

    def add_contours(
        self, truth: LabelMap, predicted: LabelMap, share: float, trimap_width: int
    ) -> None:
        """Count the bands along contours: `share` of the diagonal, and pixels of the trimap."""
        height, width = truth.shape
        band = boundary_width((height, width), share)
        low, high = self.boundary_pixels
        self.boundary_pixels = min(low or band, band), max(high, band)
        self._boundary.add(truth, predicted, band)
        self._trimap.add(truth, predicted, trimap_width)

    def add_objects(
        self,
        true: LabelledImage,
        said: LabelledImage,
        truth: LabelMap,
        predicted: LabelMap,
        *,
        missing: bool = False,
    ) -> None:
        """Match segments and things, where both sets tell objects apart.

        An image that is `missing` in the prediction does not tell whether its set does.
        """
        views, things = (self._space.truth, self._space.predicted), self._things
        one = views[0].segments(true, truth, things)
        other = views[1].segments(said, predicted, things)
        if one is None or other is None:
            return
        self._with_objects |= not missing
        self._panoptic.add(one, other)
        found = views[1].instances(said, things)
        if len(self._object_scores) < 2:
            self._object_scores.update(instance.score for instance in found)
        self._coco.add(views[0].instances(true, things), found)

    def add_confidence(
        self, truth: LabelMap, predicted: LabelMap, confidence: npt.NDArray[np.uint8] | None
    ) -> None:
        """Count how sure the labels of an image are, where that is known."""
        if confidence is not None:
            self._with_confidence = True
            self._curves.add_labels(truth, predicted, confidence)

    def add_unsaid(self, truth: LabelMap) -> None:
        """Count an image of which nothing was said, so that no category has a score there."""
        nothing = np.full_like(truth, IGNORE)
        self._curves.add_labels(truth, nothing, np.zeros_like(truth))

    def present(self) -> list[int]:
        """The categories to tell of: all, or of an open table those that occur."""
        counts = self.confusion
        if not self._space.open_table:
            return list(range(counts.categories))
        occurs = np.flatnonzero(counts.pixels() + counts.predicted_pixels()).tolist()
        return occurs or [0]

    def coco(self) -> CocoScores | None:
        """mAP, where both sets tell objects apart and the truth has things."""
        return self._coco.scores() if self._with_objects and self._coco.objects else None

    def curves(self, present: Sequence[int], coco: CocoScores | None) -> list[CategoryCurve]:
        """The curves of the categories in `present`: of objects whose scores differ, of pixels."""
        found: list[CategoryCurve] = []
        if coco is not None and len(self._object_scores) > 1:
            found += mask_curves(coco, present)
        if self._with_confidence:
            found += pixel_curves(self._curves, present)
        return found

    def no_curves(self) -> NoCurves:
        """Why there are none, if there are none."""
        if not self._with_objects:
            return "unscored"
        return "alike" if self._coco.objects else "no things"

    def scores(self, coco: CocoScores | None) -> Scores:
        """`coco` is what `coco` gave."""
        matrix = self.confusion
        return Scores(
            pixel_accuracy=score(matrix.pixel_accuracy()),
            mean_accuracy=score(matrix.mean_accuracy()),
            miou=score(matrix.mean_iou()),
            mean_dice=score(matrix.mean_dice()),
            frequency_weighted_iou=score(matrix.frequency_weighted_iou()),
            boundary_iou=score(self._boundary.mean_iou()),
            trimap_iou=score(self._trimap.mean_iou()),
            panoptic=self._panoptic_parts() if self._with_objects else None,
            coco=coco,
            pixel_ap=score(self._curves.mean_average_precision())
            if self._with_confidence
            else None,
        )

    def rows(self, present: Sequence[int], coco: CocoScores | None) -> tuple[CategoryScores, ...]:
        """The scores of each category in `present`."""
        none = np.full(self.confusion.categories, np.nan)
        columns: dict[str, Floats] = {
            "iou": self.confusion.iou(),
            "dice": self.confusion.dice(),
            "accuracy": self.confusion.accuracy(),
            "precision": self.confusion.precision(),
            "boundary_iou": self._boundary.iou(),
            "trimap_iou": self._trimap.iou(),
            "pq": self._panoptic.pq() if self._with_objects else none,
            "sq": self._panoptic.sq() if self._with_objects else none,
            "rq": self._panoptic.rq() if self._with_objects else none,
            "ap": none if coco is None else coco.per_category,
            "ap50": none if coco is None else coco.per_category_50,
            "pixel_ap": self._curves.average_precisions() if self._with_confidence else none,
        }
        pixels, said = self.confusion.pixels(), self.confusion.predicted_pixels()
        return tuple(
            CategoryScores(
                name=self._space.categories[at].name,
                colour=self._space.categories[at].colour,
                isthing=self._space.categories[at].isthing,
                pixels=int(pixels[at]),
                predicted_pixels=int(said[at]),
                **{name: score(float(column[at])) for name, column in columns.items()},
            )
            for at in present
        )

    def _panoptic_parts(self) -> PanopticParts:
        things = np.array(self._things, dtype=np.bool_)
        every, one, other = (self._panoptic.scores(of) for of in (None, things, ~things))
        return PanopticParts(
            pq=score(every.pq),
            sq=score(every.sq),
            rq=score(every.rq),
            pq_things=score(one.pq),
            sq_things=score(one.sq),
            rq_things=score(one.rq),
            pq_stuff=score(other.pq),
            sq_stuff=score(other.sq),
            rq_stuff=score(other.rq),
        )

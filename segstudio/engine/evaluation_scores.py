"""What an evaluation finds: scores, rows by category, rows by image. Absent scores are None."""

from __future__ import annotations

import math
from dataclasses import dataclass

from segstudio.engine.evaluation_curves import CategoryCurve, NoCurves
from segstudio.metrics.coco_ap import CocoScores
from segstudio.metrics.confusion import ConfusionMatrix

Score = float | None
PixelBox = tuple[int, int, int, int]


def score(value: float) -> Score:
    """A metric's number, None where it is NaN (nothing to score)."""
    return None if math.isnan(value) else float(value)


@dataclass(frozen=True, kw_only=True)
class PanopticParts:
    """PQ, SQ and RQ: means over all categories, over things, over stuff."""

    pq: Score
    sq: Score
    rq: Score
    pq_things: Score
    sq_things: Score
    rq_things: Score
    pq_stuff: Score
    sq_stuff: Score
    rq_stuff: Score


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of the whole data set, 0 to 1; see the modules of `segstudio.metrics`.

    None: it does not apply (no object apart from others, no confidence, nothing to score).
    `boundary_iou` and `trimap_iou` are means over categories. `panoptic` is there where both sets
    tell objects apart, `coco` where besides there are true things. `pixel_ap` is the mean AP of
    the labels' confidence, where the prediction says it: of each pixel only that of the best
    category is known, all others count as 0, so it is mostly lower than the AP of the whole
    probabilities would be.
    """

    pixel_accuracy: Score
    mean_accuracy: Score
    miou: Score
    mean_dice: Score
    frequency_weighted_iou: Score
    boundary_iou: Score
    trimap_iou: Score
    panoptic: PanopticParts | None
    coco: CocoScores | None
    pixel_ap: Score


@dataclass(frozen=True, kw_only=True)
class CategoryScores:
    """A category's scores; `pixels` are those of the truth, `predicted_pixels` those said to be.

    IoU and Dice are None for a category that is neither in the truth nor in the prediction,
    `accuracy` (recall) where the truth has no pixel of it, `precision` where nothing was said to
    be it.
    """

    name: str
    colour: str
    isthing: bool
    pixels: int
    predicted_pixels: int
    iou: Score
    dice: Score
    accuracy: Score
    precision: Score
    boundary_iou: Score
    trimap_iou: Score
    pq: Score
    sq: Score
    rq: Score
    ap: Score
    ap50: Score
    pixel_ap: Score


@dataclass(frozen=True, kw_only=True)
class ImageScores:
    """One image: how far the two sets differ, and where most.

    `name` is the truth's; `image_id` the project's, of the truth or else of the prediction, 0
    where neither is of one. `pixels` have a truth, `wrong` of them another prediction (or none),
    and `disagreement` is their share (None without pixels). `box` is the half-open box (x0, y0,
    x1, y1) in image pixels around the largest connected part of the wrong ones, and `place_truth`
    and `place_predicted` are the pair of categories that most of its pixels have (their places in
    the evaluation's table, -1 for none); None and -1 where nothing is wrong.
    """

    name: str
    image_id: int
    size: tuple[int, int]
    pixels: int
    wrong: int
    miou: Score
    box: PixelBox | None
    place_truth: int = -1
    place_predicted: int = -1

    @property
    def disagreement(self) -> Score:
        return self.wrong / self.pixels if self.pixels else None


@dataclass(frozen=True)
class LeftOut:
    """An image that was not compared, and why, in one sentence."""

    name: str
    reason: str
    image_id: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """A comparison of two label sets.

    `categories` are the truth's, in the order of the `confusion` matrix's rows. `images` are in
    the truth's order. `boundary_share` of the image's diagonal and `boundary_pixels` (the least
    and the most over the images) are the width of boundary IoU's band, `trimap_width` pixels that
    of the trimap on either side of a contour. `only_predicted` are categories that the truth does
    not know; what is predicted as one of them counts as a mistake. `unlabelled` is the share of
    the images' pixels that has no truth and was not scored. `curves` are the precision-recall
    curves of the categories that have any; where there are none, `no_curves` says why.
    """

    predicted: str
    truth: str
    scores: Scores
    categories: tuple[CategoryScores, ...]
    confusion: ConfusionMatrix
    images: tuple[ImageScores, ...]
    left_out: tuple[LeftOut, ...]
    only_predicted: tuple[str, ...]
    boundary_share: float
    boundary_pixels: tuple[int, int]
    trimap_width: int
    unlabelled: Score
    curves: tuple[CategoryCurve, ...] = ()
    no_curves: NoCurves = ""

    def by_disagreement(self) -> tuple[ImageScores, ...]:
        """The images, those that differ most first (then by wrong pixels, then as they came)."""
        return tuple(sorted(self.images, key=lambda row: (-(row.disagreement or 0), -row.wrong)))

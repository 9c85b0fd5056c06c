"""What an evaluation found, in words and in rows of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from segstudio.core.image import ImageRecord
from segstudio.engine.evaluation_curves import CurveKind
from segstudio.engine.evaluation_scores import CategoryScores, Evaluation, Score
from segstudio.gui.dialogs.report_table import Finding
from segstudio.metrics import confusion_picture


def _text(text: str) -> str:
    return str(QT_TRANSLATE_NOOP("Quality", text))


def _tr(text: str) -> str:
    return QCoreApplication.translate("Quality", text)


CURVES: Mapping[CurveKind, tuple[str, str]] = {
    "masks@.50": (
        _text("Masks at IoU 0.5"),
        _text("An object is found where a mask overlaps it by an IoU of 0.5 or more (COCO)."),
    ),
    "masks@.75": (
        _text("Masks at IoU 0.75"),
        _text("An object is found where a mask overlaps it by an IoU of 0.75 or more (COCO)."),
    ),
    "masks@[.50:.95]": (
        _text("Masks, mean of IoUs"),
        _text("The mean of COCO's ten curves, at IoUs from 0.5 to 0.95."),
    ),
    "pixels": (
        _text("Pixels' confidence"),
        _text("Of each pixel only how sure the best category is is known; all others count as 0. "
              "So the AP is mostly lower than that of the whole probabilities."),
    ),
}  # fmt: skip
NO_CURVES: Mapping[str, str] = {
    "unscored": _text("“{}” has neither objects with scores nor pixels with confidence, so there "
                      "is nothing to draw a curve of."),
    "alike": _text("All objects of “{}” have the same score (people's work has none), so there is "
                   "no curve to draw."),
    "no things": _text("The truth has no object of a thing on the images compared: curves are of "
                       "things, or of pixels with confidence."),
}  # fmt: skip


def curve_kind(kind: CurveKind) -> tuple[str, str]:
    """What curves of that kind are called, and what they say."""
    title, tip = CURVES[kind]
    return _tr(title), _tr(tip)


def why_no_curves(result: Evaluation) -> str:
    """Why a comparison has no curves; "" where it has some."""
    told = NO_CURVES.get(result.no_curves, "")
    return _tr(told).format(result.predicted) if told else ""


class PlaceRow(Finding):
    """A row that leads to a place on an image: `path` is "" where that is not in the project."""

    box: tuple[int, int, int, int] | None

    def __init__(self, *rest: object, box: tuple[int, int, int, int] | None = None) -> None:
        super().__init__(*rest)  # type: ignore[arg-type]
        object.__setattr__(self, "box", box)


def verdict(result: Evaluation) -> str:
    """The sentence above all numbers."""
    pixels, images = sum(row.pixels for row in result.images), len(result.images)
    accuracy, miou = result.scores.pixel_accuracy, result.scores.miou
    names = result.predicted, result.truth
    if accuracy is None or miou is None:
        said = _tr("“{}” against “{}” as the truth: no pixel has a truth, so there are no scores.")
        said = said.format(*names)
    else:
        one = _tr("“{}” against “{}” as the truth: on {:,} image they agree on {:.1f} % of {} "
                  "pixels; mIoU {:.1f} %.")  # fmt: skip
        many = _tr("“{}” against “{}” as the truth: on {:,} images they agree on {:.1f} % of {} "
                   "pixels; mIoU {:.1f} %.")  # fmt: skip
        numbers = images, 100 * accuracy, in_short(pixels), 100 * miou
        said = (one if images == 1 else many).format(*names, *numbers)
    if left := len(result.left_out):
        one, many = _tr("{:,} image was left out."), _tr("{:,} images were left out.")
        said += " " + (one if left == 1 else many).format(left)
    return said


def in_short(pixels: int) -> str:
    """A number of pixels as people say it."""
    if pixels >= 1_000_000:
        return _tr("{:.1f} million").format(pixels / 1e6)
    return f"{pixels:,}"


def score_headings() -> tuple[str, ...]:
    return _tr("Score"), _tr("Value"), _tr("What it says")


def score_rows(result: Evaluation) -> list[Finding]:
    """Every score of the whole set that applies."""
    scores = result.scores
    low, high = result.boundary_pixels
    width = f"{low}" if low == high else f"{low}–{high}"
    band = _tr("Mean over categories, in a band of {} px ({:.3g} % of the diagonal) along the "
               "borders.").format(width, 100 * result.boundary_share)  # fmt: skip
    trimap = _tr("Mean over categories, within {} px of the true borders.").format(
        result.trimap_width
    )
    rows: list[tuple[str, Score, str]] = [
        (_tr("mIoU"), scores.miou, _tr("Overlap over union, mean over categories.")),
        (_tr("Mean Dice"), scores.mean_dice, _tr("Twice the overlap over the sum of areas.")),
        (_tr("Pixel accuracy"), scores.pixel_accuracy, _tr("Pixels that are right, of all.")),
        (_tr("Mean accuracy"), scores.mean_accuracy, _tr("Of each category's pixels, the mean.")),
        (_tr("Frequency-weighted IoU"), scores.frequency_weighted_iou,
         _tr("IoU, frequent categories counting more.")),
        (_tr("Boundary IoU"), scores.boundary_iou, band),
        (_tr("Trimap IoU"), scores.trimap_iou, trimap),
    ]  # fmt: skip
    panoptic, coco = scores.panoptic, scores.coco
    if panoptic is not None:
        rows += [
            (_tr("PQ"), panoptic.pq, _tr("Objects found times how well: panoptic quality.")),
            (_tr("SQ"), panoptic.sq, _tr("How well those that were found are outlined.")),
            (_tr("RQ"), panoptic.rq, _tr("How many are found, and are there.")),
            (_tr("PQ of things"), panoptic.pq_things, ""),
            (_tr("PQ of stuff"), panoptic.pq_stuff, ""),
        ]
    if coco is not None:
        rows += [
            (_tr("AP"), _number(coco.ap), _tr("COCO's mAP@[.5:.95] of things.")),
            (_tr("AP at 0.5"), _number(coco.ap50), _tr("At an IoU of 0.5.")),
            (_tr("AP at 0.75"), _number(coco.ap75), _tr("At an IoU of 0.75.")),
        ]
    pixel_ap = _tr("Average precision of the labels' confidence; of each pixel only the best "
                   "category's is known, all others count as 0.")  # fmt: skip
    rows.append((_tr("Pixel AP"), scores.pixel_ap, pixel_ap))
    return [Finding(row) for row in rows if row[1] is not None]


def category_columns(result: Evaluation) -> tuple[tuple[str, ...], list[Finding]]:
    """Headings and rows by category; columns of scores that no category has are left out."""
    columns: list[tuple[str, str]] = [
        (_tr("IoU"), "iou"), (_tr("Dice"), "dice"), (_tr("Accuracy"), "accuracy"),
        (_tr("Precision"), "precision"), (_tr("Boundary IoU"), "boundary_iou"),
        (_tr("Trimap IoU"), "trimap_iou"), (_tr("PQ"), "pq"), (_tr("SQ"), "sq"),
        (_tr("RQ"), "rq"), (_tr("AP"), "ap"), (_tr("AP at 0.5"), "ap50"),
        (_tr("Pixel AP"), "pixel_ap"),
    ]  # fmt: skip
    rows = result.categories
    kept = [(title, name) for title, name in columns if _any(rows, name)]
    headings = (_tr("Category"), *(title for title, _ in kept), _tr("True px"), _tr("Said px"))
    return headings, [
        Finding(
            (row.name, *(getattr(row, name) for _, name in kept), row.pixels, row.predicted_pixels)
        )
        for row in rows
    ]


def _any(rows: tuple[CategoryScores, ...], name: str) -> bool:
    return any(getattr(row, name) is not None for row in rows)


def image_headings() -> tuple[str, ...]:
    return _tr("Image"), _tr("Disagree"), _tr("mIoU"), _tr("Wrong px"), _tr("Mostly")


def image_rows(result: Evaluation, images: Mapping[int, ImageRecord]) -> list[Finding]:
    """The images, those that differ most first; `images` are the project's by id."""
    names = [row.name for row in result.categories]
    by_name = {image.path: image.path for image in images.values()}
    found: list[Finding] = []
    for row in result.by_disagreement():
        mostly = ""
        if row.box is not None:
            true = names[row.place_truth] if row.place_truth >= 0 else _tr("nothing")
            said = names[row.place_predicted] if row.place_predicted >= 0 else _tr("nothing")
            mostly = _tr("{}, said to be {}").format(true, said)
        image = images.get(row.image_id)
        path = image.path if image is not None else by_name.get(row.name, "")
        cells = (row.name, row.disagreement, row.miou, row.wrong, mostly)
        found.append(PlaceRow(cells, path, box=row.box))
    return found


def left_out_rows(result: Evaluation) -> list[Finding]:
    return [Finding((row.name, row.reason)) for row in result.left_out]


def confusion_csv(result: Evaluation) -> str:
    """Pixels by truth (rows) and prediction (columns), with the names, as a table of commas."""
    names = [row.name for row in result.categories]
    return confusion_picture.confusion_csv(result.confusion, names)


def _number(value: float) -> Score:
    return None if math.isnan(value) else value

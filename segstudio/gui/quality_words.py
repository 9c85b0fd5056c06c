"""What an evaluation found, in words and in rows of tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication

from segstudio.core.image import ImageRecord
from segstudio.engine.evaluation_scores import CategoryScores, Evaluation, Score
from segstudio.gui.dialogs.report_table import Finding


def _tr(text: str) -> str:
    return QCoreApplication.translate("Quality", text)


class PlaceRow(Finding):
    """A row that leads to a place on an image: `path` is "" where that is not in the project."""

    box: tuple[int, int, int, int] | None

    def __init__(self, *rest: object, box: tuple[int, int, int, int] | None = None) -> None:
        super().__init__(*rest)  # type: ignore[arg-type]
        object.__setattr__(self, "box", box)


def verdict(result: Evaluation) -> str:
    """The sentence above all numbers."""
    pixels = sum(row.pixels for row in result.images)
    told = _tr("“{}” against “{}” as the truth: on {:,} images they agree on {:.1f} % of {} "
               "pixels; mIoU {:.1f} %.")  # fmt: skip
    accuracy, miou = result.scores.pixel_accuracy, result.scores.miou
    said = told.format(
        result.predicted,
        result.truth,
        len(result.images),
        100 * (accuracy or 0.0),
        in_short(pixels),
        100 * (miou or 0.0),
    )
    if result.left_out:
        left = _tr("{:,} images were left out.").format(len(result.left_out))
        said += " " + left
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
    pixel_ap = _tr("Average precision of the labels' confidence.")
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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["truth \\ predicted", *names, "nothing"])
    for name, counts in zip(names, result.confusion.counts.tolist(), strict=True):
        writer.writerow([name, *counts])
    return text.getvalue()


def _number(value: float) -> Score:
    return None if math.isnan(value) else value

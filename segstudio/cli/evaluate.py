"""`segstudio evaluate PREDICTED TRUTH`: every score of two label sets, and where they differ."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segstudio.cli.files import png_bytes, require_suffix, write_whole
from segstudio.cli.output import Output

if TYPE_CHECKING:
    from segstudio.engine.evaluation_curves import CategoryCurve
    from segstudio.engine.evaluation_scores import CategoryScores, Evaluation, ImageScores

EPILOG = (
    "NAME=VALUE chooses annotations of a project by stage, tool, model, run, user or split, "
    "as in street.segstudio:stage=automatic or street.segstudio:model=KEY,split=test; "
    "street.segstudio:prediction=KEY is what a model predicted and the cache still has. "
    "Label-map pixels of 255 are ignored. Scores are 0 to 1; null where there is nothing to "
    "score. Pixel AP knows of each pixel only how sure the best category is, and takes all others "
    "as 0, so it is mostly lower than the AP of the whole probabilities would be."
)
_NO_CURVES = {
    "unscored": "the prediction has neither objects with scores nor pixels with confidence.",
    "alike": "all predicted objects have the same score (people's work has none).",
    "no things": "the truth has no thing in the images compared.",
}
MOST_SAID = 10  # images told to a person; --json --per-image has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = "a project, a folder of label maps, or PROJECT:NAME=VALUE,..."
    parser.add_argument("predicted", metavar="PREDICTED", help=what)
    parser.add_argument("truth", metavar="TRUTH", help="the same; :NAME=VALUE is of PREDICTED")
    parser.epilog = EPILOG
    parser.add_argument("--split", default="", metavar="NAME", help="only images of that split")
    parser.add_argument(
        "--unlabelled",
        choices=("ignore", "background"),
        default="ignore",
        help="pixels that nobody labelled do not count (default), or are a category: background",
    )
    parser.add_argument(
        "--missing",
        choices=("left-out", "wrong"),
        default="left-out",
        help="images that PREDICTED says nothing of are left out and listed (default), or wrong",
    )
    parser.add_argument(
        "--classes", type=Path, metavar="FILE", help="the table of the label maps' ids"
    )
    parser.add_argument(
        "--ignore", type=_ids, default=(), metavar="IDS", help="ids of label maps to ignore: 11,12"
    )
    parser.add_argument(
        "--boundary-share",
        type=_share,
        default=0.02,
        metavar="S",
        help="boundary IoU's band as a share of the image's diagonal (default 0.02)",
    )
    parser.add_argument(
        "--trimap-width",
        type=_pixels,
        default=3,
        metavar="PX",
        help="pixels on either side of a contour that trimap IoU looks at (default 3)",
    )
    parser.add_argument(
        "--per-image",
        action="store_true",
        help="a row for each image, those that differ most first",
    )
    _add_files(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    """What may be written besides."""
    parser.add_argument("--confusion-csv", type=Path, metavar="FILE.csv")
    parser.add_argument("--confusion-png", type=Path, metavar="FILE.png")
    parser.add_argument(
        "--curves",
        type=Path,
        metavar="FILE.csv",
        help="precision and recall by category (with --json also there): of objects with scores at "
        "IoU .5, .75 and the mean of .5 to .95, of pixels with confidence",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    from segstudio.engine.evaluation import EvaluationOptions, evaluate  # noqa: PLC0415
    from segstudio.engine.named_label_sets import named_sets  # noqa: PLC0415 - starts fast

    tables = arguments.confusion_csv, arguments.curves
    for path, suffix in (*((table, ".csv") for table in tables), (arguments.confusion_png, ".png")):
        if path is not None:
            require_suffix(path, suffix)
    options = EvaluationOptions(
        unlabelled=arguments.unlabelled,
        split=arguments.split,
        missing_is_wrong=arguments.missing == "wrong",
        boundary_share=arguments.boundary_share,
        trimap_width=arguments.trimap_width,
    )
    table: Path | None = arguments.classes
    names = arguments.predicted, arguments.truth
    with named_sets(*names, table, arguments.ignore) as (predicted, truth):
        found = evaluate(predicted, truth, options, output.progress)
    _write_confusion(found, arguments.confusion_csv, arguments.confusion_png)
    data = _data(found, per_image=arguments.per_image)
    text = _text(found, per_image=arguments.per_image)
    if arguments.curves is not None:
        _write_curves(found, arguments.curves)
        data["curves"] = [_curve(one, found) for one in found.curves]
        text += "" if found.curves else f"\n\nThere are no curves: {_NO_CURVES[found.no_curves]}"
    output.result(data, text)
    return 0


def _ids(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) <= 65_535 for part in parts):
        raise argparse.ArgumentTypeError("ids are numbers from 0 to 65535 with commas between")
    return tuple(int(part) for part in parts)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("a share is more than 0 and less than 1")
    return value


def _pixels(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 10_000):
        raise argparse.ArgumentTypeError("a width is 1 to 10000 pixels")
    return int(text)


def _write_confusion(found: Evaluation, table: Path | None, picture: Path | None) -> None:
    from segstudio.metrics.confusion_picture import (  # noqa: PLC0415
        confusion_csv,
        confusion_picture,
    )

    names = [row.name for row in found.categories]
    if table is not None:
        write_whole(table, confusion_csv(found.confusion, names).encode("utf-8", "replace"))
    if picture is not None:
        write_whole(picture, png_bytes(confusion_picture(found.confusion, names)))


def _write_curves(found: Evaluation, table: Path) -> None:
    from segstudio.engine.evaluation_curves import curves_csv  # noqa: PLC0415 - starts fast

    names = [row.name for row in found.categories]
    write_whole(table, curves_csv(found.curves, names).encode("utf-8", "replace"))


def _curve(one: CategoryCurve, found: Evaluation) -> dict[str, Any]:
    points = one.points()
    return {
        "category": found.categories[one.category].name,
        "kind": one.kind,
        "ap": one.ap,
        "threshold": [point[0] for point in points],
        "recall": [point[1] for point in points],
        "precision": [point[2] for point in points],
    }


def _data(found: Evaluation, *, per_image: bool) -> dict[str, Any]:
    scores, panoptic, coco = found.scores, found.scores.panoptic, found.scores.coco
    data: dict[str, Any] = {
        "predicted": found.predicted,
        "truth": found.truth,
        "images": len(found.images),
        "pixel_accuracy": scores.pixel_accuracy,
        "mean_accuracy": scores.mean_accuracy,
        "miou": scores.miou,
        "mean_dice": scores.mean_dice,
        "frequency_weighted_iou": scores.frequency_weighted_iou,
        "boundary_iou": scores.boundary_iou,
        "boundary_share": found.boundary_share,
        "boundary_pixels": list(found.boundary_pixels),
        "trimap_iou": scores.trimap_iou,
        "trimap_width": found.trimap_width,
        **dict.fromkeys(("pq", "sq", "rq")),
        **(dataclasses.asdict(panoptic) if panoptic is not None else {}),
        "ap": _number(coco.ap) if coco is not None else None,
        "coco": None,
        "pixel_ap": scores.pixel_ap,
        "unlabelled": found.unlabelled,
        "only_predicted": list(found.only_predicted),
        "per_category": [_category(row) for row in found.categories],
        "confusion": found.confusion.counts.tolist(),
        "left_out": [{"image": row.name, "reason": row.reason} for row in found.left_out],
    }
    if coco is not None:
        names = ("ap", "ap50", "ap75", "small", "medium", "large", "recall")
        data["coco"] = {name: _number(getattr(coco, name)) for name in names}
    if per_image:
        data["per_image"] = [_image(row, found) for row in found.by_disagreement()]
    return data


def _number(value: float) -> float | None:
    return value if value == value else None  # noqa: PLR0124 - NaN is not itself


def _category(row: CategoryScores) -> dict[str, Any]:
    return dataclasses.asdict(row)


def _image(row: ImageScores, found: Evaluation) -> dict[str, Any]:
    return {
        "image": row.name,
        "image_id": row.image_id or None,
        "height": row.size[0],
        "width": row.size[1],
        "pixels": row.pixels,
        "wrong": row.wrong,
        "disagreement": row.disagreement,
        "miou": row.miou,
        "box": None if row.box is None else list(row.box),
        "box_truth": _name(found, row.place_truth),
        "box_predicted": _name(found, row.place_predicted),
    }


def _name(found: Evaluation, place: int) -> str | None:
    return found.categories[place].name if place >= 0 else None


def _text(found: Evaluation, *, per_image: bool) -> str:
    scores = found.scores
    low, high = found.boundary_pixels
    band = f"{low} px" if low == high else f"{low} to {high} px"
    rows = [
        ("mIoU", scores.miou),
        ("mean Dice", scores.mean_dice),
        ("pixel accuracy", scores.pixel_accuracy),
        ("mean accuracy", scores.mean_accuracy),
        ("frequency-weighted IoU", scores.frequency_weighted_iou),
        (f"boundary IoU ({band})", scores.boundary_iou),
        (f"trimap IoU ({found.trimap_width} px each side)", scores.trimap_iou),
    ]
    if scores.panoptic is not None:
        rows += [(name.upper(), getattr(scores.panoptic, name)) for name in ("pq", "sq", "rq")]
    if scores.coco is not None:
        rows += [("mask AP@[.5:.95]", _number(scores.coco.ap))]
        rows += [("mask AP@.5", _number(scores.coco.ap50))]
    if scores.pixel_ap is not None:
        rows += [("pixel AP (best category alone)", scores.pixel_ap)]
    lines = [f"{found.predicted} against {found.truth}: {len(found.images)} images"]
    lines += [f"{name:<36}{_percent(value):>7}" for name, value in rows]
    width = max(12, *(len(row.name) for row in found.categories)) + 2
    lines.append(f"\n{'category':<{width}}{'IoU':>7}{'Dice':>7}{'recall':>8}{'precision':>11}")
    for row in found.categories:
        lines.append(
            f"{row.name:<{width}}{_percent(row.iou):>7}{_percent(row.dice):>7}"
            f"{_percent(row.accuracy):>8}{_percent(row.precision):>11}"
        )
    if per_image:
        lines.append("\nimages that differ most")
        lines += [_image_line(row) for row in found.by_disagreement()[:MOST_SAID]]
    return "\n".join([*lines, *_remarks(found)])


def _image_line(row: ImageScores) -> str:
    box = (
        ""
        if row.box is None
        else f"  most at x {row.box[0]}-{row.box[2]}, y {row.box[1]}-{row.box[3]}"
    )
    return f"{_percent(row.disagreement):>7}  {row.name}{box}"


def _remarks(found: Evaluation) -> list[str]:
    """What a reader of the scores should know beside them."""
    lines = []
    if found.only_predicted:
        lines.append(f"\nUnknown to the truth, so wrong: {', '.join(found.only_predicted)}")
    if found.unlabelled:
        lines.append(f"\n{_percent(found.unlabelled).strip()} % of the pixels have no truth.")
    if found.left_out:
        lines.append(f"\n{len(found.left_out)} images left out:")
        lines += [f"  {row.name}: {row.reason}" for row in found.left_out[:MOST_SAID]]
        if (more := len(found.left_out) - MOST_SAID) > 0:
            lines.append(f"  ... and {more} more; --json lists them.")
    return lines


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"

"""The arguments of `segstudio predict`, and what they come to."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import ModelCategory
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget
from segstudio.engine.label_map_parts import Former, LabelMapOptions
from segstudio.models.semantic.contract import CrfSettings, PredictSettings

LEAST_SCALE, MOST_SCALE = 0.25, 4.0


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """All of them but the source."""
    parser.add_argument(
        "--model", required=True, metavar="KEY|FOLDER", help="see `segstudio models list`"
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the weights' file or folder")
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps or auto (default)")
    parser.add_argument("--yes", action="store_true", help="download weights that are not here")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write label maps there, and no annotations into the project",
    )
    _add_asking(parser.add_argument_group("how the model is asked"))
    _add_choosing(parser.add_argument_group("which images of a project"))
    _add_turning(parser.add_argument_group("how label maps become annotations"))


def _add_asking(group: argparse._ArgumentGroup) -> None:
    plain = PredictSettings()
    group.add_argument(
        "--scales",
        type=_numbers,
        default=plain.scales,
        metavar="S,S,…",
        help="average over the image at these sizes, such as 0.5,1,1.5; default: 1",
    )
    group.add_argument("--flip", action="store_true", help="average with the mirror image")
    group.add_argument("--crf", action="store_true", help="refine borders by a dense CRF")
    group.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="default: the model's own"
    )
    group.add_argument(
        "--tile", type=int, default=0, metavar="N", help="side of the window; default: the model's"
    )
    group.add_argument(
        "--overlap", type=float, default=plain.overlap, metavar="F", help="default: %(default)s"
    )
    group.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="[NAME=]P",
        help="pixels less probable count as nothing; for all categories or one; may be repeated",
    )


def _add_choosing(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--todo", action="store_true", help="only images that are to do")
    group.add_argument("--split", metavar="S", help="only images of that split")


def _add_turning(group: argparse._ArgumentGroup) -> None:
    plain = LabelMapOptions()
    group.add_argument(
        "--category",
        action="append",
        default=[],
        metavar="NAME=TARGET",
        help="the project's category that one of the model's becomes; without TARGET: none",
    )
    group.add_argument(
        "--least-area",
        type=int,
        default=plain.least_area,
        metavar="N",
        help="smaller parts are left out (pixels); default: %(default)s",
    )
    group.add_argument(
        "--holes",
        type=int,
        default=plain.hole_area,
        metavar="N",
        help="smaller holes are filled (pixels); default: %(default)s",
    )
    group.add_argument(
        "--over-labelled", action="store_true", help="also where annotations are already"
    )
    group.add_argument(
        "--former",
        choices=[str(member) for member in Former],
        default=str(plain.former),
        help="keep former predictions, or replace those that nobody touched; default: %(default)s",
    )
    group.add_argument(
        "--via", metavar="KEY", help="a prompt model (or auto) that draws each part's outline anew"
    )
    group.add_argument(
        "--agreement",
        type=float,
        default=0.7,
        metavar="IOU",
        help="its mask is taken where its IoU with the part is this or more; default: %(default)s",
    )


def predict_settings(arguments: argparse.Namespace) -> PredictSettings:
    """How the model is asked. Raises BadInputError for numbers out of bounds."""
    scales = arguments.scales
    if not scales or not all(LEAST_SCALE <= scale <= MOST_SCALE for scale in scales):
        raise BadInputError(f"--scales are from {LEAST_SCALE} to {MOST_SCALE:g}.")
    if not (math.isfinite(arguments.temperature) and arguments.temperature >= 0):
        raise BadInputError("--temperature is above 0; without it, the model's own is taken.")
    if arguments.tile and not 32 <= arguments.tile <= 8192:
        raise BadInputError("--tile goes from 32 to 8192.")
    if not 0 <= arguments.overlap <= 0.9:
        raise BadInputError("--overlap goes from 0 to 0.9.")
    return PredictSettings(
        tile=arguments.tile,
        overlap=arguments.overlap,
        scales=scales,
        flip=arguments.flip,
        temperature=arguments.temperature,
        crf=CrfSettings() if arguments.crf else None,
    )


def label_map_options(
    arguments: argparse.Namespace, categories: Sequence[ModelCategory]
) -> LabelMapOptions:
    """How label maps become annotations. Raises BadInputError for what makes no sense."""
    if arguments.least_area < 0 or arguments.holes < 0:
        raise BadInputError("--least-area and --holes must not be negative.")
    if not 0 < arguments.agreement <= 1:
        raise BadInputError("--agreement is above 0, and at most 1.")
    return LabelMapOptions(
        targets=_targets(arguments.category),
        thresholds=thresholds(arguments.threshold, categories),
        least_area=arguments.least_area,
        hole_area=arguments.holes,
        unlabelled_only=not arguments.over_labelled,
        former=Former(arguments.former),
    )


def thresholds(texts: Sequence[str], categories: Sequence[ModelCategory]) -> dict[str, float]:
    """Probabilities by category; `P` alone is for all of them that have none of their own."""
    names = {category.name for category in categories}
    general, own = 0.0, {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1:
            raise BadInputError(f"--threshold {text}: a threshold is a number from 0 to 1.")
        if name and name not in names:
            raise BadInputError(f"--threshold {text}: the model has no category “{name}”.")
        if name:
            own[name] = value
        else:
            general = value
    return {**dict.fromkeys(sorted(names), general), **own} if general or own else {}


def _targets(texts: Sequence[str]) -> Mapping[str, CategoryTarget]:
    targets = {}
    for text in texts:
        name, equals, target = text.partition("=")
        if not name or not equals:
            raise BadInputError(f"--category {text}: write NAME=TARGET, or NAME= for none.")
        targets[name] = CategoryTarget(0, target.strip()) if target.strip() else LEFT_OUT
    return targets


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))

"""Flags drawn from the records of a training: its settings, and what it takes of a project."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_type_hints

from segstudio.core.errors import BadInputError
from segstudio.models.training.settings import Augmentation, TrainingSettings

if TYPE_CHECKING:  # the store would make `--help` slow
    from segstudio.core.category import Category
    from segstudio.engine.training_choices import SetChoices, TrainingTarget

_ALIASES = {"architecture": "--arch", "learning_rate": "--lr"}

SETTINGS_HELP: Mapping[str, str] = {
    "architecture": "the network",
    "encoder": "what it stands on; the architecture's first where it is not given",
    "options": "an option of the architecture; may be given several times",
    "pretrained": "start the encoder from its ImageNet weights",
    "start": "a trained model that all is taken over from that fits",
    "side": "side of the training squares, in pixels",
    "batch": "squares at once, on each device",
    "epochs": "passes over the training images",
    "minutes": "end after that many minutes (0: never)",
    "patience": "end after that many epochs without a better mIoU (0: never)",
    "loss": "what is made small",
    "class_weights": "how much a pixel of each category counts in the cross-entropy",
    "dice_squared": "squares in Dice's denominator",
    "focal_gamma": "how much less the focal loss looks at what is easy",
    "optimiser": "what steps the parameters",
    "learning_rate": "of the decoder, at its highest",
    "encoder_rate": "the encoder's learning rate over the decoder's",
    "weight_decay": "of all but biases and norms",
    "momentum": "of SGD",
    "warmup": "steps in which the learning rate rises",
    "schedule": "how the learning rate falls",
    "clip": "largest norm of the gradient (0: any)",
    "precision": "what is computed in",
    "seed": "equal seeds give equal curves on one machine",
    "device": "cpu, cuda, mps or auto: a GPU where there is one",
    "devices": "GPUs on this machine",
    "nodes": "machines",
    "workers": "processes that read images (0: none of their own, -1: as fits the device)",
    "validate_every": "epochs between two looks at the validation images",
    "validate_steps": "at least that many steps between them, as few images have short epochs",
}
AUGMENTATION_HELP: Mapping[str, str] = {
    "scale": "training images are scaled by a factor between these",
    "flip": "chance that one is mirrored",
    "rotate": "largest turn, in degrees",
    "colour": "largest change of brightness, contrast and saturation, as a fraction",
    "blur": "chance that one is blurred",
}


def add_settings(parser: argparse.ArgumentParser, fitted: Collection[str] = ()) -> None:
    """A flag for every field of `TrainingSettings`, `--augment-...` for those of its treatment.

    A flag that is not given leaves nothing in what is parsed. The defaults of those named in
    `fitted` follow from the machine and the images.
    """
    group = parser.add_argument_group("training")
    _add_fields(group, TrainingSettings, SETTINGS_HELP, "", fitted)
    _add_fields(
        parser.add_argument_group("chance treatment of training images"),
        Augmentation,
        AUGMENTATION_HELP,
        "augment_",
        (),
    )


def chosen_settings(
    arguments: argparse.Namespace, base: TrainingSettings | None = None
) -> TrainingSettings:
    """`base` (None: the settings' own defaults), changed by the flags that were given.

    Raises BadInputError for an option without a value.
    """
    given, base = vars(arguments), base or TrainingSettings()
    augmentation = {
        field.name: given[f"augment_{field.name}"]
        for field in dataclasses.fields(Augmentation)
        if f"augment_{field.name}" in given
    }
    plain = {
        field.name: given[field.name]
        for field in dataclasses.fields(TrainingSettings)
        if field.name in given and field.name not in {"augmentation", "options"}
    }
    options = {**base.options, **dict(_option(text) for text in given.get("options", ()))}
    treated = dataclasses.replace(base.augmentation, **augmentation)
    return dataclasses.replace(base, **plain, options=options, augmentation=treated)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Flags of what is taken of the project."""
    group = parser.add_argument_group("training set")
    group.add_argument(
        "--images",
        choices=["labelled", "reviewed", "annotated"],
        default="labelled",
        help="labelled: those marked labelled or reviewed (default); annotated: all with "
        "annotations that were not rejected",
    )
    group.add_argument(
        "--unlabelled",
        choices=["ignore", "background"],
        default="ignore",
        help="what pixels without an annotation are (default: ignore)",
    )
    for flag, metavar, explanation in (
        ("--map", "FOUND=NAME", "the project's category FOUND counts as NAME"),
        ("--ignore", "FOUND", "pixels of the category FOUND do not count"),
        ("--background", "FOUND", "pixels of the category FOUND are background"),
    ):
        group.add_argument(flag, action="append", default=[], metavar=metavar, help=explanation)
    group.add_argument("--train-split", default="train", metavar="S", help="default: train")
    group.add_argument("--val-split", default="val", metavar="S", help="default: val")
    group.add_argument(
        "--val-share",
        type=float,
        default=0.2,
        metavar="F",
        help="share of images for validation, where splits do not say (default: 0.2)",
    )
    group.add_argument("--split-seed", type=int, default=0, metavar="N", help="default: 0")


def chosen_choices(arguments: argparse.Namespace, categories: Sequence[Category]) -> SetChoices:
    """The choices that the flags say. Raises BadInputError for a category that is not there."""
    from segstudio.engine.training_choices import (  # noqa: PLC0415 - starts fast
        BACKGROUND,
        IGNORED,
        ImageChoice,
        SetChoices,
        TrainingTarget,
        Unlabelled,
    )

    named: list[tuple[str, TrainingTarget]] = []
    for text in arguments.map:
        found, _, name = text.partition("=")
        if not name:
            raise BadInputError(f"--map takes FOUND=NAME, and {text!r} is not that.")
        named.append((found, TrainingTarget(name)))
    named += [(found, IGNORED) for found in arguments.ignore]
    named += [(found, BACKGROUND) for found in arguments.background]
    return SetChoices(
        ImageChoice(arguments.images),
        Unlabelled(arguments.unlabelled),
        {_category_id(found, categories): target for found, target in named},
        arguments.train_split,
        arguments.val_split,
        arguments.val_share,
        arguments.split_seed,
    )


def _category_id(name: str, categories: Sequence[Category]) -> int:
    by_name = {row.name.casefold(): row.id for row in categories}
    try:
        return by_name[name.casefold()]
    except KeyError:
        known = ", ".join(row.name for row in categories) or "none"
        raise BadInputError(
            f"The project has no category {name!r}; its categories are: {known}."
        ) from None


def _option(text: str) -> tuple[str, bool | int | float | str]:
    """NAME=VALUE, the value as JSON would read it, or a text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadInputError(f"--option takes NAME=VALUE, and {text!r} is not that.")
    if value.casefold() in {"true", "false"}:
        return name, value.casefold() == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _add_fields(
    group: argparse._ArgumentGroup,
    record: type[Any],
    helps: Mapping[str, str],
    prefix: str,
    fitted: Collection[str],
) -> None:
    kinds = get_type_hints(record)
    for field in dataclasses.fields(record):
        if field.name == "augmentation":
            continue
        explanation = helps[field.name].replace("%", "%%")
        flags = [f"--{prefix}{field.name}".replace("_", "-")]
        if field.name in _ALIASES:
            flags.insert(0, _ALIASES[field.name])
        if field.name == "options":
            group.add_argument(
                "--option", dest="options", action="append", default=argparse.SUPPRESS,
                metavar="NAME=VALUE", help=explanation,
            )  # fmt: skip
            continue
        name, default = f"{prefix}{field.name}", field.default
        shown = "by the machine and the images" if field.name in fitted else ""
        _add_field(group, flags, kinds[field.name], default, name, explanation, shown)


def _add_field(  # noqa: PLR0917 - what argparse wants of a flag
    group: argparse._ArgumentGroup,
    flags: list[str],
    kind: Any,
    default: Any,
    name: str,
    explanation: str,
    fitted: str,
) -> None:
    more: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS}
    shown = default
    if kind is bool:
        more["action"] = argparse.BooleanOptionalAction
        shown = "yes" if default else "no"
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        more |= {"choices": [str(member) for member in kind], "type": kind}
    elif kind in (int, float, str):
        more |= {"type": kind, "metavar": {int: "N", float: "X", str: "KEY"}[kind]}
        shown = f"{default:g}" if kind is float else default
    else:  # a pair
        more |= {"type": _pair, "metavar": "LOW,HIGH"}
        shown = ",".join(f"{value:g}" for value in default)
    shown = fitted or shown
    told = f" (default: {shown})" if shown != "" else ""
    group.add_argument(*flags, help=explanation + told, **more)


def _pair(text: str) -> tuple[float, float]:
    low, high = text.split(",")
    return float(low), float(high)

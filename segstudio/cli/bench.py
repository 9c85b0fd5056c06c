"""`segstudio bench click|everything|encode|superpixels`: ours against a baseline, on this machine.

The baseline is the official package of the model or, as one wants, another of our models; and
scikit-image for superpixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segstudio.cli.output import Output
from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.imaging.read import read_image
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.registry import PROMPT_MODELS, prompt_model

if TYPE_CHECKING:
    from segstudio.models.benchmarks.pair import Pair

SUPERPIXELS = "superpixels"
NAMES = ("click", "everything", "encode", SUPERPIXELS)
SIZES = ("1500x1000", "4950x3300")
REPEATS = {"click": 7, "everything": 3, "encode": 5, SUPERPIXELS: 3}

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "The canvas is measured too: segstudio bench canvas --help."
    parser.add_argument("name", choices=NAMES, help="what is measured")
    keys = ", ".join(card.key for card in PROMPT_MODELS)
    parser.add_argument(
        "--model", default="mobile_sam", metavar="KEY", help=f"one of {keys}; default mobile_sam"
    )
    parser.add_argument(
        "--beside", metavar="KEY", help="another of our models to be the baseline, for time alone"
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the weights' file or folder")
    parser.add_argument(
        "--size", nargs="+", metavar="WxH", help=f"of the image; default {' '.join(SIZES)} or so"
    )
    parser.add_argument("--image", type=Path, metavar="FILE", help="instead of the sample photo")
    parser.add_argument("--repeats", type=int, metavar="N", help="medians are taken of so many")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: of all threads together"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="of both sides; default: as each side chooses"
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, mps or auto")
    grid = parser.add_argument_group("everything")
    grid.add_argument("--points-per-side", type=int, default=32, metavar="N", help="default 32")
    grid.add_argument(
        "--points-per-batch",
        type=int,
        metavar="N",
        help="of the official side; default 64 if it fits",
    )
    grid.add_argument("--min-region", type=int, default=0, metavar="N", help="default 0 pixels")
    grid.add_argument("--crop-layers", type=int, default=0, metavar="N", help="default 0")
    grid.add_argument("--fast", action="store_true", help="our fast mode too, with its recall")


def run(arguments: argparse.Namespace, output: Output) -> int:
    _check(arguments)
    # They import torch.
    from segstudio.models.benchmarks.machine import describe_machine  # noqa: PLC0415

    rows: dict[str, Row] = {}
    machine: Row = {}
    status = 0
    make = _beside_rows if arguments.beside else _pair_rows
    if arguments.name == SUPERPIXELS:
        make = _superpixel_rows
    try:
        for device, row in make(arguments, output):
            machine = machine or describe_machine(device)
            if row is not None:
                rows[row["name"]] = row
    except KeyboardInterrupt:
        output.say("Interrupted; here is what was finished.")
        status = 130
    data = {"rows": list(rows.values()), "machine": machine, "interrupted": status != 0}
    output.result(data, "\n".join(_line(row) for row in rows.values()))
    return status


def _superpixel_rows(
    arguments: argparse.Namespace, output: Output
) -> Iterator[tuple[str, Row | None]]:
    from segstudio.imaging.superpixel_benchmark import SIZES, superpixel_rows  # noqa: PLC0415

    images = list(_images(arguments, SIZES))
    yield "cpu", None
    repeats = arguments.repeats or REPEATS[SUPERPIXELS]
    for row in superpixel_rows(images, repeats, arguments.clock, output.progress):
        yield "cpu", row


def _pair_rows(arguments: argparse.Namespace, output: Output) -> Iterator[tuple[str, Row | None]]:
    """The device that is measured on, then each row with it."""
    images = list(_images(arguments, SIZES))
    with _loaded(arguments, arguments.model, output, arguments.weights) as pair:
        yield pair.model.device, None
        for row in _rows(arguments, pair, images, output):
            yield pair.model.device, row


def _beside_rows(arguments: argparse.Namespace, output: Output) -> Iterator[tuple[str, Row | None]]:
    """The same for two of our models; a folder of weights is for both, a file for the first."""
    from segstudio.models.benchmarks.beside import beside_rows  # noqa: PLC0415

    images = list(_images(arguments, SIZES))
    given = arguments.weights
    both = given if given is not None and given.is_dir() else None
    with (
        _loaded(arguments, arguments.model, output, given) as pair,
        _loaded(arguments, arguments.beside, output, both) as other,
    ):
        yield pair.model.device, None
        repeats = arguments.repeats or REPEATS[arguments.name]
        settings = _settings(arguments)
        rows = beside_rows(
            arguments.name,
            (pair, other),
            images,
            repeats,
            settings=settings,
            report=output.progress,
        )
        for row in rows:
            yield pair.model.device, row


def _loaded(
    arguments: argparse.Namespace, key: str, output: Output, weights: Path | None
) -> AbstractContextManager[Pair]:
    from segstudio.models.benchmarks.pair import load_pair  # noqa: PLC0415

    return load_pair(
        prompt_model(key),
        device=arguments.device,
        clock=arguments.clock,
        threads=arguments.threads,
        report=output.progress,
        weights=weights,
    )


def _rows(
    arguments: argparse.Namespace, pair: Pair, images: list[RgbImage], output: Output
) -> Iterator[Row]:
    from segstudio.models.benchmarks.click import click_rows  # noqa: PLC0415
    from segstudio.models.benchmarks.encode import encode_rows  # noqa: PLC0415
    from segstudio.models.benchmarks.everything import Plan, everything_rows  # noqa: PLC0415

    repeats = arguments.repeats or REPEATS[arguments.name]
    if arguments.name == "click":
        return click_rows(pair, images, repeats, output.progress)
    if arguments.name == "encode":
        return encode_rows(pair, images, repeats, output.progress)
    plan = Plan(_settings(arguments), arguments.points_per_batch, arguments.fast)
    return everything_rows(pair, images, repeats, plan, report=output.progress, say=output.say)


def _settings(arguments: argparse.Namespace) -> EverythingSettings:
    return EverythingSettings(
        points_per_side=arguments.points_per_side,
        min_region=arguments.min_region,
        crop_layers=arguments.crop_layers,
    )


def _check(arguments: argparse.Namespace) -> None:
    if arguments.beside:
        prompt_model(arguments.beside)  # says which there are
        if arguments.crop_layers:
            raise BadInputError("--crop-layers does not go with --beside.")
    for name, least in (
        ("repeats", 1),
        ("threads", 1),
        ("points_per_side", 1),
        ("points_per_batch", 1),
        ("min_region", 0),
        ("crop_layers", 0),
    ):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise BadInputError(f"--{name.replace('_', '-')} must be at least {least}.")


def _images(arguments: argparse.Namespace, sizes: Sequence[str]) -> Iterator[RgbImage]:
    from segstudio.models.benchmarks.pair import benchmark_photo  # noqa: PLC0415

    photo = read_image(arguments.image).pixels if arguments.image else None
    if photo is not None and not arguments.size:
        yield RgbImage(photo)
        return
    for text in arguments.size or sizes:
        yield benchmark_photo(_size(text), photo)


def _size(text: str) -> tuple[int, int]:
    """(H, W) of "WxH"."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise BadInputError(f"A size is written as 1500x1000, not {text!r}.")
    width, height = map(int, parts)
    return height, width


def _line(row: Row) -> str:
    """One row for a person."""
    line = f"{row['name']:<40} {row['ours_s'] * 1e3:10.1f} ms"
    if row["baseline_s"] is not None:
        line += f"  {row['baseline_s'] * 1e3:10.1f} ms  "
        line += "refused" if row["ratio"] is None else f"{row['ratio']:.2f}x"
    for key, text in (
        ("iou_min", "IoU >= {}"),
        ("max_difference", "difference {}"),
        ("masks", "{} masks"),
        ("peak_mb", "peak {} MB"),
        ("baseline_peak_mb", "(baseline {} MB)"),
        ("segments", "{} segments"),
        ("baseline_segments", "(baseline {})"),
        ("bytes_per_pixel", "{} bytes a pixel"),
        ("baseline_bytes_per_pixel", "(baseline {})"),
        ("recall", "recall {}"),
        ("times_as_long", "{} times as long"),
        ("reason", "({})"),
    ):
        if row.get(key) is not None:
            line += "  " + text.format(row[key])
    return line

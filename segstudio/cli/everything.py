"""`segstudio everything IMAGE|DIR|PROJECT --out DIR`: masks of everything, SA-1B JSON per image."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from segstudio.cli.files import Source, image_sources, write_whole
from segstudio.cli.model_arguments import add_model_arguments, embedding_cache, load_model
from segstudio.cli.output import Output
from segstudio.cli.segment import coco_annotation
from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, Progress
from segstudio.core.prompt import Candidates
from segstudio.engine.encoding import crop_encoder, encode_image
from segstudio.engine.model_preparing import MANY_IMAGES
from segstudio.formats.sa1b.format import where_found
from segstudio.imaging.photo import open_image
from segstudio.models.prompt.contract import EverythingSettings, PromptModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = EverythingSettings()
    parser.add_argument("source", type=Path, metavar="IMAGE|DIR|PROJECT")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="JSON files go here")
    parser.add_argument(
        "--resume", action="store_true", help="leave out images whose JSON is there already"
    )
    for flag, kind, text in (
        ("points-per-side", int, "the grid of prompts is N x N"),
        ("predicted-iou", float, "masks below this are dropped (0 to 1)"),
        ("stability", float, "masks below this are dropped (0 to 1)"),
        ("box-nms", float, "of masks whose boxes overlap more than this, the best stays"),
        ("min-region", int, "holes and islands smaller than this are removed (pixels)"),
    ):
        value = getattr(default, flag.replace("-", "_"))
        parser.add_argument(
            f"--{flag}", type=kind, default=value, metavar="N", help=f"{text}; default {value:g}"
        )
    parser.add_argument(
        "--crop-layers",
        type=int,
        default=default.crop_layers,
        metavar="N",
        help="look at 4, 16, ... overlapping crops too, for small things; default %(default)s",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="approximate: ask only where nothing was found yet; some masks are missed",
    )
    add_model_arguments(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    settings = _settings(arguments)
    sources = image_sources(arguments.source)
    targets = dict(zip(sources, _targets(sources, arguments.out), strict=True))
    wanted = [row for row in sources if not (arguments.resume and targets[row].is_file())]
    model = load_model(arguments, output) if wanted else None
    start = time.perf_counter()
    if model is not None and len(wanted) >= MANY_IMAGES:
        model.prepare(output.progress, CancelToken())
    written, failed, masks = [], [], 0
    for index, source in enumerate(wanted):
        output.progress(Progress(index, len(wanted), f"Segmenting {source.name}"))
        try:
            image = open_image(source.path, cache_dir() / "pixels")
        except BadInputError as error:
            failed.append({"path": source.name, "reason": str(error)})
            output.say(str(error))
            continue
        assert model is not None
        found = _everything(model, image, settings, output)
        content = sa1b_record(source, image.size, found)
        write_whole(targets[source], json.dumps(content).encode())
        written.append(str(targets[source].resolve()))
        masks += len(found.items)
    seconds = time.perf_counter() - start
    data = {
        "model": model.card.key if model else arguments.model,
        "device": model.device if model else arguments.device,
        "approximate": settings.fast,
        "images": len(written),
        "masks": masks,
        "files": written,
        "already_there": len(sources) - len(wanted),
        "unreadable": failed,
        "seconds": round(seconds, 3),
    }
    text = f"{masks} masks on {len(written)} images in {arguments.out} in {seconds:.1f} s."
    if settings.fast:
        text += " Fast mode is approximate: some masks are missed."
    output.result(data, text)
    return 1 if failed and not written else 0


def sa1b_record(source: Source, size: tuple[int, int], found: Candidates) -> dict[str, Any]:
    """An image and its masks with the keys of the SA-1B dataset (Kirillov et al. 2023).

    `crop_box` is where a mask was found, the whole image if its model does not say, and
    `point_coords` the prompt that gave it. For a model that has no prompts, that is the point of
    the mask that is farthest from its edge.
    """
    height, width = size
    return {
        "image": {
            "image_id": source.id,
            "file_name": source.name,
            "width": width,
            "height": height,
        },
        "annotations": [
            {
                **coco_annotation(item, number, source.id),
                **where_found(item.mask, item.crop, [item.point] if item.point else []),
            }
            for number, item in enumerate(found.items, start=1)
        ],
    }


def _settings(arguments: argparse.Namespace) -> EverythingSettings:
    if not 1 <= arguments.points_per_side <= 256:
        raise BadInputError("--points-per-side goes from 1 to 256.")
    if arguments.min_region < 0:
        raise BadInputError("--min-region must not be negative.")
    if not 0 <= arguments.crop_layers <= 4:
        raise BadInputError("--crop-layers goes from 0 to 4.")
    for name in ("predicted_iou", "stability", "box_nms"):
        if not 0 <= getattr(arguments, name) <= 1:
            raise BadInputError(f"--{name.replace('_', '-')} goes from 0 to 1.")
    return EverythingSettings(
        points_per_side=arguments.points_per_side,
        predicted_iou=arguments.predicted_iou,
        stability=arguments.stability,
        box_nms=arguments.box_nms,
        min_region=arguments.min_region,
        crop_layers=arguments.crop_layers,
        fast=arguments.fast,
    )


def _everything(
    model: PromptModel, image: RgbImage, settings: EverythingSettings, output: Output
) -> Candidates:
    cache, cancel = embedding_cache(), CancelToken()
    embedding = encode_image(model, cache, image, cancel)
    crops = crop_encoder(model, cache, image, cancel)
    return model.everything(embedding, settings, output.progress, cancel, crops)


def _targets(sources: Sequence[Source], out: Path) -> Iterator[Path]:
    """`a/b.jpg` goes to `a/b.json`; twins that differ in their suffix only keep it."""
    stems = [PurePosixPath(source.name).with_suffix("") for source in sources]
    counts = Counter(str(stem).lower() for stem in stems)
    for source, stem in zip(sources, stems, strict=True):
        twins = counts[str(stem).lower()] > 1
        yield out / (f"{source.name}.json" if twins else f"{stem}.json")

"""`segstudio segment IMAGE --point X,Y[,0|1] --box X0,Y0,X1,Y1 --out FILE`: one mask."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

from segstudio.cli.files import png_bytes, require_suffix, write_whole
from segstudio.cli.model_arguments import add_model_arguments, embedding_cache, load_model
from segstudio.cli.output import Output
from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Candidate, Prompt
from segstudio.engine.encoding import encode_image
from segstudio.imaging.photo import open_image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path)
    parser.add_argument(
        "--point",
        action="append",
        default=[],
        type=_point,
        metavar="X,Y[,0|1]",
        help="a pixel on the object (1, default) or beside it (0); may be repeated",
    )
    parser.add_argument("--box", type=_box, metavar="X0,Y0,X1,Y1", help="around the object")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="FILE.png: a 0/255 mask of the image's size; FILE.json: a COCO annotation",
    )
    add_model_arguments(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    suffix = require_suffix(arguments.out, ".png", ".json")
    image = open_image(arguments.image, cache_dir() / "pixels")
    prompt = _prompt(arguments, image.size)
    model = load_model(arguments, output)
    start = time.perf_counter()
    embedding = encode_image(model, embedding_cache(), image, CancelToken())
    encoded = time.perf_counter()
    candidates = model.predict(embedding, prompt)
    answered = time.perf_counter()
    if not candidates.items:
        raise BadInputError("The model found no mask there; add a point on the object.")
    best = candidates.items[candidates.best]
    annotation = coco_annotation(best, number=1, image_id=1)
    if suffix == ".png":
        write_whole(arguments.out, png_bytes(best.mask.to_array()))
    else:
        write_whole(arguments.out, json.dumps(annotation).encode())
    data = {
        "image": str(arguments.image),
        "out": str(arguments.out.resolve()),
        "model": model.card.key,
        "device": model.device,
        "prompt": prompt.to_json(),
        **{key: annotation[key] for key in ("area", "bbox", "predicted_iou", "stability_score")},
        "candidates": len(candidates.items),
        "encode_s": round(encoded - start, 4),
        "predict_s": round(answered - encoded, 4),
    }
    text = (
        f"{arguments.out}: {best.mask.area} pixels, predicted IoU {best.predicted_iou:.2f}, by "
        f"{model.card.title} in {answered - start:.2f} s."
    )
    output.result(data, text)
    return 0


def coco_annotation(candidate: Candidate, number: int, image_id: int) -> dict[str, Any]:
    """A candidate as a COCO annotation (compressed RLE) of category 1, with the model's scores."""
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "segmentation": candidate.mask.to_coco(),
        "area": candidate.mask.area,
        "bbox": list(candidate.mask.bbox),
        "iscrowd": 0,
        "predicted_iou": round(float(candidate.predicted_iou), 6),
        "stability_score": round(float(candidate.stability), 6),
    }


def _numbers(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers with commas")
    return values


def _point(text: str) -> tuple[float, float, int]:
    values = _numbers(text)
    if len(values) not in (2, 3) or values[2:] not in ([], [0.0], [1.0]):
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y or X,Y,0 or X,Y,1")
    return values[0], values[1], int(values[2]) if len(values) == 3 else 1


def _box(text: str) -> Box:
    values = _numbers(text)
    if len(values) != 4 or values[0] >= values[2] or values[1] >= values[3]:
        raise argparse.ArgumentTypeError(f"{text!r} is not X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1")
    return Box(*values)


def _prompt(arguments: argparse.Namespace, size: tuple[int, int]) -> Prompt:
    """Raises BadInputError for an empty prompt and for places outside the image."""
    height, width = size
    prompt = Prompt(box=arguments.box)
    for x, y, label in arguments.point:
        if not (0 <= x <= width and 0 <= y <= height):
            raise BadInputError(
                f"The point {x:g},{y:g} lies outside the image ({width} x {height} pixels)."
            )
        prompt = prompt.with_point(x, y, label)
    box = prompt.box
    if box is not None and (box.x1 <= 0 or box.y1 <= 0 or box.x0 >= width or box.y0 >= height):
        raise BadInputError(f"The box lies outside the image ({width} x {height} pixels).")
    if not prompt:
        raise BadInputError("Say where the object is, with --point X,Y or --box X0,Y0,X1,Y1.")
    return prompt

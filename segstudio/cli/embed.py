"""`segstudio embed PROJECT|DIR --model M`: encode images now, so that they open at once later."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from segstudio.cli.files import image_sources
from segstudio.cli.model_arguments import add_model_arguments, embedding_cache, load_model
from segstudio.cli.output import Output
from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken, Progress
from segstudio.engine.encoding import encode_image
from segstudio.engine.model_preparing import MANY_IMAGES
from segstudio.imaging.photo import open_image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="PROJECT|DIR", help="or a single image")
    add_model_arguments(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    sources = image_sources(arguments.source)
    model = load_model(arguments, output)
    cache = embedding_cache()
    start = time.perf_counter()
    if len(sources) >= MANY_IMAGES:
        model.prepare(output.progress, CancelToken())
    encoded, known, failed = 0, 0, []
    for index, source in enumerate(sources):
        output.progress(Progress(index, len(sources), f"Encoding {source.name}"))
        try:
            image = open_image(source.path, cache_dir() / "pixels")
        except BadInputError as error:
            failed.append({"path": source.name, "reason": str(error)})
            output.say(str(error))
            continue
        if cache.where(model.model_key, image.key) is None:
            encode_image(model, cache, image, CancelToken())
            encoded += 1
        else:
            known += 1
    if cache.warning:
        output.say(cache.warning)
    seconds = time.perf_counter() - start
    data = {
        "model": model.card.key,
        "device": model.device,
        "images": len(sources),
        "encoded": encoded,
        "already_there": known,
        "unreadable": failed,
        "seconds": round(seconds, 3),
    }
    text = f"{encoded} images encoded by {model.card.title} in {seconds:.1f} s, {known} were there."
    output.result(data, text)
    return 1 if len(failed) == len(sources) else 0

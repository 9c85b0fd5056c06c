"""`segstudio superpixels IMAGE --segments K --out FILE`: SLIC superpixels."""

from __future__ import annotations

import argparse
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segstudio.cli.files import png_bytes, require_suffix, write_whole
from segstudio.cli.output import Output
from segstudio.core.errors import BadInputError
from segstudio.core.progress import Progress
from segstudio.imaging.read import read_image
from segstudio.imaging.slic_apart import compiled_before
from segstudio.imaging.superpixels import compile_slic, slic

_LARGEST_IN_PNG = 65_535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path)
    parser.add_argument("--segments", type=int, required=True, metavar="K", help="how many, about")
    parser.add_argument(
        "--compactness", type=float, default=10.0, help="higher: rounder, lower: closer to edges"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="FILE.npy: (H, W) int32 labels from 0; FILE.png: the same as 16-bit grey",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    out: Path = arguments.out
    suffix = require_suffix(out, ".npy", ".png")
    if arguments.segments < 1 or not arguments.compactness > 0:
        raise BadInputError("--segments and --compactness must be larger than 0.")
    image = read_image(arguments.image)
    if not compiled_before():
        output.progress(Progress(0, 0, "Compiling, as this is the first time on this machine"))
    compile_slic()
    start = time.perf_counter()
    labels = slic(image.pixels, arguments.segments, arguments.compactness)
    seconds = time.perf_counter() - start
    write_whole(out, _npy(labels) if suffix == ".npy" else _png(labels))
    count = int(labels.max()) + 1
    data = {
        "image": str(arguments.image),
        "out": str(out.resolve()),
        "height": image.size[0],
        "width": image.size[1],
        "segments": count,
        "seconds": round(seconds, 4),
    }
    output.result(data, f"{out}: {count} superpixels in {seconds:.2f} s.")
    return 0


def _npy(labels: npt.NDArray[np.int32]) -> bytes:
    buffer = BytesIO()
    np.save(buffer, labels.astype(np.int32), allow_pickle=False)
    return buffer.getvalue()


def _png(labels: npt.NDArray[np.int32]) -> bytes:
    if int(labels.max()) > _LARGEST_IN_PNG:
        raise BadInputError(
            f"A PNG holds {_LARGEST_IN_PNG + 1} superpixels at most; write FILE.npy instead."
        )
    return png_bytes(labels.astype(np.uint16))

"""`python -m segstudio.models.prompt_training.rendering cut-outs|scenes MODELS TARGET ...`

Makes cut-outs or scenes from a folder of models with furniture catalogues. What is in the target
folder already stays, so that a run that was stopped goes on; the same seed makes the same files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from segstudio.models.prompt_training.rendering.catalogue import read_catalogues
from segstudio.models.prompt_training.rendering.cut_outs import Photos, make_cut_outs
from segstudio.models.prompt_training.rendering.scene_files import (
    Shelf,
    make_scenes,
    read_textures,
)


def read_photos(folder: Path | None) -> Photos:
    """The photos of a folder in RGB, at most 512 pixels a side."""
    found: Photos = []
    for path in sorted(folder.glob("*.jpg")) if folder is not None else ():
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is not None:
            scale = 512 / max(image.shape[:2])
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            found.append(np.ascontiguousarray(small[..., ::-1]))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rendering", description=__doc__)
    parser.add_argument("what", choices=("cut-outs", "scenes"))
    parser.add_argument("models", type=Path, help="a folder with furniture catalogues")
    parser.add_argument("target", type=Path, help="a folder; what is there already stays")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs: light and backgrounds")
    parser.add_argument(
        "--textures", type=Path, nargs="*", default=[], help="folders of floors for scenes"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="first view of each model, or scene")
    parser.add_argument("--count", type=int, default=12, help="views of each model, or scenes")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    cv2.setNumThreads(1)
    pieces = [piece for piece in read_catalogues(options.models) if piece.useful]
    photos = read_photos(options.photos)
    numbers = range(options.first, options.first + options.count)

    def said(line: str) -> None:
        sys.stderr.write(line + "\n")

    if options.what == "cut-outs":
        make_cut_outs(pieces, options.target, numbers, seed=options.seed, photos=photos, said=said)
    else:
        textures = read_textures([options.models, *options.textures])
        make_scenes(Shelf(pieces, photos, textures, options.seed), options.target, numbers, said)
    return 0


if __name__ == "__main__":
    sys.exit(main())

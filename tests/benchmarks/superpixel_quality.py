"""How well our superpixels fit people's drawings, beside scikit-image's, at equal real counts.

    python tests/benchmarks/superpixel_quality.py [--data DIR] [--split S] [--every N] [--json FILE]

Photos of BSDS500, the mean over all people who drew a photo, then over photos. scikit-image's
`slic` runs with its defaults (10 iterations, compactness 10, sigma 0) at several numbers of
segments; what it really returns is far fewer, as its connectivity merges. So each of its rows is
compared with ours at the same real number, photo by photo: ours is asked for the number that
brings it nearest (within 2 % in most photos), never for more than scikit-image really gave.
`boundary recall` has a tolerance of 2 pixels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segstudio.core.progress import CancelToken
from segstudio.imaging.read import read_image
from segstudio.imaging.superpixels import reference_slic, slic
from segstudio.metrics.superpixels import (
    achievable_accuracy,
    boundary_recall,
    undersegmentation_error,
)

ASKED = (100, 200, 400, 800, 1600)
MEASURES = {
    "boundary_recall": boundary_recall,
    "undersegmentation_error": undersegmentation_error,
    "achievable_accuracy": achievable_accuracy,
}


def count(labels: np.ndarray) -> int:
    return int(labels.max()) + 1


def ours_with(image: np.ndarray, wanted: int) -> np.ndarray:
    """Our labels with at most `wanted` real segments, as near to it as can be asked for."""
    asked, best = wanted, None
    for _ in range(8):
        labels = slic(image, asked)
        found = count(labels)
        if found <= wanted and (best is None or found > count(best)):
            best = labels
        if found == wanted:
            break
        following = max(2, round(asked * wanted / found))
        asked = following if following != asked else asked + (1 if found < wanted else -1)
    while best is None:
        asked = max(2, int(asked * 0.98))
        labels = slic(image, asked)
        best = labels if count(labels) <= wanted else None
    return best


def figures(labels: np.ndarray, drawings: np.ndarray) -> list[float]:
    """The number of segments, then each measure's mean over the drawings."""
    means = [
        float(np.mean([measure(labels, regions) for regions in drawings]))
        for measure in MEASURES.values()
    ]
    return [count(labels), *means]


def compare(photos: list[Path], asked: int) -> dict[str, Any]:
    sides: dict[str, list[list[float]]] = {"scikit-image": [], "ours": []}
    for path in photos:
        image = read_image(path).pixels
        drawings = np.load(path.with_suffix(".npz"))["segmentations"]
        theirs = reference_slic(image, asked, 10.0, CancelToken())
        sides["scikit-image"].append(figures(theirs, drawings))
        sides["ours"].append(figures(ours_with(image, count(theirs)), drawings))
    names = ("segments", *MEASURES)
    row: dict[str, Any] = {"asked": asked, "photos": len(photos)}
    for side, values in sides.items():
        row[side] = dict(zip(names, np.mean(values, axis=0).round(4).tolist(), strict=True))
    return row


def line(side: str, row: dict[str, Any]) -> str:
    values = row[side]
    return (
        f"{row['asked']:5d}  {side:<13}{values['segments']:8.1f}"
        f"{values['boundary_recall']:9.4f}{values['undersegmentation_error']:9.4f}"
        f"{values['achievable_accuracy']:9.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/bsds"))
    parser.add_argument("--split", default="val", help="val (default) or train")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth photo")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    photos = sorted((arguments.data / arguments.split).glob("*.jpg"))[:: arguments.every]
    if not photos:
        parser.error(f"there are no photos in {arguments.data / arguments.split}")
    print(f"{'asked':>5}  {'':<13}{'segments':>8}{'BR':>9}{'UE':>9}{'ASA':>9}")
    rows = []
    for asked in ASKED:
        row = compare(photos, asked)
        rows.append(row)
        for side in ("scikit-image", "ours"):
            print(line(side, row), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

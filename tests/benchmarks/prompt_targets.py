"""Real objects to click on, and where a simulated person clicks: for `prompt_quality.py`.

COCO 2017 instances: every object of over 1000 pixels, no crowds. BSDS500 val: every segment of over
1 % of its image, of one annotator a photo, drawn by the seed; the others' segments are kept beside
it. With seed 0, the first 150 and 100 drawn are the sample that earlier figures were made on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from segstudio.core.mask import Box, Mask

Bools = npt.NDArray[np.bool_]
Click = tuple[tuple[float, float], int]  # (x, y) in image pixels; 1 (add) or 0 (remove)

LEAST_COCO_PIXELS = 1000
LEAST_BSDS_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class Target:
    """An object of a photo: `truth`, and the `others` that a person may also have meant.

    `key` names it for good; `others` are segments that other annotators drew around the same
    first click (none in COCO).
    """

    key: str
    dataset: str
    image: Path
    truth: Mask
    others: tuple[Mask, ...] = ()

    @cached_property
    def first_click(self) -> tuple[float, float]:
        """(x, y) of the deepest pixel's centre of the largest part; ValueError if it is empty."""
        found = deepest(self.truth.to_array())
        if found is None:
            raise ValueError(f"{self.key} has no pixels")
        return found[0]

    @property
    def box(self) -> Box:
        """The tight half-open box."""
        return self.truth.box

    @property
    def share(self) -> float:
        """Of the image's pixels, 0 to 1."""
        return self.truth.area / (self.truth.size[0] * self.truth.size[1])


def targets(
    folder: Path, counts: tuple[int | None, int | None] = (None, None), seed: int = 0
) -> list[Target]:
    """Targets of COCO and BSDS below `folder`, sorted by photo.

    `counts` is how many of each dataset are drawn, None for all. A larger count of the same seed
    holds the smaller one's targets. Raises FileNotFoundError where the data is not there.
    """
    draw = random.Random(seed)
    coco = list(_coco(folder / "coco_instances"))
    draw.shuffle(coco)
    bsds = _bsds(folder / "bsds" / "val", draw)
    draw.shuffle(bsds)
    chosen = [
        *coco[: counts[0]],
        *(target for one in bsds[: counts[1]] for target in [_drawn(*one)]),
    ]
    return sorted(chosen, key=lambda target: str(target.image))


def _coco(folder: Path) -> Iterator[Target]:
    for split in ("train2017", "val2017"):
        content = json.loads((folder / "annotations" / f"instances_{split}.json").read_text())
        images = {image["id"]: image for image in content["images"]}
        for row in content["annotations"]:
            if row.get("iscrowd"):
                continue
            image = images[row["image_id"]]
            parts = coco_mask.frPyObjects(row["segmentation"], image["height"], image["width"])
            mask = coco_mask.decode(coco_mask.merge(parts))
            if mask.sum() > LEAST_COCO_PIXELS:
                path = folder / split / image["file_name"]
                yield Target(f"coco/{split}/{row['id']}", "coco", path, Mask.from_array(mask))


def _bsds(folder: Path, draw: random.Random) -> list[tuple[Path, int, int]]:
    """(file, annotator, label) of the segments of one annotator a photo."""
    found = []
    for file in sorted(folder.glob("*.npz")):
        people = np.load(file)["segmentations"]
        person = draw.randrange(len(people))
        shares = np.bincount(people[person].ravel()) / people[person].size
        found += [
            (file, person, label)
            for label in range(1, len(shares))
            if shares[label] > LEAST_BSDS_SHARE
        ]
    return found


def _drawn(file: Path, person: int, label: int) -> Target:
    people: npt.NDArray[Any] = np.load(file)["segmentations"]
    truth = people[person] == label
    found = deepest(truth)
    assert found is not None
    column, row = (int(value) for value in found[0])
    others = [
        Mask.from_array(regions == regions[row, column])
        for other, regions in enumerate(people)
        if other != person
    ]
    key = f"bsds/{file.stem}/{person}/{label}"
    return Target(key, "bsds", file.with_suffix(".jpg"), Mask.from_array(truth), tuple(others))


def thinned(chosen: Sequence[Target], every: int) -> list[Target]:
    """Every n-th target of each dataset."""
    named = dict.fromkeys(target.dataset for target in chosen)
    kept = {
        target.key
        for name in named
        for target in [target for target in chosen if target.dataset == name][::every]
    }
    return [target for target in chosen if target.key in kept]


# -- where a simulated person clicks ---------------------------------------------------------------


def deepest(mask: Bools) -> tuple[tuple[float, float], int] | None:
    """The point of the largest part farthest from its border, and that part's area in pixels.

    (x, y) of a pixel's centre; the image's edge is a border too. None for an empty mask.
    """
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    part = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    left, top, width, height, area = (int(value) for value in stats[part])
    alone = (parts[top : top + height, left : left + width] == part).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(alone, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (left + int(column) + 0.5, top + int(row) + 0.5), area


def next_click(truth: Bools, mask: Bools) -> Click | None:
    """The deepest point of the largest region where `mask` is wrong, to add it or remove it.

    None where nothing is wrong.
    """
    missing, wrong = deepest(truth & ~mask), deepest(mask & ~truth)
    if missing is not None and (wrong is None or missing[1] >= wrong[1]):
        return missing[0], 1
    return None if wrong is None else (wrong[0], 0)


def iou(one: Bools, other: Bools) -> float:
    """0 for two empty masks: nothing was found."""
    joint = int(np.count_nonzero(one | other))
    return int(np.count_nonzero(one & other)) / joint if joint else 0.0

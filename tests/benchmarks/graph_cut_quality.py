"""How good the built-in graph cut is on real objects, beside plain GrabCut in the same run.

    python tests/benchmarks/graph_cut_quality.py [--data DIR] [--every N] [--grabcut-every N]

Objects: 150 of COCO 2017 instances (over 1000 pixels, no crowds) and 100 segments of BSDS500 val
(over 1 % of the image), drawn with seed 0. First click: the deepest point of the object's largest
part. Each next one: the deepest point of the largest error, to add or to remove. `sel` is the IoU
of the mask that the model itself prefers (which also decides the next click), `best` that of the
best candidate along the same clicks. Prints mean IoU, seconds a prompt, and how honest the
predicted IoU is.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Prompt
from segstudio.imaging.read import read_image
from segstudio.models.registry import EMBEDDED_MODEL, prompt_model

CLICKS = (1, 3, 5)
GRABCUT_SIDE, GRABCUT_ROUNDS = 512, 2


@dataclass(frozen=True, eq=False)
class Target:
    dataset: str
    path: Path
    mask: np.ndarray


Answer = Callable[[Prompt], list[tuple[np.ndarray, float]]]  # masks with scores
Segmenter = Callable[[RgbImage], Answer]


def targets(folder: Path, coco: int = 150, bsds: int = 100) -> list[Target]:
    draw = random.Random(0)
    pool = []
    for split in ("train2017", "val2017"):
        text = (folder / f"coco_instances/annotations/instances_{split}.json").read_text()
        content = json.loads(text)
        images = {image["id"]: image for image in content["images"]}
        for row in content["annotations"]:
            if row.get("iscrowd"):
                continue
            image = images[row["image_id"]]
            parts = coco_mask.frPyObjects(row["segmentation"], image["height"], image["width"])
            mask = coco_mask.decode(coco_mask.merge(parts)).astype(bool)
            if mask.sum() > 1000:
                path = folder / "coco_instances" / split / image["file_name"]
                pool.append(Target("coco", path, mask))
    draw.shuffle(pool)
    chosen, pool = pool[:coco], []
    for file in sorted((folder / "bsds/val").glob("*.npz")):
        people = np.load(file)["segmentations"]
        regions = people[draw.randrange(len(people))]
        for label in range(1, int(regions.max()) + 1):
            if (regions == label).mean() > 0.01:
                pool.append(Target("bsds", file.with_suffix(".jpg"), regions == label))
    draw.shuffle(pool)
    return sorted(chosen + pool[:bsds], key=lambda target: str(target.path))


def deepest(mask: np.ndarray) -> tuple[tuple[float, float], int] | None:
    """The point of the largest part farthest from its border, and that part's area."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    part = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    alone = np.pad((parts == part).astype(np.uint8), 1)
    depth = cv2.distanceTransform(alone, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (column + 0.5, row + 0.5), int(stats[part, cv2.CC_STAT_AREA])


def next_click(truth: np.ndarray, mask: np.ndarray) -> tuple[tuple[float, float], int] | None:
    missing, wrong = deepest(truth & ~mask), deepest(mask & ~truth)
    if missing is None and wrong is None:
        return None
    if wrong is None or (missing is not None and missing[1] >= wrong[1]):
        assert missing is not None
        return missing[0], 1
    return wrong[0], 0


def iou(one: np.ndarray, other: np.ndarray) -> float:
    joint = int((one | other).sum())
    return int((one & other).sum()) / joint if joint else 0.0


@dataclass
class Tally:
    rows: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    promises: list[tuple[float, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, dataset: str, column: str, value: float) -> None:
        self.rows.setdefault((dataset, column), []).append(value)


def ask(
    answer: Answer, prompt: Prompt, truth: np.ndarray, tally: Tally
) -> tuple[Any, float, float]:
    start = time.perf_counter()
    found = answer(prompt)
    tally.seconds.append(time.perf_counter() - start)
    real = [iou(mask, truth) for mask, _ in found]
    tally.promises += [(score, value) for (_, score), value in zip(found, real, strict=True)]
    chosen = int(np.argmax([score for _, score in found]))
    return found[chosen][0], real[chosen], max(real)


def measure(segmenter: Segmenter, objects: list[Target]) -> Tally:
    tally, last, answer = Tally(), None, None
    for target in objects:
        if target.path != last or answer is None:
            answer, last = segmenter(read_image(target.path)), target.path
        first = deepest(target.mask)
        assert first is not None
        prompt = Prompt((first[0],), (1,))
        selected = best = 0.0
        clicks: tuple[tuple[float, float], int] | None = (first[0], 1)
        for number in range(1, max(CLICKS) + 1):
            if clicks is not None:
                mask, selected, best = ask(answer, prompt, target.mask, tally)
                clicks = next_click(target.mask, mask)
                if clicks is not None:
                    prompt = prompt.with_point(*clicks[0], clicks[1])
            if number in CLICKS:
                tally.add(target.dataset, f"{number} sel", selected)
                tally.add(target.dataset, f"{number} best", best)
        rows, columns = np.flatnonzero(target.mask.any(1)), np.flatnonzero(target.mask.any(0))
        box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        _, selected, best = ask(answer, Prompt(box=box), target.mask, tally)
        tally.add(target.dataset, "box sel", selected)
        tally.add(target.dataset, "box best", best)
    return tally


def graph_cut(image: RgbImage) -> Answer:
    model = prompt_model(EMBEDDED_MODEL).load(None, "cpu")
    embedding = model.encode(image, CancelToken())

    def answer(prompt: Prompt) -> list[tuple[np.ndarray, float]]:
        found = model.predict(embedding, prompt)
        return [(c.mask.to_array(), c.predicted_iou) for c in found.items]

    return answer


def grab_cut(image: RgbImage) -> Answer:
    """GrabCut on a small copy, seeded by disks around clicks or by the filled box."""
    height, width = image.size
    scale = min(1.0, GRABCUT_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image.pixels[..., ::-1], size, interpolation=cv2.INTER_AREA)

    def answer(prompt: Prompt) -> list[tuple[np.ndarray, float]]:
        seeds = np.full((size[1], size[0]), cv2.GC_PR_BGD, np.uint8)
        places = [(int(x * scale), int(y * scale)) for x, y in prompt.points]
        longest = max(size)
        if prompt.box is not None:
            seeds[:] = cv2.GC_BGD
            x0, y0, x1, y1 = (round(value * scale) for value in prompt.box)
            seeds[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = cv2.GC_PR_FGD
        for place, label in zip(places, prompt.labels, strict=True):
            if label:
                cv2.circle(seeds, place, int(longest * 0.12), cv2.GC_PR_FGD, -1)
        for place, label in zip(places, prompt.labels, strict=True):
            value = cv2.GC_FGD if label else cv2.GC_BGD
            cv2.circle(seeds, place, max(2, int(longest * 0.012)), value, -1)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)
        with suppress(cv2.error):  # it refuses seeds of one kind only, as a box of the whole image
            cv2.grabCut(small, seeds, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
        mask = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
        if prompt.box is None:
            _, parts = cv2.connectedComponents(mask)
            pairs = zip(places, prompt.labels, strict=True)
            wanted = {int(parts[y, x]) for (x, y), label in pairs if label} - {0}
            mask = np.isin(parts, list(wanted)).astype(np.uint8)
        full = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        return [(full > 0, 1.0)]

    return answer


def report(name: str, tally: Tally) -> None:
    for dataset in ("coco", "bsds"):
        rows = {column: values for (its, column), values in tally.rows.items() if its == dataset}
        if rows:
            count = len(next(iter(rows.values())))
            figures = "  ".join(f"{column} {np.mean(v):.3f}" for column, v in rows.items())
            print(f"{name:10} {dataset} n={count:3}  {figures}", flush=True)
    print(f"{name:10} {1000 * np.median(tally.seconds):.0f} ms a prompt (median)", flush=True)


def honesty(tally: Tally) -> None:
    promised, real = np.array(tally.promises).T
    bins = np.minimum((promised * 10).astype(int), 9)
    error = sum(
        abs(promised[bins == b].mean() - real[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    )
    correlation = np.corrcoef(promised, real)[0, 1]
    print(f"predicted IoU: correlation {correlation:.3f}, calibration error {error:.3f}")


def main() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser = argparse.ArgumentParser(description="Quality of the built-in graph cut.")
    parser.add_argument("--data", type=Path, default=beside)
    parser.add_argument("--every", type=int, default=1, help="take every N-th object")
    parser.add_argument("--grabcut-every", type=int, default=7, help="for GrabCut (0: not at all)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    objects = targets(options.data)
    tally = measure(graph_cut, objects[:: options.every])
    report("graph_cut", tally)
    honesty(tally)
    if options.grabcut_every:
        fewer = objects[:: options.grabcut_every]
        report("grabCut", measure(grab_cut, fewer))
        report("graph_cut*", measure(graph_cut, fewer))
        print("* on the objects of grabCut")


if __name__ == "__main__":
    main()

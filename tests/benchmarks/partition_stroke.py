"""What partition mode adds to a stroke, and what counting costs, on 16 megapixels with 200 cells.

    python tests/benchmarks/partition_stroke.py [--strokes N]

CPU time of one thread. Beside it, in the same run, the same stroke on whole arrays: every
annotation that the stroke's box meets is decoded, changed and encoded again (what was removed is
left unlabelled there, which is the cheaper half of the work).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.core.mask_difference import boxes_meet, difference
from segstudio.core.progress import CancelToken
from segstudio.engine.overlaps import find_flaws
from segstudio.engine.pixel_rights import with_rights

SIZE, CELLS = (3300, 4950), 200


def cells(rng: np.random.Generator) -> tuple[Annotation, ...]:
    """Cells with ragged borders that cover the image once, as annotations."""
    seeds = np.full(SIZE, 255, dtype=np.uint8)
    seeds[rng.integers(0, SIZE[0], CELLS), rng.integers(0, SIZE[1], CELLS)] = 0
    label = cv2.DIST_LABEL_PIXEL
    _, nearest = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=label)
    noise = rng.normal(size=SIZE).astype(np.float32)
    shift = (60 * cv2.GaussianBlur(noise, (0, 0), 4)).astype(np.int64)
    rows, columns = np.indices(SIZE)
    ragged = nearest[
        np.clip(rows + shift, 0, SIZE[0] - 1), np.clip(columns - shift, 0, SIZE[1] - 1)
    ]
    masks = [Mask.from_array(ragged == number) for number in range(1, int(nearest.max()) + 1)]
    found = [mask for mask in masks if mask.area]
    return tuple(Annotation(at, 1, 1, mask, z_order=at) for at, mask in enumerate(found, start=1))


def strokes(
    rng: np.random.Generator, rows: tuple[Annotation, ...], count: int
) -> Iterator[tuple[Annotation, Annotation]]:
    """Annotations before and after a stroke of 70 x 300 pixels; every second one erases."""
    made = 0
    while made < count:
        row = rows[int(rng.integers(len(rows)))]
        x0, y0, x1, y1 = row.mask.box
        x = min(int(rng.uniform(x0, x1)), SIZE[1] - 300)
        y = min(int(rng.uniform(y0, y1)), SIZE[0] - 70)
        crop = cv2.line(np.zeros((70, 300), dtype=np.uint8), (35, 35), (265, 35), 1, 66)
        area = Mask.from_crop(crop, (x, y), SIZE)
        new = row.mask.subtract(area) if made % 2 else row.mask.union(area)
        if new != row.mask and new.area:
            made += 1
            yield row, replace(row, mask=new)


def on_whole_arrays(rows: tuple[Annotation, ...], before: Annotation, after: Annotation) -> None:
    changed = difference(before.mask, after.mask)
    added = after.mask.to_array() & ~before.mask.to_array()
    for row in rows:
        if row.id != before.id and boxes_meet(row.mask, changed):
            Mask.from_array(row.mask.to_array() & ~added)


def milliseconds(seconds: list[float]) -> str:
    middle, late = np.percentile(seconds, [50, 95]) * 1000
    return f"median {middle:8.2f} ms   95th {late:8.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strokes", type=int, default=40)
    arguments = parser.parse_args()
    rng = np.random.default_rng(4)
    rows = cells(rng)
    runs = sum(len(row.mask.runs) for row in rows)
    print(f"{len(rows)} annotations, {runs} runs, {SIZE[0]} x {SIZE[1]} pixels")
    ours: list[float] = []
    theirs: list[float] = []
    counting: list[float] = []
    find_flaws(rows, SIZE, CancelToken())
    for before, after in strokes(rng, rows, arguments.strokes):
        start = time.process_time()
        with_rights(rows, (before,), (after,), partition=True, now=1.0)
        ours.append(time.process_time() - start)
        start = time.process_time()
        find_flaws(rows, SIZE, CancelToken())
        counting.append(time.process_time() - start)
        if len(theirs) < 6:
            start = time.process_time()
            on_whole_arrays(rows, before, after)
            theirs.append(time.process_time() - start)
    print(f"a stroke's rights       {milliseconds(ours)}")
    print(f"the same, whole arrays  {milliseconds(theirs)}")
    print(f"ratio of medians        {np.median(theirs) / np.median(ours):.0f}")
    print(f"counting (background)   {milliseconds(counting)}")


if __name__ == "__main__":
    main()

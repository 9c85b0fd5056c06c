"""What a move of a slider, of the pointer or of the view costs in the pick-list.

    python tests/benchmarks/pick_filters.py [--masks 3000] [--size 1000x1500] [--json]

Masks are seeded ellipses with wavy edges, each thing found about a dozen times, as raw results have
them. Every row is the median and the largest of its repeats, in milliseconds of CPU time: a
clock that other programs do not disturb.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Candidate, Candidates
from segstudio.engine.everything_results import RawResults, from_bytes, raw_settings, to_bytes
from segstudio.engine.picks import Covered, PickFilters, PickList, Shown
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.picks import picks_picture

THINGS = 250
VIEWPORT = (1200, 800)


def raw_results(count: int, size: tuple[int, int]) -> RawResults:
    """`count` masks at most, of THINGS things, in an image of `size` (H, W)."""
    random = np.random.default_rng(0)
    height, width = size
    unit = (height * width / 1.5e6) ** 0.5
    things = random.uniform((0, 0, np.log(12)), (width, height, np.log(300)), (THINGS, 3))
    found = []
    for number in range(count):
        x, y, log_radius = things[number % THINGS]
        radius = np.exp(log_radius + random.normal(0, 0.08)) * unit
        x, y = random.normal((x, y), 0.05 * radius)
        mask = _wavy_disc(x, y, radius, size)
        if mask.area:
            scores = random.uniform((0.7, 0.8), 1).astype(np.float32)
            found.append(Candidate(mask, float(scores[0]), float(scores[1]), point=(x, y)))
    found.sort(key=lambda item: -item.predicted_iou)
    return RawResults("0123456789abcdef", raw_settings(), Candidates(tuple(found), "bench-1"))


def _wavy_disc(x: float, y: float, radius: float, size: tuple[int, int]) -> Mask:
    x0, y0 = max(0, int(x - 1.2 * radius)), max(0, int(y - 1.2 * radius))
    x1, y1 = min(size[1], int(x + 1.2 * radius)), min(size[0], int(y + 1.2 * radius))
    if x1 <= x0 or y1 <= y0:
        return Mask.empty(size)
    across = (np.arange(x0, x1) + 0.5 - x)[None, :] / radius
    down = (np.arange(y0, y1) + 0.5 - y)[:, None] / radius
    inside = across**2 + down**2 + 0.15 * np.sin(9 * across) * np.cos(11 * down) <= 1
    return Mask.from_crop(inside, (x0, y0), size)


def milliseconds(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and largest."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - began))
    return statistics.median(taken), max(taken)


def rows(count: int, size: tuple[int, int]) -> Iterator[tuple[str, float, float]]:
    """Name, median and largest milliseconds."""
    raw = raw_results(count, size)
    data = to_bytes(raw)
    yield "write the file's bytes", *milliseconds(lambda: to_bytes(raw), 3)
    yield "read them", *milliseconds(lambda: from_bytes(data), 3)
    yield "compare all boxes", *milliseconds(lambda: PickList(raw, CancelToken()), 3)
    picks = PickList(raw, CancelToken())
    lowest = PickFilters(0.0, 0.0, 1.0, unlabelled_only=False)
    for name, filters in (
        ("slider, official thresholds", PickFilters(unlabelled_only=False)),
        ("slider, low floors, overlap 0.7", PickFilters(0.0, 0.0, 0.7, unlabelled_only=False)),
        ("slider, low floors, overlap 0.3", PickFilters(0.0, 0.0, 0.3, unlabelled_only=False)),
    ):
        yield name, *milliseconds(lambda filters=filters: picks.filtered(filters), 50)
    labelled = [Annotation(n, 1, 1, picks.items[7 * n].mask) for n in range(len(picks) // 40)]
    official = PickFilters()
    yield (
        "slider, first with new annotations",
        *milliseconds(lambda: picks.filtered(official, Covered(picks, labelled)), 5),
    )
    covered = Covered(picks, labelled)
    yield (
        "slider, the same annotations",
        *milliseconds(lambda: picks.filtered(official, covered), 20),
    )
    everything = Shown(picks, picks.filtered(lowest))
    places = iter(np.random.default_rng(1).uniform(0, 1, (2000, 2)) * (size[1], size[0]))
    yield "pointer over all masks", *milliseconds(lambda: everything.at(*next(places)), 1000)
    scale = min(VIEWPORT[0] / size[1], VIEWPORT[1] / size[0])
    place = Place(scale, 0.0, 0.0, VIEWPORT)
    usual = Shown(picks, picks.filtered(PickFilters(unlabelled_only=False)))
    for name, shown in ((f"picture of {len(usual)}", usual), (f"of {len(everything)}", everything)):
        yield name, *milliseconds(lambda shown=shown: picks_picture(shown, place, 1.0), 5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, default=3000)
    parser.add_argument("--size", default="1000x1500", help="height x width")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    height, width = (int(part) for part in options.size.split("x"))
    found = list(rows(options.masks, (height, width)))
    if options.json:
        names = ("name", "median_ms", "largest_ms")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in found], indent=2))
    else:
        for name, median, largest in found:
            print(f"{name:36} {median:9.2f} {largest:9.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Our SLIC against scikit-image's: seconds, and bytes of memory a pixel, on one thread."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.imaging.superpixels import compile_slic, reference_slic, slic

BASELINE = "skimage.segmentation.slic (10 iterations, compactness 10, sigma 0)"
SIZES = ("481x321", "1732x1155", "4950x3300")  # 0.15, 2 and 16 megapixels

_AREA = 1600  # pixels of a superpixel, about
_FEWEST = 200
_MATCHES = 4  # tries to be asked for as many segments as the other side gave

Row = dict[str, Any]
Labels = npt.NDArray[np.int32]


def superpixel_rows(
    images: Sequence[RgbImage], repeats: int, clock: str, report: ProgressSink
) -> Iterator[Row]:
    """A row for each image. The sides take turns; `clock` is "wall" or "cpu" (of all threads).

    Ours is asked for as many segments as scikit-image really gives, within some per cent. The maps
    are no copies of each other, so `equal` is None: `segments` and `baseline_segments` say what
    was made, and `tests/benchmarks/superpixel_quality.py` how good it is. `bytes_per_pixel` is the
    peak of what numpy holds beside the image, in a run of its own.
    """
    read = time.perf_counter if clock == "wall" else time.process_time
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    compile_slic()
    try:
        for image in images:
            yield _row(image, repeats, read, clock, report)
    finally:
        cv2.setNumThreads(threads)


def _row(
    image: RgbImage, repeats: int, read: Callable[[], float], clock: str, report: ProgressSink
) -> Row:
    (height, width), pixels = image.size, image.pixels
    asked = max(_FEWEST, height * width // _AREA)

    def theirs() -> Labels:
        return reference_slic(pixels, asked, 10.0, CancelToken())

    report(Progress(0, repeats, "Superpixels"))
    their_bytes, baseline_segments = _peak(theirs)
    ours_asked = _matching(image, baseline_segments)

    def ours() -> Labels:
        return slic(pixels, ours_asked)

    our_bytes, segments = _peak(ours)
    seconds: dict[Callable[[], Labels], list[float]] = {ours: [], theirs: []}
    for turn in range(repeats):
        report(Progress(turn, repeats, "Superpixels"))
        for side, taken in seconds.items():
            start = read()
            side()
            taken.append(read() - start)
    ours_s, theirs_s = (statistics.median(taken) for taken in seconds.values())
    return {
        "name": f"superpixels {width}x{height}",
        "ours_s": round(ours_s, 5),
        "baseline": BASELINE,
        "baseline_s": round(theirs_s, 5),
        "ratio": round(theirs_s / ours_s, 3),
        "equal": None,
        "repeats": repeats,
        "clock": clock,
        "segments": segments,
        "baseline_segments": baseline_segments,
        "bytes_per_pixel": round(our_bytes / (height * width), 1),
        "baseline_bytes_per_pixel": round(their_bytes / (height * width), 1),
    }


def _matching(image: RgbImage, wanted: int) -> int:
    """How many segments to ask for, to be given about `wanted`."""
    asked = wanted
    for _ in range(_MATCHES):
        found = int(slic(image.pixels, asked).max()) + 1
        if abs(found - wanted) <= 0.02 * wanted:
            break
        asked = max(1, round(asked * wanted / found))
    return asked


def _peak(side: Callable[[], Labels]) -> tuple[int, int]:
    """Bytes at the peak above those at the start, and segments."""
    tracemalloc.start()
    try:
        labels = side()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return peak, int(labels.max()) + 1

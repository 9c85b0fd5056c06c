"""The connected parts of a label map, of all labels at once, found on its runs.

Pixels that touch at a corner are one part, as in `mask_parts`: a thin slanting thing (a pole, a
wire) is not broken where its pixels meet at corners only. Memory and time go by the runs of the
map, not by the number of labels or parts; no part has a picture of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.mask import BoolArray, Mask, Runs
from segstudio.imaging.mask_parts import run_parts

NOTHING = 255  # the label that no part is made of
_MOST_RUNS = 1 << 22  # of a map with more, small parts are wiped away first
_BAND = 1 << 22  # pixels at once

LabelMap = npt.NDArray[np.uint8]


class LabelPart(NamedTuple):
    """A part of a label map; `mean` is that of the weights of its pixels."""

    label: int
    mask: Mask
    mean: float


class _RunsOf(NamedTuple):
    """The runs of a map down its columns: where they start and end in column-major order."""

    starts: Runs
    ends: Runs
    labels: LabelMap
    weights: npt.NDArray[np.int64]  # the sum of each run


def label_parts(
    labels: LabelMap,
    weights: npt.NDArray[np.uint8],
    least_area: int,
    whole: BoolArray,
    most: int,
) -> list[LabelPart] | int:
    """The parts of `least_area` pixels or more of an (H, W) label map, the largest first.

    Of a label that is `whole` ((256,) bool) all such parts together are one. `weights` are (H, W).
    Where there would be more than `most`, only their number comes back.
    """
    height, width = labels.shape
    if _run_count(labels) > _MOST_RUNS:
        labels = _without_small(labels, least_area)
    found = _runs(labels, weights)
    columns, tops = np.divmod(found.starts, max(1, height))
    bottoms = tops + (found.ends - found.starts)
    count, part_of = run_parts(columns, tops, bottoms, height, corners=True, values=found.labels)
    lengths = bottoms - tops
    large = np.bincount(part_of, weights=lengths, minlength=count) >= least_area
    kept = np.flatnonzero(large[part_of])
    if not len(kept):
        return []
    own = found.labels[kept].astype(np.int64)
    group = np.where(whole[own], own, 256 + part_of[kept])
    order = np.argsort(group, kind="stable")
    firsts = np.flatnonzero(np.diff(group[order], prepend=-1))
    if len(firsts) > most:
        return len(firsts)
    parts = []
    for runs in np.split(kept[order], firsts[1:]):
        mask = Mask.from_column_runs(columns[runs], tops[runs], bottoms[runs], (height, width))
        mean = float(found.weights[runs].sum()) / mask.area
        parts.append(LabelPart(int(found.labels[runs[0]]), mask, mean))
    return sorted(parts, key=lambda part: -part.mask.area)


def _run_count(labels: LabelMap) -> int:
    """How many runs the columns of a map have."""
    height, width = labels.shape
    rows = max(1, _BAND // max(1, width))
    count = int(width)
    for top in range(0, height, rows):
        band = labels[top : top + rows + 1]  # with the first row of the next
        count += int(np.count_nonzero(band[1:] != band[:-1]))
    return count


def _runs(labels: LabelMap, weights: npt.NDArray[np.uint8]) -> _RunsOf:
    """All runs but those of nothing, ordered by column, then row."""
    height = labels.shape[0]
    flat = labels.T.ravel()
    if not flat.size:
        none = np.zeros(0, dtype=np.int64)
        return _RunsOf(none, none, np.zeros(0, dtype=np.uint8), none)
    first = np.empty(flat.size, dtype=np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=first[1:])
    first[::height] = True  # a run ends where its column does
    starts = np.flatnonzero(first)
    del first
    sums = np.add.reduceat(weights.T.ravel(), starts, dtype=np.int64)
    ends = np.append(starts[1:], flat.size)
    own = flat[starts]
    some = own != NOTHING
    return _RunsOf(starts[some], ends[some], own[some], sums[some])


def _without_small(labels: LabelMap, least_area: int) -> LabelMap:
    """The map with nothing where parts of fewer pixels are, label by label: for maps of noise,
    whose runs would fill the memory.
    """
    kept = np.full_like(labels, NOTHING)
    for label in np.unique(labels).tolist():
        if label == NOTHING:
            continue
        own = (labels == label).view(np.uint8)
        _, numbers, stats, _ = cv2.connectedComponentsWithStats(own, connectivity=8)
        large = stats[:, cv2.CC_STAT_AREA] >= least_area
        large[0] = False  # the background
        kept[large[numbers]] = label
    return kept

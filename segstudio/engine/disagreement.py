"""Where on an image two label maps differ most."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.prediction import IGNORE, LabelMap

MOST_PIXELS = 1 << 24  # looked at one by one; larger images in blocks


@dataclass(frozen=True)
class Disagreement:
    """The largest connected part (8 neighbours) of the pixels that differ.

    `box` is half-open, in image pixels; `truth` and `predicted` are the labels that most of the
    differing pixels in the box have, IGNORE for none.
    """

    box: tuple[int, int, int, int]
    truth: int
    predicted: int


def largest_disagreement(truth: LabelMap, predicted: LabelMap) -> Disagreement | None:
    """Of two (H, W) uint8 label maps; None where they agree wherever there is a truth.

    On images of more than `MOST_PIXELS` parts are found in blocks of pixels, so that the box may
    be a few pixels too large; 16 bytes a pixel are never needed for those.
    """
    wrong = (truth != predicted) & (truth != IGNORE)
    step = max(1, int(np.ceil(np.sqrt(wrong.size / MOST_PIXELS))))
    count, _, facts, _ = cv2.connectedComponentsWithStats(
        _blocks(wrong, step).view(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    if count < 2:
        return None
    largest = 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA]))
    x, y, w, h = (int(value) * step for value in facts[largest, :4])
    x1, y1 = min(x + w, wrong.shape[1]), min(y + h, wrong.shape[0])
    part = (slice(y, y1), slice(x, x1))
    there = wrong[part]
    pairs = truth[part][there].astype(np.int64) * 256 + predicted[part][there]
    most = int(np.bincount(pairs).argmax())
    return Disagreement((x, y, x1, y1), most // 256, most % 256)


def _blocks(wrong: npt.NDArray[np.bool_], step: int) -> npt.NDArray[np.bool_]:
    """Whether any pixel of each block of `step` by `step` is set."""
    if step == 1:
        return np.ascontiguousarray(wrong)
    rows = np.logical_or.reduceat(wrong, np.arange(0, wrong.shape[0], step), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, wrong.shape[1], step), axis=1)

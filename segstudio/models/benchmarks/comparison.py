"""Whether two sides gave the same; only then is a ratio of their times worth anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_masks
from scipy.optimize import linear_sum_assignment

from segstudio.core.mask import Mask
from segstudio.models.benchmarks.pair import Row
from segstudio.models.benchmarks.timing import median

CLICK_IOU = 0.9999
EVERYTHING_IOU, EVERYTHING_MEAN_IOU, EVERYTHING_COUNT = 0.99, 0.999, 0.01
ENCODE_DIFFERENCE = 1e-4

# A mask in COCO's compressed run-length code, as pycocotools takes it.
Rle = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """`equal` is None where there is nothing to compare with; `reason` is "" unless it is False."""

    equal: bool | None
    reason: str = ""
    facts: Row = field(default_factory=dict)


def row(
    name: str,
    ours: Sequence[float],
    verdict: Verdict,
    facts: Row,
    *,
    baseline: str | None = None,
    theirs: Sequence[float] = (),
) -> Row:
    """One row of a benchmark; see the package for what is in it. No ratio unless `equal`."""
    ours_s = median(ours)
    theirs_s = median(theirs) if theirs else None
    ratio = round(theirs_s / ours_s, 3) if theirs_s is not None and verdict.equal else None
    made: Row = {
        "name": name,
        "ours_s": round(ours_s, 5),
        "baseline": baseline,
        "baseline_s": None if theirs_s is None else round(theirs_s, 5),
        "ratio": ratio,
        "equal": verdict.equal,
    }
    if verdict.reason:
        made["reason"] = verdict.reason
    return {**made, "repeats": len(ours), **verdict.facts, **facts}


def compare_click(ours: Sequence[Mask], theirs: Sequence[Rle]) -> Verdict:
    """The same number of masks in the same order, each of IoU 0.9999 or more."""
    if len(ours) != len(theirs):
        return Verdict(False, f"{len(ours)} masks where the baseline has {len(theirs)}")
    ious = [_iou(mask, rle) for mask, rle in zip(ours, theirs, strict=True)]
    facts = {"iou_min": round(min(ious), 7), "iou_mean": round(float(np.mean(ious)), 7)}
    if min(ious) < CLICK_IOU:
        return Verdict(False, f"a mask has an IoU of {min(ious):.5f} to the baseline's", facts)
    return Verdict(True, facts=facts)


def compare_everything(ours: Sequence[Mask], theirs: Sequence[Rle]) -> Verdict:
    """Counts within 1 %; paired one to one, each pair of IoU 0.99 or more, 0.999 on average."""
    facts: Row = {"masks": len(ours), "baseline_masks": len(theirs)}
    if not ours or not theirs:
        who = "either side" if not ours and not theirs else "one side"
        return Verdict(False, f"{who} kept no mask, so there is nothing to compare", facts)
    table = iou_table([_rle(mask) for mask in ours], theirs)
    paired = table[linear_sum_assignment(table, maximize=True)]
    facts |= {"iou_min": round(float(paired.min()), 6), "iou_mean": round(float(paired.mean()), 7)}
    if abs(len(ours) - len(theirs)) > EVERYTHING_COUNT * len(theirs):
        return Verdict(False, f"{len(ours)} masks where the baseline kept {len(theirs)}", facts)
    if paired.min() < EVERYTHING_IOU:
        reason = f"a mask has an IoU of {paired.min():.4f} to its partner"
        return Verdict(False, reason, facts)
    if paired.mean() < EVERYTHING_MEAN_IOU:
        return Verdict(False, f"the mean IoU is {paired.mean():.5f}", facts)
    return Verdict(True, facts=facts)


def compare_embeddings(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> Verdict:
    """The largest difference is at most 1e-4."""
    if ours.shape != theirs.shape:
        return Verdict(False, f"shapes are {ours.shape} and {theirs.shape}")
    difference = float(np.abs(ours.astype(np.float64) - theirs).max())
    facts = {"max_difference": float(f"{difference:.3g}")}
    if not difference <= ENCODE_DIFFERENCE:  # as when it is not a number
        return Verdict(False, f"embeddings differ by up to {difference:.1e}", facts)
    return Verdict(True, facts=facts)


def iou_table(ours: Sequence[Rle], theirs: Sequence[Rle]) -> npt.NDArray[np.float64]:
    """(len(ours), len(theirs))."""
    table = coco_masks.iou(list(ours), list(theirs), [0] * len(theirs))
    return np.asarray(table, dtype=np.float64).reshape(len(ours), len(theirs))


def encode_rle(mask: npt.NDArray[Any]) -> Rle:
    """(H, W) bool to COCO's code, by its own encoder."""
    encoded: Rle = coco_masks.encode(np.asfortranarray(mask, dtype=np.uint8))
    return encoded


def _rle(mask: Mask) -> Rle:
    return {"size": list(mask.size), "counts": mask.counts}


def _iou(mask: Mask, rle: Rle) -> float:
    if not mask.area and not int(coco_masks.area(rle)):
        return 1.0
    return float(iou_table([_rle(mask)], [rle])[0, 0])

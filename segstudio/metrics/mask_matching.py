"""How well one list of masks is found again in another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask

Floats = npt.NDArray[np.float64]


def best_ious(truth: Sequence[Mask], found: Sequence[Mask]) -> Floats:
    """(len(truth),) for each mask the highest IoU that any of `found` has with it; 0 without any.

    All are masks of one image. One of `found` may be the best for several.
    """
    boxes = np.array([mask.box for mask in found], dtype=np.float64).reshape(-1, 4)
    areas = np.array([mask.area for mask in found], dtype=np.float64)
    return np.array([_best(mask, found, boxes, areas) for mask in truth], dtype=np.float64)


def recall(truth: Sequence[Mask], found: Sequence[Mask], at: float = 0.9) -> float:
    """The share of `truth` that has a partner in `found` with an IoU of at least `at`; 1 if empty.

    With the masks of "everything" in its exact mode as `truth`, and those of its fast mode as
    `found`, this is what the fast mode keeps.
    """
    return float(np.mean(best_ious(truth, found) >= at)) if truth else 1.0


def _best(mask: Mask, found: Sequence[Mask], boxes: Floats, areas: Floats) -> float:
    """Looks at the most promising first, and at none that cannot be better than what is there."""
    sides = np.minimum(boxes[:, 2:], mask.box[2:]) - np.maximum(boxes[:, :2], mask.box[:2])
    shared = np.minimum(np.maximum(sides, 0).prod(axis=1), np.minimum(areas, mask.area))
    joint = areas + mask.area - shared
    limits = np.divide(shared, joint, out=np.ones_like(shared), where=joint > 0)
    best = 0.0
    for index in np.argsort(-limits, kind="stable"):
        if limits[index] <= best:
            break
        best = max(best, mask.iou(found[index]))
    return best

"""Overlap of boxes, in the arithmetic of SAM's automatic mask generator."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]


def corners(boxes: npt.NDArray[np.float64]) -> Float32s:
    """(N, 4) float32 of half-open xyxy boxes: the indices of their outermost pixels."""
    return (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - (0, 0, 1, 1)).astype(np.float32)


def box_areas(boxes: Float32s) -> Float32s:
    """(N,) float32; a box that is one pixel wide or high has none."""
    areas: Float32s = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def box_iou(boxes: Float32s, others: Float32s) -> Float32s:
    """(N, M) float32 IoU of `corners`, to the last bit as torchvision's `nms` has it on a CPU.

    0 where neither box has an area. Compare it with float64 thresholds, as `nms` does.
    """
    wide = np.minimum(boxes[:, None, 2], others[:, 2]) - np.maximum(boxes[:, None, 0], others[:, 0])
    high = np.minimum(boxes[:, None, 3], others[:, 3]) - np.maximum(boxes[:, None, 1], others[:, 1])
    shared = np.maximum(wide, np.float32(0)) * np.maximum(high, np.float32(0))
    joint = box_areas(boxes)[:, None] + box_areas(others) - shared
    ratio: Float32s = np.divide(shared, joint, out=np.zeros_like(shared), where=joint > 0)
    return ratio

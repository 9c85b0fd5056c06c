"""Clicks and boxes as a user makes them, simulated from the true mask.

As in interactive segmentation's training (Sofiiuk et al. 2021; Kirillov et al. 2023, section A):
the first click falls inside the object, each next one into the largest error, and boxes are drawn
by an unsteady hand. Masks are (h, w) bool on a grid of cells; coordinates are xy in cells, with
cell centres at +0.5.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[np.bool_]


class Click(NamedTuple):
    x: float
    y: float
    label: int


def depth(region: Cells) -> npt.NDArray[np.float32]:
    """(h, w) float32: how far each cell is from the region's border, which includes the image's."""
    padded = np.pad(region.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], dtype=np.float32)


def largest_part(region: Cells) -> Cells:
    """The connected part with most cells; the region itself where it is one or none."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    if count <= 2:
        return region
    return np.asarray(parts == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def deepest(region: Cells) -> tuple[float, float]:
    """The cell centre farthest from the border of the region, which holds a cell or more."""
    y, x = np.unravel_index(int(depth(region).argmax()), region.shape)
    return float(x) + 0.5, float(y) + 0.5


def somewhere(region: Cells, draw: np.random.Generator) -> tuple[float, float]:
    """A random cell centre of the region that does not lie right at its border."""
    far = depth(region)
    inner = np.flatnonzero(far.ravel() >= min(float(far.max()) * 0.4, 3.0))
    y, x = divmod(int(inner[draw.integers(len(inner))]), region.shape[1])
    return x + 0.5, y + 0.5


def first_click(truth: Cells, draw: np.random.Generator, steady: float = 0.5) -> Click:
    """Inside the largest part of `truth`; in a share `steady` of cases at its deepest cell."""
    if draw.random() < steady:
        return Click(*deepest(largest_part(truth)), 1)
    return Click(*somewhere(truth, draw), 1)


def next_click(truth: Cells, said: Cells, draw: np.random.Generator | None = None) -> Click | None:
    """Into the largest error of `said`, to add (1) or to take away (0); None if there is none.

    Without `draw`, the field's measure: the deepest cell of the larger one of the largest missing
    and the largest wrong part. With it, sometimes another part and another cell.
    """
    missing, wrong = truth & ~said, said & ~truth
    if draw is not None and draw.random() < 0.2:
        add = bool(draw.random() * (missing.sum() + wrong.sum()) < missing.sum())
        region = missing if add else wrong
        return Click(*somewhere(region, draw), int(add)) if region.any() else None
    lost, extra = largest_part(missing), largest_part(wrong)
    add = bool(lost.sum() >= extra.sum())
    region = lost if add else extra
    if not region.any():
        return None
    if draw is not None and draw.random() < 0.4:
        return Click(*somewhere(region, draw), int(add))
    return Click(*deepest(region), int(add))


def tight_box(truth: Cells) -> npt.NDArray[np.float32]:
    """(4,) float32 xyxy, half-open, around all of `truth`."""
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return np.array(edges, dtype=np.float32)


def drawn_box(truth: Cells, draw: np.random.Generator) -> npt.NDArray[np.float32]:
    """(4,) float32 xyxy around `truth`, off by a few per cent of its sides, within the image."""
    box = tight_box(truth)
    sides = np.tile(box[2:] - box[:2], 2)
    spread = 0.02 if draw.random() < 0.7 else 0.07
    box = box + draw.normal(size=4).astype(np.float32) * sides * spread
    height, width = truth.shape
    limits = np.array([width, height, width, height], dtype=np.float32)
    return np.asarray(np.clip(box, 0, limits), dtype=np.float32)

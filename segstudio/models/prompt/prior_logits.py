"""A mask as the low-resolution logits that SAM takes as a mask prompt.

SAM's mask prompt is its own answer to an earlier prompt: one logit for each cell of 4 x 4 model
pixels, which bilinear upsampling turns into a mask again. Logits of a mask that SAM never saw are
made so that this gives the mask back: the signed distance to its outline, then corrected where
the upsampled logits come out on the wrong side.

What 4 x 4 cells cannot say: a gap or a stroke that is thinner than a cell comes back about one
cell wide where it passes a cell's centre, and finer detail is smoothed.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask

CELL = 4  # model pixels along one side of a cell
CELLS = 256

# Logits where the mask is certain. SAM's own mostly lie between -20 and 20.
PRIOR_LOGIT = 10.0

# Chosen on 250 small objects of COCO and BSDS500: logits per model pixel of distance, by how much
# every model pixel should lie on its own side, what of a lack is made up for in one step (twice
# as much overshoots), and how many steps, fewer where there are many cells.
_SLOPE, _MARGIN, _GAIN = 1.5, 1.0, 0.25
_STEPS, _FEW_STEPS, _MANY_CELLS = 24, 6, 4096
_BORDER = 3  # cells around the mask's box that take part
_TENT = np.array([1, 3, 5, 7, 7, 5, 3, 1], dtype=np.float32) / 8  # bilinear weights of one cell

Floats = npt.NDArray[np.float32]


def prior_logits(prior: Mask, size: tuple[int, int]) -> Floats:
    """(256, 256) float32 logits, -10 to 10, of a mask of the whole image.

    `size` is (h, w) of the image in model pixels; what lies beside it is background. Takes what
    the mask's box costs.
    """
    logits = np.full((CELLS, CELLS), -PRIOR_LOGIT, dtype=np.float32)
    if not prior.area:
        return logits
    rows, columns = (
        _cells(span, of, to)
        for span, of, to in (
            ((prior.box.y0, prior.box.y1), prior.size[0], size[0]),
            ((prior.box.x0, prior.box.x1), prior.size[1], size[1]),
        )
    )
    wanted = 2.0 * _covered(prior, size, rows, columns) - 1.0
    logits[rows, columns] = _fitted(wanted)
    return logits


def _cells(span: tuple[float, float], length: int, model_length: int) -> slice:
    scale = model_length / length / CELL
    start, stop = math.floor(span[0] * scale) - _BORDER, math.ceil(span[1] * scale) + _BORDER
    return slice(max(0, start), min(CELLS, stop))


def _covered(prior: Mask, size: tuple[int, int], rows: slice, columns: slice) -> Floats:
    """What part of each model pixel of these cells the mask covers, exactly."""
    x0, y0, x1, y1 = (int(value) for value in prior.box)
    # The integral of the mask is bilinear between pixel corners, so it is known everywhere.
    summed = cv2.integral(prior.crop(x0, y0, x1, y1).view(np.uint8)).astype(np.float64)
    for axis, part, of, to, start in (
        (0, rows, prior.size[0], size[0], y0),
        (1, columns, prior.size[1], size[1], x0),
    ):
        edges = np.arange(part.start * CELL, part.stop * CELL + 1)
        at = np.clip(np.minimum(edges, to) * (of / to) - start, 0, summed.shape[axis] - 1)
        low = np.minimum(at.astype(np.int64), summed.shape[axis] - 2)
        share = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        summed = summed.take(low, axis) * (1 - share) + summed.take(low + 1, axis) * share
    area = (prior.size[0] / size[0]) * (prior.size[1] / size[1])
    return np.asarray(np.diff(np.diff(summed, axis=0), axis=1) / area, dtype=np.float32)


def _fitted(wanted: Floats) -> Floats:
    """(h, w) logits of cells whose upsampling has the sign of `wanted` (4h, 4w), -1 to 1."""
    inside = (wanted > 0).astype(np.uint8)
    # With no outline in sight the distance is beyond all numbers.
    within, beyond = (
        np.minimum(cv2.distanceTransform(side, cv2.DIST_L2, 5), PRIOR_LOGIT)
        for side in (inside, 1 - inside)
    )
    distance = np.asarray(within - beyond, dtype=np.float32)
    rows, columns = wanted.shape[0] // CELL, wanted.shape[1] // CELL
    middle = distance.reshape(rows, CELL, columns, CELL)[:, 1:3, :, 1:3].mean(axis=(1, 3))
    logits = np.clip(_SLOPE * middle, -PRIOR_LOGIT, PRIOR_LOGIT).astype(np.float32)
    for _ in range(_STEPS if middle.size < _MANY_CELLS else _FEW_STEPS):
        shown = cv2.resize(logits, wanted.shape[::-1], interpolation=cv2.INTER_LINEAR)
        gap = _MARGIN * wanted - shown
        lacking = np.where((wanted > 0) == (gap > 0), gap, np.float32(0))
        spread = cv2.sepFilter2D(lacking, -1, _TENT, _TENT, anchor=(2, 2))[::CELL, ::CELL]
        logits = np.clip(logits + _GAIN * spread, -PRIOR_LOGIT, PRIOR_LOGIT)
    return np.asarray(logits, dtype=np.float32)

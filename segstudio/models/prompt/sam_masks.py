"""From SAM's logits to masks of the image."""

from __future__ import annotations

import math

import cv2
import numpy as np

from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Candidate, MaskLogits
from segstudio.models.prompt.bilinear import Floats
from segstudio.models.prompt.frame import CELL, ModelFrame
from segstudio.models.prompt.level_sets import LevelSets, finite

# SAM cuts its logits at 0, and asks how stable the mask is against moving the cut by 1
# (Kirillov et al. 2023, section 4).
STABILITY_OFFSET = 1.0


def stability(levels: LevelSets, logits: Floats, offset: float = STABILITY_OFFSET) -> np.float32:
    """The number of pixels above `offset` over the number above -`offset`; 0 where there are none.

    `logits` is (256, 256) float32. Rounded as the official score is.
    """
    outer = levels.area(logits, -abs(offset))
    if not outer:
        return np.float32(0.0)
    return np.float32(np.float32(levels.area(logits, abs(offset))) / np.float32(outer))


def cut(
    logits: Floats, frame: ModelFrame, offset: float = STABILITY_OFFSET
) -> tuple[Mask, np.float32]:
    """The mask where the upsampled logits (256, 256) float32 exceed 0, and its stability score.

    Both are the official ones, counted in the image's pixels.
    """
    levels = LevelSets(frame)
    return levels.mask(logits), stability(levels, logits, offset)


def answer(logits: Floats, predicted_iou: float, frame: ModelFrame) -> Candidate:
    """The candidate for one mask of a prompt; `logits` is (256, 256) float32.

    Its mask is the official one, and deferred, as most candidates are seen and not taken. Its
    stability is counted in model pixels and not in the image's, so that it costs the same whatever
    the image's size; for a mask that is not mere noise it differs from the official one by less
    than a hundredth on images smaller than the model's, and by less than a thousandth on others.
    """
    mask = Mask.deferred(frame.image_size, lambda: LevelSets(frame).mask(logits))
    score = model_stability(logits, frame)
    return candidate(mask, predicted_iou, score, logits=mask_logits(logits, frame))


def model_stability(logits: Floats, frame: ModelFrame, offset: float = STABILITY_OFFSET) -> float:
    """The stability score of `logits` (256, 256) float32, counted in the frame's model pixels."""
    logits = finite(logits)
    above = (logits > -abs(offset)).view(np.uint8)
    x, y, width, height = cv2.boundingRect(above)
    rows, columns = frame.size
    # A cell more on each side, so that its centre's neighbours are those of the whole.
    x0, y0 = max(0, x - 1), max(0, y - 1)
    box = np.ascontiguousarray(logits[y0 : y + height + 1, x0 : x + width + 1])
    if not width or CELL * x0 >= columns or CELL * y0 >= rows:
        return 0.0
    field = cv2.resize(box, None, fx=CELL, fy=CELL, interpolation=cv2.INTER_LINEAR)
    field = field[: rows - CELL * y0, : columns - CELL * x0]
    outer = np.count_nonzero(field > -abs(offset))
    inner = np.count_nonzero(field > abs(offset))
    return inner / outer if outer else 0.0


def mask_logits(logits: Floats, frame: ModelFrame) -> MaskLogits:
    """The part of logits (256, 256) that lies on the image, and where it lies there."""
    (height, width), (rows, columns) = frame.image_size, frame.size
    values = logits[: math.ceil(rows / CELL), : math.ceil(columns / CELL)]
    step = (CELL * width / columns, CELL * height / rows)
    return MaskLogits(np.ascontiguousarray(values, dtype=np.float32).copy(), (0.0, 0.0), step)


def candidate(
    mask: Mask,
    predicted_iou: float,
    stability: float,
    *,
    logits: MaskLogits | None = None,
    point: tuple[float, float] | None = None,
    crop: Box | None = None,
) -> Candidate:
    """A candidate with both scores clipped to 0..1; a score that is not a number counts as 0."""
    scores = _clipped(predicted_iou), _clipped(stability)
    return Candidate(mask, *scores, logits=logits, point=point, crop=crop)


def _clipped(score: float) -> float:
    return 0.0 if math.isnan(score) else min(1.0, max(0.0, float(score)))

"""Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from __future__ import annotations

import torch
from torch import Tensor

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import IGNORE

LEAST, MOST = 0.05, 20.0  # temperatures: beyond them the data say only "surely" or "no idea"

_ROWS = 1 << 16  # pixels at a time
_STEPS = 60
_CLOSE = 1e-6  # of the inverse temperature


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The T, from 0.05 to 20, for which softmax(logits / T) makes `labels` most likely.

    `logits` is (N, C) or (N, C, H, W) floats of validation pixels, `labels` (N,) or (N, H, W)
    integers from 0 to C - 1; 255 is ignored, and so are pixels whose logits are no numbers. T above
    1 makes an overconfident model less sure and changes no label. The negative log likelihood is
    convex in 1 / T, so that Newton's steps, held in the bracket that its slope leaves, find the one
    lowest point. 1.0 where no pixel is labelled, or where T makes no difference. A sample of some
    10^5 pixels fixes T to a hundredth.

    Raises BadInputError where labels and logits do not fit.
    """
    rows, truth = _pixels(logits, labels)
    if not len(truth):
        return 1.0
    low, high = 1 / MOST, 1 / LEAST
    inverse = 1.0
    for _ in range(_STEPS):
        slope, curve = _derivatives(rows, truth, inverse)
        if slope == 0:
            break
        if slope > 0:
            high = inverse
        else:
            low = inverse
        step = inverse - slope / curve if curve > 0 else low
        after = step if low < step < high else (low * high) ** 0.5
        close = abs(after - inverse) <= _CLOSE * inverse
        inverse = after
        if close or high - low <= _CLOSE * low:
            break
    return min(MOST, max(LEAST, 1 / inverse))


def _pixels(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(n, C) and (n,) of the pixels that are labelled."""
    if logits.ndim not in (2, 4) or labels.shape != logits.shape[:1] + logits.shape[2:]:
        raise BadInputError("Labels for a calibration must be one for each pixel of the logits.")
    rows = logits.detach().movedim(1, -1).reshape(-1, logits.shape[1])
    truth = labels.detach().reshape(-1).to(rows.device, torch.int64)
    counted = (truth != IGNORE) & torch.isfinite(rows).all(dim=1)
    rows, truth = rows[counted], truth[counted]
    if len(truth) and not 0 <= int(truth.min()) <= int(truth.max()) < rows.shape[1]:
        raise BadInputError("Labels for a calibration name categories that the model has not.")
    return rows, truth


def _derivatives(rows: Tensor, truth: Tensor, inverse: float) -> tuple[float, float]:
    """First and second derivative of the mean negative log likelihood by 1 / T."""
    slope = curve = 0.0
    for start in range(0, len(truth), _ROWS):
        values = rows[start : start + _ROWS].float()
        values = values - values.gather(1, truth[start : start + _ROWS, None])
        chances = torch.softmax(values * inverse, dim=1)
        mean = (chances * values).sum(dim=1, keepdim=True)
        slope += float(mean.sum())
        curve += float((chances * (values - mean) ** 2).sum())
    return slope / len(truth), curve / len(truth)

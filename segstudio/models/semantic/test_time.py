"""Test-time augmentation: probabilities averaged over scales of a window and its mirror images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from segstudio.core.errors import BadInputError, WeightsError
from segstudio.core.image import Rgb8
from segstudio.core.progress import CancelToken
from segstudio.models.semantic.contract import PredictSettings, SemanticModel
from segstudio.models.semantic.tiling import Span, padded, window_pixels

_LEAST_SCALE, _MOST_SCALE = 0.05, 20.0
_CPU_PIECE = 1 << 22  # floats that are resized before a cancel is heeded


@dataclass(frozen=True)
class Asking:
    """How each window is shown to the model: at which sizes, mirrored or not, how sure it may be.

    `scales` are of image pixels, with the card's already in them; `multiple` is the network's;
    `temperature` divides the logits.
    """

    scales: tuple[float, ...]
    flip: bool
    temperature: float
    multiple: int

    @classmethod
    def of(cls, model: SemanticModel, settings: PredictSettings, multiple: int) -> Asking:
        """Raises BadInputError for scales or a temperature that mean nothing."""
        temperature = settings.temperature or model.card.temperature
        scales = tuple(model.card.scale * scale for scale in settings.scales)
        if not scales or not all(_LEAST_SCALE <= scale <= _MOST_SCALE for scale in scales):
            raise BadInputError(
                f"Scales for a prediction are from {_LEAST_SCALE} to {_MOST_SCALE:g} and at least "
                "one; choose others."
            )
        if not temperature > 0:
            raise BadInputError("The temperature of a prediction must be above 0; choose another.")
        return cls(scales, settings.flip, temperature, multiple)

    @property
    def passes(self) -> int:
        """How often the network sees each window."""
        return len(self.scales) * (2 if self.flip else 1)


def window_probabilities(
    model: SemanticModel,
    pixels: Rgb8,
    windows: Sequence[tuple[Span, Span]],
    asking: Asking,
    cancel: CancelToken,
) -> Tensor:
    """(n, C, h, w) float32 on the model's device, of n windows (ys, xs) of one size h x w.

    `pixels` (H, W, 3) uint8 is the whole image. Logits are brought to the window's size, bilinear
    (antialiased where that shrinks them), before they become probabilities. Raises Cancelled
    between passes.
    """
    total: Tensor | None = None
    for logits in _logits(model, pixels, windows, asking, cancel):
        cancel.check()
        chances = _softmax(logits, asking.temperature)
        cancel.check()
        total = chances if total is None else total.add_(chances)
    if total is None:
        raise BadInputError("A prediction needs at least one scale.")
    return total.div_(asking.passes) if asking.passes > 1 else total


def _logits(
    model: SemanticModel,
    pixels: Rgb8,
    windows: Sequence[tuple[Span, Span]],
    asking: Asking,
    cancel: CancelToken,
) -> Iterator[Tensor]:
    """(n, C, h, w) float32 for each pass."""
    ys, xs = windows[0]
    size = ys.stop - ys.start, xs.stop - xs.start
    categories = len(model.card.categories)
    for scale in asking.scales:
        shown = [window_pixels(pixels, *window, scale) for window in windows]
        height, width = shown[0].shape[:2]
        # The channels stay last in memory: convolutions on a CPU are no slower so, some are faster.
        stacked = np.stack([padded(part, asking.multiple) for part in shown])
        batch = torch.from_numpy(stacked).to(model.device).permute(0, 3, 1, 2).float().div_(255)
        for mirrored in (False, True) if asking.flip else (False,):
            logits = model.logits(batch.flip(-1) if mirrored else batch)
            if logits.shape[1] != categories:
                raise WeightsError(
                    f"{model.card.title} answers for {logits.shape[1]} categories and its card "
                    f"names {categories}; take another model."
                )
            logits = (logits.flip(-1) if mirrored else logits)[..., :height, :width]
            yield _resized(logits, size, cancel)


def _softmax(logits: Tensor, temperature: float) -> Tensor:
    """softmax(logits / temperature) over dim 1; torch's own takes a CPU twice the time for it."""
    chances = logits - logits.amax(dim=1, keepdim=True)
    if temperature != 1.0:
        chances.div_(temperature)
    chances.exp_()
    return chances.div_(chances.sum(dim=1, keepdim=True))


def _resized(logits: Tensor, size: tuple[int, int], cancel: CancelToken) -> Tensor:
    """Of `size` (h, w), float32; on a CPU some categories at a time. Raises Cancelled."""
    if tuple(logits.shape[-2:]) == size:
        return logits.float()
    shrinks = logits.shape[-2] > size[0] and logits.device.type != "mps"  # which lacks the kernel
    count, categories, height, width = logits.shape
    made = torch.empty((count, categories, *size), dtype=torch.float32, device=logits.device)
    area = count * max(height * width, size[0] * size[1])
    step = max(1, _CPU_PIECE // area) if logits.device.type == "cpu" else categories
    for start in range(0, categories, step):
        cancel.check()
        some = slice(start, start + step)
        made[:, some] = functional.interpolate(
            logits[:, some].float().contiguous(),
            size,
            mode="bilinear",
            align_corners=False,
            antialias=shrinks,
        )
    return made

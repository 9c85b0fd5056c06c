"""The contract of semantic models: networks that can be trained, and models that can be asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from segstudio.core.image import RgbImage
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.models.semantic.card import SemanticCard

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class SemanticNet(Protocol):
    """A `torch.nn.Module` in the one form that the loop and the models know.

    `aux_weights` tells how much the loss of each further output counts (auxiliary heads, deep
    supervision), by its name; in eval mode only "out" is computed.
    """

    aux_weights: Mapping[str, float]

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Logits by name, "out" and those of `aux_weights`, each (N, C, H, W) at the input's size.

        `images` is (N, 3, H, W), normalised, of any size from 33 on.
        """
        ...

    def encoder(self) -> nn.Module:
        """The part that may have been trained before, for its own learning rate."""
        ...


@dataclass(frozen=True)
class CrfSettings:
    """A fully connected CRF (Krähenbühl and Koltun 2011) on the probabilities.

    Kernel widths in pixels and in RGB values of 0 to 255; weights of the two kernels; iterations of
    mean field.
    """

    iterations: int = 5
    smooth_weight: float = 3.0
    smooth_xy: float = 3.0
    look_weight: float = 10.0
    look_xy: float = 50.0
    look_rgb: float = 13.0


@dataclass(frozen=True)
class PredictSettings:
    """How a semantic model is asked.

    Images larger than `tile` pixels a side (0: the card's `side`) are passed over by a window that
    overlaps itself by the fraction `overlap`. Probabilities are averaged over `scales` of the image
    and, with `flip`, its mirror image. `temperature` divides the logits (0: the card's).
    """

    tile: int = 0
    overlap: float = 0.25
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    temperature: float = 0.0
    crf: CrfSettings | None = None

    @property
    def key(self) -> str:
        """What tells settings apart in cache keys: 16 hex digits."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


class SemanticModel(Protocol):
    """A loaded semantic model. It holds weights and no other state; one thread calls at a time.

    All raise DeviceError when the device runs out of memory, and Cancelled as soon as `cancel` is
    seen to be set.
    """

    card: SemanticCard
    device: str

    @property
    def model_key(self) -> str:
        """The card's key together with weights; part of cache keys: letters, digits, "-_." only."""
        ...

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) float32 logits of (N, 3, H, W) float32 RGB of 0 to 1, on the model's device.

        The card's normalisation happens inside; temperature does not.
        """
        ...

    def predict(
        self, image: RgbImage, settings: PredictSettings, report: ProgressSink, cancel: CancelToken
    ) -> SemanticPrediction:
        """The label map of a whole image, however large."""
        ...

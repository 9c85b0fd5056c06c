"""The one form of all networks: any size in, logits of that size out, by name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional


class Body(nn.Module, ABC):
    """What an architecture adds to the form.

    Its `forward` takes (N, 3, H, W) with sides that are multiples of the architecture's and returns
    logits by name, of any size; "out" always, those of `aux_weights` only in train mode.
    """

    @property
    @abstractmethod
    def backbone(self) -> nn.Module:
        """The part that may have been trained before."""

    @abstractmethod
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """See the class."""


class SizedNet(nn.Module):
    """A `SemanticNet` around a body.

    Sides are filled up to multiples of `multiple`, at least `least`, by repeating the border on the
    right and below, so that each logit lies where its pixels do; logits are enlarged bilinearly
    (align_corners=False) and cut to the input's size.
    """

    def __init__(
        self,
        body: Body,
        multiple: int,
        aux_weights: Mapping[str, float] | None = None,
        least: int = 64,
    ) -> None:
        super().__init__()
        self.body = body
        self.aux_weights: Mapping[str, float] = dict(aux_weights or {})
        self._multiple = multiple
        self._least = math.ceil(least / multiple) * multiple
        _accept_single_values(body)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[-2:]
        right = self._padded(width) - width
        below = self._padded(height) - height
        padded = functional.pad(images, (0, right, 0, below), mode="replicate")
        size = padded.shape[-2:]
        return {
            name: _resized(logits, (size[0], size[1]))[..., :height, :width]
            for name, logits in self.body(padded).items()
        }

    def encoder(self) -> nn.Module:
        return self.body.backbone

    def _padded(self, side: int) -> int:
        return max(self._least, math.ceil(side / self._multiple) * self._multiple)


def _resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(logits.shape[-2:]) == size:
        return logits
    return functional.interpolate(logits, size, mode="bilinear", align_corners=False)


# -- batches of one image ------------------------------------------------------------------------


class SingleValueBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that also trains on one value per channel.

    Where an image is pooled to 1 x 1 (ASPP, squeeze and excite) and the batch holds one image, a
    batch has no variance and torch refuses; here such a batch is normalised by the running mean and
    variance, which it leaves as they are. Parameters and their names are those of `BatchNorm2d`.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch
        if self.training and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            return functional.batch_norm(
                input,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                training=False,
                eps=self.eps,
            )
        return super().forward(input)


def _accept_single_values(module: nn.Module) -> None:
    """Make each plain `BatchNorm2d` below `module` a `SingleValueBatchNorm`, in its place."""
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = SingleValueBatchNorm

"""U-Net as in its paper, from scratch: no encoder that was trained before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segstudio.core.errors import BadInputError
from segstudio.models.nets.unet import DEPTH, NamedUNet, UNet
from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.network import Body, SizedNet

MULTIPLE = 1 << DEPTH


class PlainUNet(Body):
    """A U-Net; with `sigmoid` one output that is the second of two categories' logit.

    The softmax over (0, x) is the sigmoid of x.
    """

    def __init__(self, network: UNet | NamedUNet, sigmoid: bool = False) -> None:
        super().__init__()
        self.network = network
        self._sigmoid = sigmoid

    @property
    def backbone(self) -> nn.Module:
        return nn.ModuleList(self.network.contracting())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        logits = self.network(images)
        if self._sigmoid:
            logits = torch.cat((torch.zeros_like(logits), logits), dim=1)
        return {"out": logits}


def build(spec: NetworkSpec) -> SizedNet:
    """64 filters at full size; 31,037,698 parameters for two categories."""
    return SizedNet(PlainUNet(UNet(spec.categories, _features(spec, 64))), MULTIPLE)


def build_small(spec: NetworkSpec) -> SizedNet:
    """32 filters at full size; 7,763,041 parameters with one output."""
    sigmoid = bool(spec.options.get("sigmoid", False))
    if sigmoid and spec.categories != 2:
        raise BadInputError("A U-Net with one sigmoid output tells two categories apart.")
    network = NamedUNet(1 if sigmoid else spec.categories, _features(spec, 32))
    return SizedNet(PlainUNet(network, sigmoid), MULTIPLE)


def _features(spec: NetworkSpec, default: int) -> int:
    features = int(spec.options.get("features", default))
    if not 1 <= features <= 256:
        raise BadInputError(f"A U-Net has 1 to 256 filters at full size, not {features}.")
    return features

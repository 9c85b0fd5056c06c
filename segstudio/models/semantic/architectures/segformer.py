"""SegFormer b0 to b5 (Xie et al. 2021); the network is in `models/nets/segformer.py`."""

from __future__ import annotations

from torch import Tensor, nn

from segstudio.models.nets.segformer import Segformer, Shape
from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.network import Body, SizedNet

_WIDE = (64, 128, 320, 512)
_SHAPES = {
    "segformer_b0": Shape((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "segformer_b1": Shape(_WIDE, (2, 2, 2, 2), 256),
    "segformer_b2": Shape(_WIDE, (3, 4, 6, 3), 768),
    "segformer_b3": Shape(_WIDE, (3, 4, 18, 3), 768),
    "segformer_b4": Shape(_WIDE, (3, 8, 27, 3), 768),
    "segformer_b5": Shape(_WIDE, (3, 6, 40, 3), 768),
}


class SegformerBody(Body):
    """The network as a body; its logits are at stride 4."""

    def __init__(self, network: Segformer) -> None:
        super().__init__()
        self.network = network

    @property
    def backbone(self) -> nn.Module:
        return self.network.segformer

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.network(images)}


def build(spec: NetworkSpec) -> SizedNet:
    """The variant that the architecture's key names."""
    network = Segformer(_SHAPES[spec.architecture], spec.categories)
    return SizedNet(SegformerBody(network), 32)

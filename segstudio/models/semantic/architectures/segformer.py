"""SegFormer (Xie et al. 2021) b0 to b5, from transformers (Apache-2.0)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.network import Body, SizedNet


class _Variant(NamedTuple):
    """Widths and depths of the four stages, and the width of the head; table 6 of the paper."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head: int


_WIDE = (64, 128, 320, 512)
_VARIANTS = {
    "segformer_b0": _Variant((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "segformer_b1": _Variant(_WIDE, (2, 2, 2, 2), 256),
    "segformer_b2": _Variant(_WIDE, (3, 4, 6, 3), 768),
    "segformer_b3": _Variant(_WIDE, (3, 4, 18, 3), 768),
    "segformer_b4": _Variant(_WIDE, (3, 8, 27, 3), 768),
    "segformer_b5": _Variant(_WIDE, (3, 6, 40, 3), 768),
}


class Segformer(Body):
    """transformers' network; its logits are at stride 4."""

    def __init__(self, config: SegformerConfig) -> None:
        super().__init__()
        self.network = SegformerForSemanticSegmentation(config)

    @property
    def backbone(self) -> nn.Module:  # type: ignore[override]
        module: nn.Module = self.network.segformer
        return module

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.network(pixel_values=images).logits}


def build(spec: NetworkSpec) -> SizedNet:
    """The variant that the architecture's key names."""
    variant = _VARIANTS[spec.architecture]
    config = SegformerConfig(
        hidden_sizes=list(variant.widths),
        depths=list(variant.depths),
        decoder_hidden_size=variant.head,
        id2label={n: str(n) for n in range(spec.categories)},
    )
    return SizedNet(Segformer(config), 32)

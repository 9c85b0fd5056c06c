"""U-Net++ (Zhou et al. 2018) on an encoder, with deep supervision if wanted.

smp's `UnetPlusPlus` has one output. With deep supervision the four nodes of stride 2 that are one
to four steps from the encoder (X01 to X04 in the paper) each have a head; in training each has its
loss, and what is predicted is the mean of the four ("accurate mode", section 3.2).
"""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional

from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.network import Body, SizedNet
from segstudio.models.semantic.registry import encoder

SIDE_OUTPUTS = ("x01", "x02", "x03")


class UNetPlusPlus(Body):
    """smp's network; `side_categories` of 0 leaves out the side heads."""

    def __init__(self, network: smp.UnetPlusPlus, side_categories: int = 0) -> None:
        super().__init__()
        self.network = network
        width = network.encoder.out_channels[1]
        names = SIDE_OUTPUTS if side_categories else ()
        self.heads = nn.ModuleDict({name: nn.Conv2d(width, side_categories, 1) for name in names})

    @property
    def backbone(self) -> nn.Module:
        module: nn.Module = self.network.encoder
        return module

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        nodes = _nodes(self.network.decoder, self.network.encoder(images))
        last = self.network.segmentation_head(nodes["x_0_4"])
        sides = {
            name: head(nodes[f"x_{3 - index}_3"])
            for index, (name, head) in enumerate(self.heads.items())
        }
        if not sides:
            return {"out": last}
        if self.training:
            return {"out": last, **sides}
        size = last.shape[-2:]
        enlarged = [
            functional.interpolate(side, size, mode="bilinear", align_corners=False)
            for side in sides.values()
        ]
        return {"out": torch.stack((last, *enlarged)).mean(dim=0)}


def build(spec: NetworkSpec) -> SizedNet:
    """With the option `deep_supervision` (default) or without."""
    network = smp.UnetPlusPlus(
        encoder(spec.encoder).name, encoder_weights=None, in_channels=3, classes=spec.categories
    )
    deep = bool(spec.options.get("deep_supervision", True))
    body = UNetPlusPlus(network, spec.categories if deep else 0)
    return SizedNet(body, 32, dict.fromkeys(SIDE_OUTPUTS, 1.0) if deep else {})


def _nodes(decoder: nn.Module, features: list[Tensor]) -> dict[str, Tensor]:
    """All nodes of smp's decoder by its names: "x_i_j" is of stride 16 / 2**j, j - i + 1 steps far.

    Its own `forward` keeps the last one only.
    """
    skips = features[:0:-1]  # the deepest first, without the image itself
    blocks = decoder.get_submodule("blocks")
    nodes: dict[str, Tensor] = {}
    for steps in range(4):
        for start in range(4 - steps):
            at = start + steps
            if steps == 0:
                below, beside = skips[at], [skips[at + 1]]
            else:
                below = nodes[f"x_{start}_{at - 1}"]
                dense = [nodes[f"x_{row}_{at}"] for row in range(start + 1, at + 1)]
                beside = [*dense, skips[at + 1]]
            name = f"x_{start}_{at}"
            nodes[name] = blocks.get_submodule(name)(below, torch.cat(beside, dim=1))
    nodes["x_0_4"] = blocks.get_submodule("x_0_4")(nodes["x_0_3"])
    return nodes

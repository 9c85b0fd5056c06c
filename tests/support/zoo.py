"""Networks of the zoo as small as they come, and their cards, for tests."""

from __future__ import annotations

import torch
from torch import nn

from segstudio.core.prediction import ModelCategory
from segstudio.models.semantic.card import Architecture, NetworkSpec, SemanticCard
from segstudio.models.semantic.registry import build, network_spec

SMALLEST = "mobilenet_v3_small"
NARROW = {"unet_plain": {"features": 4}, "unet_plain_small": {"features": 4}}


def small_spec(row: Architecture, categories: int = 3) -> NetworkSpec:
    """The architecture on the smallest encoder that it goes with; plain U-Nets with few filters."""
    encoder = SMALLEST if SMALLEST in row.encoders else ""
    return network_spec(row.key, encoder, categories, NARROW.get(row.key))


def seeded_net(spec: NetworkSpec, seed: int = 0) -> nn.Module:
    """A network with seeded weights and with running statistics that are not those of a new one."""
    torch.manual_seed(seed)
    net = build(spec)
    assert isinstance(net, nn.Module)
    scatter_statistics(net)
    return net.eval()


def scatter_statistics(net: nn.Module) -> None:
    """Give batch norms means and variances as after some training."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)


def plain_categories(count: int) -> tuple[ModelCategory, ...]:
    return tuple(ModelCategory(f"c{index}", f"#{index:06x}") for index in range(count))


def card_of(spec: NetworkSpec, key: str = "a_model") -> SemanticCard:
    return SemanticCard(
        key=key,
        title="A model",
        description="For a test.",
        spec=spec,
        categories=plain_categories(spec.categories),
        licence="yours",
        side=64,
    )

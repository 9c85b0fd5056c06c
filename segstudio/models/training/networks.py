"""The network that a training begins with: built, and filled with what was learned before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import ModelCategory
from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.registry import build, network_spec
from segstudio.models.training.settings import Optimiser, TrainingSettings


def spec_of(settings: TrainingSettings, categories: int) -> NetworkSpec:
    """Raises BadInputError where the settings name what is not there."""
    return network_spec(settings.architecture, settings.encoder, categories, settings.options)


def parameter_groups(
    net: nn.Module, encoder: nn.Module, settings: TrainingSettings, encoder_rate: float
) -> list[dict[str, object]]:
    """For an optimiser: `rate` is what each group's learning rate is, before any schedule.

    Biases and norms (of one axis) do not decay.
    """
    inside = {id(parameter) for parameter in encoder.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in net.parameters():
        if parameter.requires_grad:
            kind = id(parameter) in inside, parameter.ndim > 1
            groups.setdefault(kind, []).append(parameter)
    made: list[dict[str, object]] = []
    for (in_encoder, decays), parameters in groups.items():
        rate = settings.learning_rate * (encoder_rate if in_encoder else 1.0)
        decay = settings.weight_decay if decays else 0.0
        made.append({"params": parameters, "lr": rate, "rate": rate, "weight_decay": decay})
    return made


def optimiser_of(
    settings: TrainingSettings, groups: list[dict[str, object]]
) -> torch.optim.Optimizer:
    if settings.optimiser is Optimiser.SGD:
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def category_tensors(spec: NetworkSpec) -> frozenset[str]:
    """Names of the tensors that have a row for each category: their shapes follow the number.

    Told by networks that take no memory. None where the number cannot be another (one sigmoid).
    """
    try:
        with torch.device("meta"):
            nets = [build(replace(spec, categories=count)) for count in (2, 3)]
    except BadInputError:
        return frozenset()
    one, other = (cast("nn.Module", net).state_dict() for net in nets)
    return frozenset(name for name in one if one[name].shape != other[name].shape)


def fill(
    net: nn.Module,
    state: Mapping[str, Tensor],
    before: Sequence[ModelCategory],
    now: Sequence[ModelCategory],
    by_category: Collection[str],
) -> tuple[int, int]:
    """Copy what fits of another network's state dict: (how many tensors fit, how many `net` has).

    A tensor named in `by_category` (see `category_tensors`) takes over the rows of the categories
    of the same name, and leaves the others; equal lists of names fit as they are. What has other
    shapes stays.
    """
    same = [one.name for one in before] == [one.name for one in now]
    places = {one.name: index for index, one in enumerate(before)}
    pairs = [(index, places[one.name]) for index, one in enumerate(now) if one.name in places]
    own = net.state_dict()
    fitting = 0
    with torch.no_grad():
        for name, target in own.items():
            source = state.get(name)
            if source is None or source.ndim != target.ndim:
                continue
            if name in by_category and not same:
                if len(source) == len(before) and source.shape[1:] == target.shape[1:]:
                    for to, from_ in pairs:
                        target[to].copy_(source[from_])
                    fitting += bool(pairs)
            elif source.shape == target.shape:
                target.copy_(source)
                fitting += 1
    return fitting, len(own)

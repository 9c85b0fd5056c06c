"""What a network begins with: nothing, its encoder's ImageNet weights, or another model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import ModelCategory
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.models.semantic.card import NetworkSpec, Normalisation
from segstudio.models.semantic.contract import SemanticNet
from segstudio.models.semantic.loading import read_state
from segstudio.models.semantic.pretraining import pretrain_encoder
from segstudio.models.semantic.registry import encoder, semantic_card
from segstudio.models.training.networks import category_tensors, fill
from segstudio.models.training.settings import TrainingSettings
from segstudio.models.weights import ensure

_NAMED = 5  # categories in a sentence


@dataclass(frozen=True)
class Beginning:
    """Whether a network's encoder was trained before, what images it wants, and what to tell."""

    trained_before: bool
    normalisation: Normalisation
    notes: tuple[str, ...] = ()


def begin(
    net: nn.Module,
    spec: NetworkSpec,
    settings: TrainingSettings,
    categories: Sequence[ModelCategory],
) -> Beginning:
    """Fill a network that was just built with what the settings name.

    Raises BadInputError if there is no model to start from, WeightsError if its weights cannot be
    had.
    """
    if settings.start:
        return _from_model(net, spec, settings.start, categories)
    if settings.pretrained and spec.encoder:
        return _from_encoder(net, spec)
    return Beginning(False, _wanted(spec))


def _from_encoder(net: nn.Module, spec: NetworkSpec) -> Beginning:
    there = pretrain_encoder(
        cast("SemanticNet", net),
        spec,
        download=False,  # whoever starts the training has fetched them, and asked
        report=ignore_progress,
        cancel=CancelToken(),
    )
    if there:
        return Beginning(True, _wanted(spec))
    title = encoder(spec.encoder).title
    note = f"{title} has no ImageNet weights; its encoder starts from nothing."
    return Beginning(False, _wanted(spec), (note,))


def _from_model(
    net: nn.Module, spec: NetworkSpec, key: str, categories: Sequence[ModelCategory]
) -> Beginning:
    card = semantic_card(key)
    path = ensure(card, None, download=False, report=ignore_progress, cancel=CancelToken())
    heads = category_tensors(spec)
    fitting, tensors = fill(net, read_state(card, path), card.categories, categories, heads)
    if not fitting:
        raise BadInputError(
            f"Nothing of {card.title} fits this network; choose the architecture and the encoder "
            f"that it has ({f'{card.spec.architecture} {card.spec.encoder}'.strip()})."
        )
    known = {one.name for one in card.categories}
    new = [one.name for one in categories if one.name not in known]
    note = f"It starts from {card.title}: {fitting} of {tensors} parts of the network fit."
    if new:
        more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        note += f" New to it: {', '.join(new[:_NAMED])}{more}."
    return Beginning(True, card.normalisation, (note,))


def _wanted(spec: NetworkSpec) -> Normalisation:
    return encoder(spec.encoder).normalisation if spec.encoder else Normalisation()

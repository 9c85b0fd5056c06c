"""What a network begins with: nothing, its encoder's ImageNet weights, or another model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from segstudio.core.errors import BadInputError, WeightsError
from segstudio.core.prediction import ModelCategory
from segstudio.models.semantic import library
from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.registry import encoder, semantic_card
from segstudio.models.training.networks import fill
from segstudio.models.training.settings import TrainingSettings


@dataclass(frozen=True)
class Beginning:
    """Whether a network's encoder was trained before, and what the user should know of it."""

    trained_before: bool
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
        return _from_model(net, settings.start, categories)
    if settings.pretrained and spec.encoder:
        return _from_encoder(spec)
    return Beginning(False)


def _from_encoder(spec: NetworkSpec) -> Beginning:
    row = encoder(spec.encoder)
    return Beginning(
        False,
        (f"{row.title} has no ImageNet weights here, so its encoder starts from nothing.",),
    )


def _from_model(net: nn.Module, key: str, categories: Sequence[ModelCategory]) -> Beginning:
    card = semantic_card(key)
    if card.folder is None:
        raise BadInputError(f"{card.title} cannot be trained further; choose one trained here.")
    try:
        state = load_file(card.folder / library.WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"The weights of {card.title} cannot be read ({error}); train it again."
        ) from error
    fitting, tensors = fill(net, state, card.categories, categories)
    if not fitting:
        raise BadInputError(
            f"Nothing of {card.title} fits this network; choose the architecture and the encoder "
            f"that it has ({card.spec.architecture} {card.spec.encoder})."
        )
    known = {one.name for one in card.categories}
    new = [one.name for one in categories if one.name not in known]
    note = f"It starts from {card.title}: {fitting} of {tensors} of its parts fit."
    if new:
        note += f" New to it: {', '.join(new)}."
    return Beginning(True, (note,))

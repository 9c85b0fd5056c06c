"""The weights that a training starts from: which are missing, and fetching them."""

from __future__ import annotations

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.models import weights as model_weights
from segstudio.models.card import Weighed
from segstudio.models.semantic.registry import ENCODERS, encoder, network_spec, semantic_card
from segstudio.models.training.settings import TrainingSettings


def start_cards(settings: TrainingSettings) -> tuple[Weighed, ...]:
    """The encoder, or the model, whose published weights these settings start from.

    Raises BadInputError for settings that name what is not there.
    """
    spec = network_spec(settings.architecture, settings.encoder, 1, settings.options)
    cards: list[Weighed] = []
    if settings.start:
        cards.append(semantic_card(settings.start))
    elif settings.pretrained and spec.encoder:
        cards.append(encoder(spec.encoder))
    return tuple(card for card in cards if card.weights is not None)


def missing_start(settings: TrainingSettings) -> tuple[Weighed, ...]:
    """Those of `start_cards` whose weights are not on this machine, or damaged."""
    return tuple(card for card in start_cards(settings) if not is_here(card))


def ensure_start(
    settings: TrainingSettings, *, download: bool, report: ProgressSink, cancel: CancelToken
) -> None:
    """See that what a training starts from is on this machine; fetch it where `download` allows.

    Raises WeightsError, with the remedy, where it is not; Cancelled.
    """
    for card in start_cards(settings):
        model_weights.ensure(card, None, download=download, report=report, cancel=cancel)


def encoders_here() -> frozenset[str]:
    """Keys of the encoders whose ImageNet weights are on this machine. Reads files."""
    return frozenset(row.key for row in ENCODERS if is_here(row))


def is_here(card: Weighed) -> bool:
    """Whether a card's weights are on this machine, and whole. Reads files."""
    try:
        return model_weights.find(card) is not None
    except WeightsError:
        return False

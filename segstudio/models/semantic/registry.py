"""Every semantic model that SegStudio knows; nothing here imports torch.

A new architecture is a function that builds it and a row in `architecture_table`; a new encoder is
a row in `encoder_table`; published weights are a row in `published`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import MOST_CATEGORIES
from segstudio.models.semantic import library
from segstudio.models.semantic.architecture_table import ARCHITECTURES
from segstudio.models.semantic.card import (
    Architecture,
    Encoder,
    NetworkSpec,
    Options,
    SemanticCard,
)
from segstudio.models.semantic.contract import SemanticNet
from segstudio.models.semantic.encoder_table import ENCODERS
from segstudio.models.semantic.published import PUBLISHED

__all__ = [
    "ARCHITECTURES",
    "ENCODERS",
    "PUBLISHED",
    "architecture",
    "build",
    "encoder",
    "licence_after",
    "network_spec",
    "semantic_card",
    "semantic_cards",
]

_ARCHITECTURES: Mapping[str, Architecture] = {row.key: row for row in ARCHITECTURES}
_ENCODERS: Mapping[str, Encoder] = {row.key: row for row in ENCODERS}
_PUBLISHED: Mapping[str, SemanticCard] = {row.key: row for row in PUBLISHED}


def architecture(key: str) -> Architecture:
    """The architecture of that key. Raises BadInputError, naming the known ones."""
    try:
        return _ARCHITECTURES[key]
    except KeyError:
        raise BadInputError(
            f"There is no architecture {key!r}; there are {_listed(_ARCHITECTURES)}."
        ) from None


def encoder(key: str) -> Encoder:
    """The encoder of that key. Raises BadInputError, naming the known ones."""
    try:
        return _ENCODERS[key]
    except KeyError:
        raise BadInputError(
            f"There is no encoder {key!r}; there are {_listed(_ENCODERS)}."
        ) from None


def semantic_cards() -> tuple[SemanticCard, ...]:
    """The published models, then those trained here, the newest first."""
    return (*PUBLISHED, *library.cards())


def semantic_card(key: str) -> SemanticCard:
    """The card of that key, published or trained.

    Raises BadInputError, naming the known ones; for a damaged one, what is wrong with it.
    """
    if key in _PUBLISHED:
        return _PUBLISHED[key]
    if (known := library.named(key)) is not None:
        return known
    trained = {card.key: card for card in library.cards()}
    try:
        return trained[key]
    except KeyError:
        raise BadInputError(
            f"There is no semantic model {key!r}; there are {_listed((*_PUBLISHED, *trained))}."
        ) from None


def licence_after(start: str) -> tuple[str, bool]:
    """Licence of a model that was trained on from that of the key `start`, and whether it limits.

    A non-commercial licence passes on to what is derived from it. "" is a start from nothing or
    from an encoder's weights.
    """
    if not start:
        return "yours", False
    try:
        card = semantic_card(start)
    except BadInputError:
        return f"yours, and that of the deleted model {start}", False
    return (card.licence, True) if card.noncommercial else ("yours", False)


def network_spec(
    architecture_key: str, encoder_key: str, categories: int, options: Options | None = None
) -> NetworkSpec:
    """A spec that can be built: the default encoder for "", defaults for options not given.

    Raises BadInputError for an encoder or an option that the architecture does not go with, and
    for more categories than a label map holds.
    """
    row = architecture(architecture_key)
    chosen = encoder_key or (row.encoders[0] if row.encoders else "")
    if chosen and chosen not in row.encoders:
        fitting = _listed(row.encoders) or "none: it has its own"
        raise BadInputError(
            f"{row.title} does not go with the encoder {chosen!r}; those that fit are {fitting}."
        )
    given = dict(options or {})
    if unknown := sorted(set(given) - set(row.options)):
        raise BadInputError(
            f"{row.title} has no option {unknown[0]!r}; its options are "
            f"{_listed(row.options) or 'none'}."
        )
    if not 1 <= categories <= MOST_CATEGORIES:
        raise BadInputError(
            f"A semantic model has 1 to {MOST_CATEGORIES} categories, not {categories}."
        )
    return NetworkSpec(row.key, chosen, categories, {**row.options, **given})


def build(spec: NetworkSpec) -> SemanticNet:
    """The network of a spec, with random weights. Raises BadInputError as `network_spec` does."""
    whole = network_spec(spec.architecture, spec.encoder, spec.categories, spec.options)
    return architecture(whole.architecture).build(whole)


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(keys)

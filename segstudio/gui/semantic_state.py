"""What the Semantic panel shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.models.semantic.card import SemanticCard


@dataclass(frozen=True)
class ModelRow:
    """A card, and whether its weights are on this machine.

    `model_key` names it together with these weights, as the cache of predictions does; "" where
    that is not known before it is loaded.
    """

    card: SemanticCard
    here: bool
    model_key: str = ""

    @property
    def trained_here(self) -> bool:
        return self.card.folder is not None

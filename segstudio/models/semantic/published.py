"""Published weights of semantic models, as data."""

from __future__ import annotations

from segstudio.models.semantic.card import SemanticCard

PUBLISHED: tuple[SemanticCard, ...] = ()

"""The names of models together with their weights, by which caches know them. No torch here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken
from segstudio.models import weights as model_weights
from segstudio.models.semantic import library
from segstudio.models.semantic.card import SemanticCard


def model_key(card: SemanticCard, weights_hash: str) -> str:
    """The card's key, and 16 hex digits of its weights (their SHA-256, hex) and how it is asked."""
    treatment = repr((card.normalisation, card.side, card.scale, card.temperature))
    whole = hashlib.sha256((weights_hash + treatment).encode()).hexdigest()
    return f"{card.key}-{whole[:16]}"


def key_on_disk(card: SemanticCard, cancel: CancelToken | None = None) -> str:
    """The key of the model as it lies on this machine; "" where its weights do not.

    Reads the weights when they are seen for the first time. Raises Cancelled.
    """
    try:
        if card.folder is not None:
            path: Path | None = card.folder / library.WEIGHTS
        else:
            path = model_weights.find(card, cancel=cancel)
        return model_key(card, model_weights.file_sha256(path, cancel=cancel)) if path else ""
    except (WeightsError, OSError):
        return ""

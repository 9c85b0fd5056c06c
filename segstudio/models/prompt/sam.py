"""SAM with its own encoders, ViT-B, ViT-L and ViT-H (Kirillov et al. 2023)."""

from __future__ import annotations

from pathlib import Path

from segment_anything import sam_model_registry

from segstudio.models.card import ModelCard
from segstudio.models.prompt.sam_model import SamModel, load_sam


def load_vit_b(card: ModelCard, weights: Path | None, device: str) -> SamModel:
    """Loader of the card "sam_vit_b"; see `ModelCard.load`."""
    return load_sam(sam_model_registry["vit_b"], card, weights, device)


def load_vit_l(card: ModelCard, weights: Path | None, device: str) -> SamModel:
    """Loader of the card "sam_vit_l"; see `ModelCard.load`."""
    return load_sam(sam_model_registry["vit_l"], card, weights, device)


def load_vit_h(card: ModelCard, weights: Path | None, device: str) -> SamModel:
    """Loader of the card "sam_vit_h"; see `ModelCard.load`."""
    return load_sam(sam_model_registry["vit_h"], card, weights, device)

"""Caches know a model by the same name before it is loaded and after."""

from __future__ import annotations

from dataclasses import replace

import torch

from segstudio.core.prediction import ModelCategory
from segstudio.models.semantic import library
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.model_key import key_on_disk
from segstudio.models.semantic.published import PUBLISHED
from segstudio.models.semantic.registry import build, network_spec, semantic_card

CATEGORIES = (ModelCategory("road", "#804080"), ModelCategory("car", "#000080", isthing=True))


def saved(seed: int, temperature: float = 1.0) -> SemanticCard:
    """A trained model in the library, of random weights."""
    torch.manual_seed(seed)
    spec = network_spec("unet_plain_small", "", len(CATEGORIES))
    card = SemanticCard("mine", "Mine", "", spec, CATEGORIES, "Apache-2.0", temperature=temperature)
    library.save(build(spec).state_dict(), card)  # type: ignore[attr-defined]
    return semantic_card("mine")


def test_the_key_is_that_of_the_loaded_model() -> None:
    card = saved(0)
    assert key_on_disk(card) == card.load(None, "cpu").model_key


def test_other_weights_and_another_treatment_have_another_key() -> None:
    keys = {key_on_disk(saved(0)), key_on_disk(saved(1)), key_on_disk(saved(1, temperature=2.0))}
    assert len(keys) == 3


def test_what_is_not_here_has_no_key() -> None:
    card = saved(0)
    assert card.folder is not None
    (card.folder / library.WEIGHTS).unlink()
    assert key_on_disk(card) == ""
    missing = next(card for card in PUBLISHED if card.weights is not None)
    assert key_on_disk(replace(missing)) == ""

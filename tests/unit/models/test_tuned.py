"""Tuned prompt models: kept beside their base, listed, verified, and never in its place."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from segstudio.core.errors import BadInputError, WeightsError
from segstudio.models import weights
from segstudio.models.prompt import tuned
from segstudio.models.registry import PROMPT_MODELS, prompt_model, prompt_models

NANO = prompt_model("segstudio_nano")


def facts_of(content: bytes, title: str = "Nano for Cells", base: str = "segstudio_nano"):
    return tuned.TunedFacts(
        key="", title=title, base=base, base_sha256="0" * 64,
        sha256=hashlib.sha256(content).hexdigest(), size=0, licence="yours",
        tuned_on="12 images of “Cells”", before={"3": 0.4}, after={"3": 0.61}, settings={},
        created_at=0.0,
    )  # fmt: skip


def kept(tmp_path: Path, content: bytes = b"weights", **more: str) -> tuned.TunedFacts:
    file = tmp_path / "made.safetensors"
    file.write_bytes(content)
    taken = [card.key for card in PROMPT_MODELS]
    return tuned.keep(file, facts_of(content, **more), taken)


def test_a_tuned_model_is_one_more_card_and_its_base_stays(tmp_path: Path) -> None:
    assert prompt_models() == PROMPT_MODELS
    facts = kept(tmp_path)
    assert facts.key == "nano-for-cells"
    assert prompt_models()[:-1] == PROMPT_MODELS
    card = prompt_model(facts.key)
    assert card.loader == NANO.loader
    assert card.title == "Nano for Cells"
    assert "40% before, 61% now" in card.description
    found = weights.find(card)
    assert found is not None
    assert found.read_bytes() == b"weights"
    assert prompt_model("segstudio_nano") is NANO


def test_other_models_of_that_title_get_keys_of_their_own_and_the_same_one_none(
    tmp_path: Path,
) -> None:
    first, second = kept(tmp_path), kept(tmp_path, b"others")
    assert (first.key, second.key) == ("nano-for-cells", "nano-for-cells-2")
    assert kept(tmp_path, b"others") == second
    assert kept(tmp_path, b"third", title="graph cut").key == "graph-cut"
    assert kept(tmp_path, b"fourth", title="細胞").key == "tuned"


def test_damaged_weights_are_refused_with_the_remedy(tmp_path: Path) -> None:
    facts = kept(tmp_path)
    card = prompt_model(facts.key)
    path = tuned.folder() / facts.key / tuned.WEIGHTS
    path.write_bytes(b"weightZ")
    with pytest.raises(WeightsError, match="tune Nano for Cells again"):
        weights.find(card)
    path.unlink()
    assert weights.find(card) is None
    assert "tune Nano for Cells again" in str(weights.missing_weights(card))


@pytest.mark.parametrize(
    ("name", "value"),
    [("key", "../outside"), ("key", "graph_cut"), ("sha256", "none"), ("before", 3)],
)
def test_a_card_that_is_not_sound_is_passed_over(tmp_path: Path, name: str, value: object) -> None:
    place = tuned.folder() / kept(tmp_path).key
    told = json.loads((place / tuned.CARD).read_text())
    (place / tuned.CARD).write_text(json.dumps({**told, name: value}))
    with pytest.raises(BadInputError, match="delete the folder"):
        tuned.read(place)
    assert prompt_models() == PROMPT_MODELS


def test_a_file_does_not_choose_what_loads_it(tmp_path: Path) -> None:
    place = tuned.folder() / kept(tmp_path).key
    told = json.loads((place / tuned.CARD).read_text())
    (place / tuned.CARD).write_text(json.dumps({**told, "loader": "os:system"}))
    assert prompt_models()[-1].loader == NANO.loader
    (place / tuned.CARD).write_text(json.dumps({**told, "base": "unheard_of"}))
    assert prompt_models() == PROMPT_MODELS


def test_a_tuned_model_can_be_deleted_and_no_other(tmp_path: Path) -> None:
    facts = kept(tmp_path)
    for key in ("graph_cut", "../prompt_models", ""):
        with pytest.raises(BadInputError, match="was tuned here"):
            tuned.delete(key)
    tuned.delete(facts.key)
    assert prompt_models() == PROMPT_MODELS

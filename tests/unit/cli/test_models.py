"""`segstudio models` for models that label each pixel, trained ones and encoders."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import torch
from zoo import card_of

from segstudio.cli import models
from segstudio.cli.output import Output
from segstudio.core.errors import BadInputError, WeightsError
from segstudio.models import licences
from segstudio.models.semantic import library
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.semantic.registry import semantic_card


class Run:
    """One call of the command, with what it printed."""

    def __init__(self, *words: str) -> None:
        import argparse

        parser = argparse.ArgumentParser()
        models.add_arguments(parser)
        out, err = io.StringIO(), io.StringIO()
        self.status = models.run(parser.parse_args(words), Output(True, out, err))
        self.rows: list[dict[str, Any]] = json.loads(out.getvalue()).get("models", [])
        self.said = err.getvalue()
        self.data = json.loads(out.getvalue())

    def row(self, key: str) -> dict[str, Any]:
        return next(row for row in self.rows if row["key"] == key)


def trained() -> SemanticCard:
    from dataclasses import replace

    card = replace(
        card_of(NetworkSpec("unet", "resnet18", 2), "roads"),
        trained_on="9 images",
        settings={"epochs": 3},
        scores={"miou": 0.5},
    )
    library.save({"a": torch.ones(2)}, card)
    return card


def test_a_list_has_prompted_semantic_and_trained_models() -> None:
    trained()
    found = Run("list")
    assert found.row("graph_cut")["kind"] == "prompt"
    published = found.row("deeplabv3_resnet50_voc")
    assert published["state"] == "not here" and published["hash"] == "hash published"
    assert [one["name"] for one in published["categories"]][:2] == ["background", "aeroplane"]
    own = found.row("roads")
    assert own["state"] == "trained here" and own["path"].endswith("roads")
    assert own["trained_on"] == "9 images" and own["settings"] == {"epochs": 3}
    assert own["scores"] == {"miou": 0.5} and own["encoder"] == "resnet18"
    assert "resnet18" not in {row["key"] for row in found.rows}


def test_kinds_and_keys_narrow_the_list() -> None:
    assert {row["kind"] for row in Run("list", "--kind", "encoder").rows} == {"encoder"}
    (row,) = Run("list", "resnet18").rows
    assert row["file"] == "resnet18-f37072fd.pth" and row["hash"].startswith("first 8 digits")
    with pytest.raises(BadInputError, match="no model 'nothing'; the models are"):
        Run("list", "nothing")


def test_a_noncommercial_licence_stops_a_pull_with_its_text() -> None:
    with pytest.raises(WeightsError, match=r"research or evaluation.*--accept-licence"):
        Run("pull", "segformer_b0_ade20k")
    row = Run("list", "segformer_b0_ade20k").rows[0]
    assert row["noncommercial"] and "NVIDIA" in row["licence_text"]


def test_accepting_shows_the_text_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def arrived(card: SemanticCard, *_: object, **__: object) -> None:
        assert licences.is_accepted(card)
        asked.append(card.key)

    monkeypatch.setattr("segstudio.models.weights.ensure", arrived)
    found = Run("pull", "segformer_b0_ade20k", "--accept-licence")
    assert asked == ["segformer_b0_ade20k"] and "research or evaluation" in found.said
    assert licences.is_accepted(semantic_card("segformer_b0_ade20k"))


def test_trained_models_have_a_place_and_are_verified() -> None:
    trained()
    assert Run("path", "roads").data["path"].endswith("roads")
    assert Run("pull", "roads").data["path"].endswith("roads")
    assert Run("verify", "roads").rows[0]["state"] == "good"
    (library.folder() / "roads" / library.WEIGHTS).write_bytes(b"cut")
    found = Run("verify")
    assert found.status == 1
    (damaged,) = [row for row in found.rows if row["state"] == "damaged"]
    assert damaged["key"] == "roads" and "train the model again" in damaged["reason"]
    (library.folder() / "roads" / library.WEIGHTS).unlink()
    found = Run("verify")
    assert found.status == 1
    (damaged,) = [row for row in found.rows if row["state"] == "damaged"]
    assert "roads" in damaged["reason"]

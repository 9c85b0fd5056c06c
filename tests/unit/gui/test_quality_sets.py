"""The names that label sets have in the quality panel."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_project import LabelledProject, working_as

from segstudio.core.annotation import Stage
from segstudio.engine.label_map_folder import LabelMapFolder
from segstudio.engine.label_sets import AnnotationFilter, AnnotationSet, label_sets
from segstudio.engine.prediction_cache import CachedPredictions, PredictionCache
from segstudio.engine.prediction_sets import PredictionSet
from segstudio.gui.quality_sets import model_title, titled, tool_title
from segstudio.models.registry import PROMPT_MODELS
from segstudio.models.semantic.published import PUBLISHED
from segstudio.tools.registry import TOOLS


def test_models_people_and_tools_are_called_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = PUBLISHED[0]
    made = LabelledProject.make(tmp_path / "p.segstudio")
    working_as(monkeypatch, "ann")
    made.draw(0, "car", (0, 0, 5, 5), tool="brush")
    made.draw(0, "car", (9, 9, 15, 15), tool="label-maps", model_key="gone-1")
    working_as(monkeypatch, "bob")
    for number in (1, 2):
        key = f"{card.key}-{number}23456"
        more = {"stage": Stage.AUTOMATIC, "tool": "semantic", "model_key": key}
        made.draw(1, "road", (0, 9, 9, 20), **more)
    titles = [one.title for one in titled(label_sets(made.store))]
    assert titles == [
        "All annotations",
        "People's work",
        "Models' work",
        "Made with gone-1",
        f"Made with {card.title} (123456)",
        f"Made with {card.title} (223456)",
        "From label maps of models",
        "Tool: Brush",
        "Imported: Label maps",
        "By ann",
        "By bob",
    ]
    made.store.close()


def test_predictions_of_one_model_in_several_ways_are_told_apart(tmp_path: Path) -> None:
    made = LabelledProject.make(tmp_path / "p.segstudio")
    cache = PredictionCache(None, 0)
    card = PUBLISHED[0]
    sets = [
        PredictionSet(made.store, cache, CachedPredictions(f"{card.key}-9876", key, 1, "ab"), "x")
        for key in ("abcdef", "012345")
    ]
    folder = LabelMapFolder(tmp_path)
    people = AnnotationSet(made.store, AnnotationFilter(stage="assisted", split="test"), "some")
    found = titled([*sets, folder, people])
    assert [one.title for one in found] == [
        f"Predictions of {card.title} (9876 abcd)",
        f"Predictions of {card.title} (9876 0123)",
        tmp_path.name,
        "some",
    ]
    assert [one.key for one in found] == [one.key for one in (*sets, folder, people)]
    made.store.close()


def test_every_tool_has_a_word_and_the_longest_key_names_the_model() -> None:
    assert len({tool_title(row.key) for row in TOOLS}) == len(TOOLS)
    assert tool_title("of-another-program") == "Tool: of-another-program"
    cards = {"unet": "U-Net", "unet-resnet": "U-Net, ResNet"}
    assert model_title("unet-resnet-0123", cards) == "U-Net, ResNet"
    assert model_title("unet-0123", cards) == "U-Net"
    assert model_title("unets-0123", cards) == "unets-0123"
    known = {card.key: card.title for card in (*PROMPT_MODELS, *PUBLISHED)}
    assert all(model_title(f"{key}-0123-1", known) == title for key, title in known.items())

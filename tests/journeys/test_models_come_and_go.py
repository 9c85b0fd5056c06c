"""Through the window: a graphics card that is full, and a model that rests while nobody works."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.core.errors import DeviceError
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.engine.model_loading import load_prompt_model
from segstudio.gui.app import REST_MS, Studio
from segstudio.gui.demo_hand import Hand
from segstudio.imaging.sample_photos import write_sample_photos
from segstudio.models.card import ModelCard
from segstudio.models.prompt.graph_cut import GraphCut

SECOND = 1 / 60  # in minutes


class OnCard(GraphCut):
    """The built-in model as if it were on a graphics card whose memory is full."""

    device = "cuda"

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        raise DeviceError("The graphics card ran out of memory; compute on the CPU.")


@pytest.fixture
def hand(qtbot: QtBot, tmp_path: Path) -> Iterator[Hand]:
    write_sample_photos(tmp_path / "photos")
    studio = Studio(Settings(model="graph_cut", device="cuda", prefetch_neighbours=0))
    hand = Hand(studio)
    qtbot.addWidget(hand.window)
    hand.show()
    studio.desks.project.open(tmp_path / "photos")
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    yield hand
    hand.close()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[GraphCut]]:
    """The models that the window loaded, as long as they are in memory; cuda's is `OnCard`."""
    loaded: list[weakref.ref[GraphCut]] = []

    def load(card: ModelCard, *, device: str, **how: Any) -> GraphCut:
        here = load_prompt_model(card, device="cpu", **how)
        assert isinstance(here, GraphCut)
        model = OnCard(card) if device == "cuda" else here
        loaded.append(weakref.ref(model))
        return model

    monkeypatch.setattr("segstudio.gui.app.load_prompt_model", load)
    return loaded


def test_a_full_card_is_told_and_the_click_is_answered_on_the_cpu(
    loads: list[weakref.ref[GraphCut]], hand: Hand
) -> None:
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, *_: told.append(sentence))
    hand.open_image("astronaut.png")
    assert hand.studio.prompts.device == "cuda"
    hand.click(120, 300)
    answer = hand.wait_for_answer()
    assert answer.candidates.items
    hand.click(120, 310)
    hand.wait_for_answer()
    assert told == [
        "The graphics card ran out of memory; Graph cut (built in) computes on the CPU now."
    ]
    assert hand.studio.prompts.device == "cpu"
    assert hand.window.status.device.text() == "cpu"
    assert len(loads) == 2


def test_a_model_that_rests_is_not_in_memory_and_the_next_click_needs_no_help(
    loads: list[weakref.ref[GraphCut]], hand: Hand
) -> None:
    hand.workspace.change_settings(device="cpu")
    hand.studio.desks.model.use("graph_cut")
    hand.open_image("astronaut.png")
    hand.name_category("suit")
    hand.click(120, 300)
    hand.wait_for_answer()
    hand.accept()
    hand.settle()

    hand.studio.prompts.rest(1e-6 * SECOND)
    hand.settle()
    gc.collect()
    assert [load() for load in loads] == [None] * len(loads)
    assert hand.studio.prompts.device == ""
    before = len(loads)

    hand.click(300, 60)
    assert hand.wait_for_answer().candidates.items
    assert len(loads) == before + 1
    assert hand.studio.prompts.device == "cpu"


def test_the_window_looks_again_and_again_whether_the_model_may_rest(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(hand.studio.prompts, "rest", asked.append)
    [timer] = [one for one in hand.studio.findChildren(QTimer) if one.interval() == REST_MS]
    assert timer.isActive()
    hand.workspace.change_settings(unload_minutes=7)
    timer.timeout.emit()
    assert asked == [7]


def test_a_model_that_should_have_come_with_the_app_is_not_offered_for_download(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segstudio.gui.desks.model.has_weights", lambda _card: False)
    told: list[str] = []
    offered: list[ModelCard] = []
    hand.workspace.told.connect(lambda sentence, *_: told.append(sentence))
    hand.studio.desks.model.missing.connect(offered.append)
    hand.studio.desks.model.use("segstudio_nano")
    hand.settle()
    assert sum("install SegStudio again" in sentence for sentence in told) == 1
    assert not offered
    assert hand.workspace.settings.model == "graph_cut"
    hand.studio.desks.model.use("mobile_sam")
    hand.settle()
    assert [card.key for card in offered] == ["mobile_sam"]

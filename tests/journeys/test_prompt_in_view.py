"""A small thing on a large photo: the model looks at what one has zoomed to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings, load_settings
from segstudio.core.mask import Box
from segstudio.engine.prompt_session import EmbeddingState
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand

SIZE = 2100, 2800
SPOT = (1310, 910, 1334, 932)  # xyxy of a thing of 24 x 22 pixels
INSIDE = (1321.5, 920.5)


@pytest.fixture
def hand(qtbot: QtBot, tmp_path: Path) -> Iterator[Hand]:
    noise = np.random.default_rng(1).integers(-6, 6, (*SIZE, 1), dtype=np.int16)
    photo = np.clip(np.array((120, 150, 90), dtype=np.int16) + noise, 0, 255).astype(np.uint8)
    x0, y0, x1, y1 = SPOT
    photo[y0:y1, x0:x1] = (20, 30, 220)
    cv2.imwrite(str(tmp_path / "large.jpg"), photo)
    hand = Hand(
        Studio(Settings(model="segstudio_nano", prefetch_neighbours=0, hover_preview=False))
    )
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(tmp_path)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.wait(lambda: hand.studio.prompts.state is EmbeddingState.READY, "no embedding")
    hand.settle()
    yield hand
    hand.close()


def looks_at_a_part(hand: Hand) -> bool:
    answerer = hand.studio.prompts.answerer
    return answerer is not None and answerer.crop is not None


def shown_part(hand: Hand) -> Box | None:
    return hand.canvas.overlay.part


def zoom_to_spot(hand: Hand) -> None:
    at = hand.screen(*INSIDE)
    hand.canvas.set_view(hand.canvas.view.zoomed(8.0, float(at.x()), float(at.y())))


def test_what_is_zoomed_to_is_prompted_at_its_own_resolution(hand: Hand) -> None:
    hand.press("Shift+C")
    assert hand.studio.actions.actions["model.in_view"].isChecked()
    QTest.qWait(400)
    hand.settle()
    assert not looks_at_a_part(hand), "the whole image is in sight"
    assert shown_part(hand) is None
    zoom_to_spot(hand)
    hand.wait(lambda: looks_at_a_part(hand), "the model does not follow the view", 20)
    part = shown_part(hand)
    assert part is not None
    assert hand.canvas.overlay.part_ready
    assert part.x0 <= SPOT[0] < SPOT[2] <= part.x1
    assert "visible part" in hand.window.status.embedding.text()
    hand.click(*INSIDE)
    answer = hand.wait_for_answer()
    best = answer.candidates.items[answer.candidates.best].mask
    wanted = np.zeros(SIZE, dtype=bool)
    wanted[SPOT[1] : SPOT[3], SPOT[0] : SPOT[2]] = True
    found = best.to_array()
    assert (found & wanted).sum() / (found | wanted).sum() > 0.6
    hand.press("Esc")
    hand.press("F")
    hand.wait(lambda: not looks_at_a_part(hand), "the whole image is not looked at again", 20)
    assert shown_part(hand) is None


def test_turned_off_the_whole_image_answers_whatever_is_in_sight(hand: Hand) -> None:
    hand.press("Shift+C")
    zoom_to_spot(hand)
    hand.wait(lambda: looks_at_a_part(hand), "the model does not follow the view", 20)
    hand.press("Shift+C")
    hand.settle()
    assert not looks_at_a_part(hand)
    assert shown_part(hand) is None
    assert hand.window.status.embedding.text() == "embedding ready"
    assert not load_settings().prompt_in_view
    hand.canvas.zoom(1.5)
    QTest.qWait(400)
    hand.settle()
    assert not looks_at_a_part(hand)

"""Stories of going back: by click and by key, forward again, after a restart, and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from skimage.draw import disk

from segstudio.config.settings import Settings
from segstudio.core.changes import Edit
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.engine.image_session import ImageSession
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.imaging.sample_photos import write_sample_photos

SIZE = (512, 512)


def disc(x: int) -> Candidate:
    array = np.zeros(SIZE, dtype=bool)
    array[disk((200, x), 40, shape=SIZE)] = True
    return Candidate(Mask.from_array(array), 0.9, 0.9)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_sample_photos(folder)
    return folder


def open_window(qtbot: QtBot, photos: Path) -> Hand:
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(photos)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image("astronaut.png")
    return hand


@pytest.fixture
def hand(qtbot: QtBot, photos: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, photos)
    label(hand)
    yield hand
    hand.close()


def label(hand: Hand) -> None:
    hand.name_category("person")

    def accept(x: int) -> None:
        def make(session: ImageSession) -> Edit:
            return session.accept([disc(x)], session.categories[0].id, tool="brush")

        hand.workspace.edit("labelling", make)

    for x in (60, 180, 300):
        accept(x)
    hand.wait(lambda: len(hand.workspace.annotations) == 3, "nothing is labelled")
    hand.settle()


def rows(hand: Hand) -> list[str]:
    model = hand.window.history.model
    return [str(model.index(row, 0).data()) for row in range(model.rowCount())]


def click_row(hand: Hand, row: int) -> None:
    view = hand.window.history.view
    place = view.visualRect(hand.window.history.model.index(row, 0)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    hand.settle()


ALL = ["Before the first step", "Add category person", *["Accept mask"] * 3]


def test_a_click_goes_back_and_forward_and_the_canvas_follows(hand: Hand) -> None:
    hand.press("Ctrl+H")
    assert hand.window.tabs.currentWidget() is hand.window.history
    assert rows(hand) == ALL
    assert hand.window.history.model.here == 4
    selected = hand.workspace.annotations[-1].id
    hand.workspace.select((selected,))
    click_row(hand, 2)
    assert [row.mask.box.x0 for row in hand.workspace.annotations] == [21]
    assert hand.workspace.selected == ()
    assert rows(hand) == ALL
    assert hand.window.history.model.here == 2
    assert "Accept mask" in hand.window.status.message.whole_text
    session = hand.workspace.session
    assert session is not None
    assert hand.workspace.image_counts[session.image.id] == 1
    click_row(hand, 4)
    assert len(hand.workspace.annotations) == 3


def test_undo_moves_the_place_and_new_work_takes_the_place_of_what_was_undone(hand: Hand) -> None:
    hand.press("Ctrl+H")
    hand.press("Ctrl+Z")
    hand.settle()
    assert hand.window.history.model.here == 3
    assert rows(hand) == ALL
    click_row(hand, 1)
    hand.press("Ctrl+Return")
    hand.settle()
    assert rows(hand) == [*ALL[:2], "Mark as reviewed"]
    assert hand.window.history.model.here == 2


def test_quick_work_in_a_row_leaves_no_step_that_is_not_there(hand: Hand) -> None:
    desks = hand.studio.desks
    for _ in range(3):  # none waits for the one before
        desks.annotations.undo()
        desks.annotations.undo()
        desks.annotations.mark_rejected()
        desks.annotations.mark_reviewed()
    hand.settle()
    session = hand.workspace.session
    assert session is not None
    line = session.history_line()
    assert rows(hand)[1:] == [step.text for step in line.steps]
    assert desks.history.line == line


def test_keys_alone_open_a_step_and_it_is_there_after_a_restart(
    hand: Hand, qtbot: QtBot, photos: Path
) -> None:
    hand.press("Ctrl+H")
    view = hand.window.history.view
    hand.wait(view.hasFocus, "the list does not get the keys", 5)
    QTest.keyClick(view, Qt.Key.Key_Up)
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert len(hand.workspace.annotations) == 3
    QTest.keyClick(view, Qt.Key.Key_Return)
    hand.wait(lambda: len(hand.workspace.annotations) == 1, "Enter goes nowhere")
    hand.settle()
    hand.close()
    again = open_window(qtbot, photos)
    assert len(again.workspace.annotations) == 1
    assert rows(again) == ALL
    assert again.window.history.model.here == 2
    again.press("Ctrl+H")
    click_row(again, 4)
    assert len(again.workspace.annotations) == 3
    again.open_image("coffee.png")
    assert rows(again) == ["Before the first step"]
    again.close()

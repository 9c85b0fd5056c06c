"""Any action is a few letters and Enter away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from segstudio.gui.actions import ACTIONS
from segstudio.gui.dialogs.command_palette import CommandPalette, mismatch

Make = Callable[..., CommandPalette]


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def make(qtbot: QtBot, done: list[str]) -> Iterator[Make]:
    windows = []  # Python owns them, so somebody has to

    def build(*disabled: str) -> CommandPalette:
        window = QWidget()
        window.resize(1000, 700)
        qtbot.addWidget(window)
        windows.append(window)
        window.show()
        actions = {}
        for row in ACTIONS:
            if not row.hold:
                action = QAction(row.text, window)
                action.setEnabled(row.id not in disabled)
                action.triggered.connect(lambda _=False, id_=row.id: done.append(id_))
                actions[row.id] = action
        palette = CommandPalette(ACTIONS, actions, window)
        palette.popup(window)
        return palette

    yield build


def test_it_lists_every_action_that_can_be_triggered_with_its_keys(make: Make) -> None:
    palette = make()
    assert palette.shown() == [row.id for row in ACTIONS if not row.hold]
    texts = {
        item.text(0): item.text(1)
        for item in map(palette.list.topLevelItem, range(palette.list.topLevelItemCount()))
    }
    assert texts["Undo"] == "Ctrl+Z"
    assert texts["Accept the mask"].startswith("Space"), "a key it shares with a held one counts"


def test_typing_and_enter_trigger_the_best_match_and_close(make: Make, done: list[str]) -> None:
    palette = make()
    QTest.keyClicks(palette.line, "next im")
    assert palette.shown()[0] == "image.next"
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert done == ["image.next"]
    assert not palette.isVisible()


def test_a_click_triggers_too(make: Make, done: list[str]) -> None:
    palette = make()
    QTest.keyClicks(palette.line, "zoom out")
    row = palette.list.visualItemRect(palette.list.topLevelItem(0)).center()
    QTest.mouseClick(palette.list.viewport(), Qt.MouseButton.LeftButton, pos=row)
    assert done == ["view.zoom_out"]


def test_esc_closes_and_triggers_nothing(make: Make, done: list[str]) -> None:
    palette = make()
    QTest.keyClick(palette.line, Qt.Key.Key_Escape)
    assert not palette.isVisible()
    assert done == []


def test_down_and_up_pass_over_disabled_actions_and_go_round(make: Make, done: list[str]) -> None:
    palette = make("file.open_folder", "file.samples")
    assert palette.list.currentItem().text(0) == "Open project…"
    QTest.keyClick(palette.line, Qt.Key.Key_Down)
    assert palette.list.currentItem().text(0) == "When was it saved?"
    QTest.keyClick(palette.line, Qt.Key.Key_Up)
    QTest.keyClick(palette.line, Qt.Key.Key_Up)
    assert palette.list.currentItem().text(0) == "About SegStudio"
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert done == ["help.about"]


def test_enter_does_nothing_where_all_that_is_found_is_disabled(
    make: Make, done: list[str]
) -> None:
    palette = make("edit.delete")
    palette.line.setText("delete")
    assert palette.shown()[0] == "edit.delete"
    assert palette.list.topLevelItem(0).isDisabled()
    palette.line.setText("zzz")
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert done == []
    assert palette.isVisible()


def test_it_stands_at_the_top_centre_of_its_window(make: Make) -> None:
    palette = make()
    window = palette.parentWidget()
    assert isinstance(window, QWidget)
    left = palette.pos() - window.mapToGlobal(QPoint(0, 0))
    assert abs(left.x() - (window.width() - palette.width()) // 2) <= 1
    assert 0 < left.y() < window.height() / 4


@pytest.mark.parametrize(
    ("typed", "better", "worse"),
    [
        ("fit", "Fit", "Profit"),
        ("im", "Next image", "Trim"),
        ("opo", "Open project", "Undo"),
        ("image next", "Next image", "Next candidate"),
        ("ZOOM", "Zoom in", "Fit"),
    ],
)
def test_better_matches_stand_first(typed: str, better: str, worse: str) -> None:
    good, bad = mismatch(typed, better), mismatch(typed, worse)
    assert good is not None
    assert bad is None or good < bad


@given(st.text(), st.text(), st.text())
def test_any_part_of_a_text_finds_it(before: str, part: str, after: str) -> None:
    wanted = " ".join(part.casefold().split())
    text = f"{before} {wanted}{after}"
    if wanted in text.casefold():
        assert mismatch(part, text) is not None

"""Everything can be reached by keys, and everything has a name to be read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QHeaderView,
    QLineEdit,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.theme import apply_theme
from segstudio.imaging.sample_photos import write_sample_photos

TAKERS = (
    QAbstractButton, QLineEdit, QAbstractSlider, QComboBox, QAbstractItemView, QAbstractSpinBox,
)  # fmt: skip


@pytest.fixture
def hand(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[Hand]:
    apply_theme(qapp, "dark")
    hand = Hand(Studio(Settings(model="segstudio_nano", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    write_sample_photos(tmp_path / "photos")
    hand.studio.desks.project.open(tmp_path / "photos")
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.settle()
    yield hand
    hand.close()
    apply_theme(qapp, "system")


def is_part(widget: QWidget) -> bool:
    """Belongs to a greater one that is read instead: a combo box's list, a list's header."""
    own = widget.objectName().startswith("qt_")
    parent = widget.parentWidget()
    inside = isinstance(parent, QComboBox | QAbstractSpinBox | QLineEdit)
    popup = widget.window() is not widget and isinstance(parent, QWidget) and parent.isWindow()
    return own or inside or popup or isinstance(widget, QHeaderView | QScrollBar)


def name_of(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text or widget.toolTip()


def test_whatever_takes_keys_or_clicks_has_a_name(hand: Hand) -> None:
    nameless = [
        f"{type(widget).__name__} in {type(widget.parent()).__name__}"
        for widget in hand.window.findChildren(QWidget)
        if isinstance(widget, TAKERS) and not is_part(widget) and not name_of(widget)
    ]
    assert nameless == []
    assert hand.canvas.accessibleName() == "Canvas"


def test_every_action_has_a_text_and_those_of_the_toolbar_an_icon(hand: Hand) -> None:
    for row in hand.studio.actions.rows:
        if row.hold:
            continue
        action = hand.studio.actions.actions[row.id]
        assert action.text(), row.id
        assert not row.toolbar or not action.icon().isNull(), row.id


def place_of(hand: Hand) -> str:
    focused = QApplication.focusWidget()
    while focused is not None and focused is not hand.canvas:
        if isinstance(focused, QDockWidget):
            return focused.objectName()
        focused = focused.parentWidget()
    return "canvas"


def test_f6_goes_round_the_panels_and_back(hand: Hand) -> None:
    hand.window.activateWindow()
    hand.wait(hand.window.isActiveWindow, "the window does not become active", 5)
    hand.canvas.setFocus()
    places = [place_of(hand)]
    for _ in range(4):  # no annotation yet, so their list takes no keys
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6)
        places.append(place_of(hand))
    assert places == ["canvas", "categories", "model", "gallery", "canvas"]
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
    assert place_of(hand) == "gallery"

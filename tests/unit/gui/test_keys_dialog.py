"""Keys are changed by pressing them, and no key does two things."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QPushButton
from pytestqt.qtbot import QtBot

from segstudio.gui.actions import ACTIONS, clashes, with_keys
from segstudio.gui.dialogs.keys import KeysDialog

OK = QDialogButtonBox.StandardButton.Ok


class Keys:
    """The dialog and what it said."""

    def __init__(self, qtbot: QtBot, overrides: Mapping[str, str]) -> None:
        self.said: list[dict[str, str]] = []
        self.dialog = KeysDialog(overrides)
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        qtbot.addWidget(self.dialog)
        self.dialog.changed.connect(self.said.append)
        self.dialog.show()
        self.ok = self.dialog.buttons.button(OK)

    def press(self, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
        held = Qt.KeyboardModifier.NoModifier
        for modifier in modifiers:
            held |= modifier
        QTest.keyClick(self.dialog.edit, key, held)
        QTest.qWait(1)

    def chips(self) -> list[str]:
        found = self.dialog.findChildren(QPushButton)
        return [chip.objectName() for chip in found if "✕" in chip.text() and chip.isVisible()]


@pytest.fixture
def keys(qtbot: QtBot) -> Keys:
    return Keys(qtbot, {})


def test_a_pressed_key_is_added_and_ok_says_what_differs(keys: Keys) -> None:
    keys.dialog.select("view.theme")
    keys.press(Qt.Key.Key_F9)
    keys.press(Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    assert keys.chips() == ["F9", "Ctrl+B"]
    assert keys.dialog.edit.keySequence().isEmpty()
    keys.ok.click()
    assert keys.said == [{"view.theme": "F9, Ctrl+B"}]


def test_what_it_says_is_what_the_action_table_reads(keys: Keys) -> None:
    keys.dialog.select("view.theme")
    keys.press(Qt.Key.Key_Comma)
    keys.press(Qt.Key.Key_F9)
    keys.ok.click()
    [row] = [row for row in with_keys(keys.said[0]) if row.id == "view.theme"]
    assert row.keys == (",", "F9")


def test_a_clash_is_named_at_once_and_holds_back_ok(keys: Keys) -> None:
    keys.dialog.select("image.next")
    keys.press(Qt.Key.Key_F)
    assert "Fit" in keys.dialog._clash.text()
    assert not keys.ok.isEnabled()
    keys.dialog.select("view.zoom_in")
    assert keys.dialog._clash.text(), "it is told wherever one looks"
    keys.dialog.select("image.next")
    keys.dialog.take.click()
    assert keys.ok.isEnabled()
    assert keys.dialog._clash.text() == ""
    assert keys.dialog.overrides() == {"image.next": "D, Right, F", "view.fit": ""}
    assert clashes(with_keys(keys.dialog.overrides())) == {}


def test_a_key_may_be_held_for_one_thing_and_tapped_for_another(keys: Keys) -> None:
    keys.dialog.select("view.theme")
    keys.press(Qt.Key.Key_V)
    assert keys.ok.isEnabled()


def test_the_usual_keys_are_no_override(keys: Keys) -> None:
    keys.dialog.select("edit.undo")
    keys.dialog.findChild(QPushButton, "Ctrl+Z").click()
    assert keys.dialog.overrides() == {"edit.undo": ""}
    keys.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert keys.dialog.overrides() == {}


def choose(keys: Keys, title: str) -> None:
    """Pick a preset as a hand does: from the list, by its title."""
    index = keys.dialog.preset.findText(title)
    keys.dialog.preset.setCurrentIndex(index)
    keys.dialog.preset.activated.emit(index)


def test_reset_is_for_one_action_and_the_first_preset_for_all(qtbot: QtBot) -> None:
    keys = Keys(qtbot, {"view.fit": "F8", "edit.undo": "F9"})
    keys.dialog.select("view.fit")
    keys.dialog.reset.click()
    assert keys.dialog.overrides() == {"edit.undo": "F9"}
    assert not keys.dialog.reset.isEnabled()
    choose(keys, "SegStudio")
    keys.ok.click()
    assert keys.said == [{}]


def test_a_preset_gives_the_keys_that_its_hands_know(keys: Keys) -> None:
    assert keys.dialog.preset.currentText() == "SegStudio"
    choose(keys, "Like napari")
    assert keys.ok.isEnabled()
    rows = {row.id: row.keys for row in with_keys(keys.dialog.overrides())}
    assert rows["tool.brush"] == ("2", "P") and rows["edit.category_2"] == ("Ctrl+2",)
    keys.dialog.select("view.theme")
    keys.press(Qt.Key.Key_F9)
    assert keys.dialog.preset.currentIndex() == -1, "these are keys of one's own now"
    keys.ok.click()
    assert keys.said[0]["view.theme"] == "F9" and keys.said[0]["tool.brush"] == "2, P"


def test_keys_of_actions_from_another_version_are_kept(qtbot: QtBot) -> None:
    keys = Keys(qtbot, {"future.action": "F7"})
    choose(keys, "SegStudio")
    keys.ok.click()
    assert keys.said == [{"future.action": "F7"}]


def test_cancel_says_nothing(keys: Keys) -> None:
    keys.dialog.select("view.theme")
    keys.press(Qt.Key.Key_F9)
    keys.dialog.reject()
    assert keys.said == []


def test_the_list_is_filtered_by_action_key_and_menu(keys: Keys) -> None:
    keys.dialog.filter.setText("ctrl+z")
    shown = [item.text(0) for item in keys.dialog._items() if not item.isHidden()]
    assert shown == ["Undo"]
    assert keys.dialog.current().id == "edit.undo"
    QTest.keyClick(keys.dialog.filter, Qt.Key.Key_Return)
    assert keys.dialog.isVisible(), "Enter in the filter is not OK"
    keys.dialog.filter.setText("model")
    assert "model.get" in {
        item.data(0, Qt.ItemDataRole.UserRole)
        for item in keys.dialog._items()
        if not item.isHidden()
    }


def test_every_action_is_listed_in_the_order_of_the_menus(keys: Keys) -> None:
    listed = [item.data(0, Qt.ItemDataRole.UserRole) for item in keys.dialog._items()]
    assert listed == [row.id for row in ACTIONS]

"""Stories of the dialogs: opened by their keys, and what they say takes hold at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings, load_settings
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.dialogs.about import AboutDialog
from segstudio.gui.dialogs.cheat_sheet import CheatSheet
from segstudio.gui.dialogs.command_palette import CommandPalette
from segstudio.gui.dialogs.export import ExportDialog
from segstudio.gui.dialogs.keys import KeysDialog
from segstudio.gui.dialogs.settings import SettingsDialog
from segstudio.gui.theme import apply_theme, current_tokens
from segstudio.imaging.sample_photos import write_sample_photos

W = TypeVar("W", bound=QWidget)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_sample_photos(folder)
    return folder


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication) -> Iterator[Hand]:
    apply_theme(qapp, "light")
    hand = Hand(Studio(Settings(model="graph_cut", theme="light", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    yield hand
    hand.close()
    apply_theme(qapp, "system")


def opened(hand: Hand, kind: type[W]) -> list[W]:
    return [dialog for dialog in hand.window.findChildren(kind) if dialog.isVisible()]


def open_by(hand: Hand, keys: str, kind: type[W]) -> W:
    press(hand, keys)
    hand.wait(lambda: bool(opened(hand, kind)), f"{keys} opens nothing", 5)
    hand.settle()
    return opened(hand, kind)[0]


def press(hand: Hand, keys: str) -> None:
    """Keys into the main window; the offscreen platform has nobody who makes it active again."""
    hand.window.activateWindow()
    hand.wait(hand.window.isActiveWindow, "the window does not become active", 5)
    hand.press(keys)


def open_project(hand: Hand, photos: Path) -> None:
    hand.studio.desks.project.open(photos)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.settle()


def test_ctrl_k_finds_an_action_and_does_it(hand: Hand, photos: Path) -> None:
    open_project(hand, photos)
    palette = open_by(hand, "Ctrl+K", CommandPalette)
    QTest.keyClicks(palette.line, "box")
    QTest.keyClick(palette.line, Qt.Key.Key_Return)
    assert hand.studio.desks.tools.tool_key == "box"
    assert not opened(hand, CommandPalette)


def test_letters_typed_into_the_palette_reach_no_shortcut(hand: Hand, photos: Path) -> None:
    open_project(hand, photos)
    tool, image = hand.studio.desks.tools.tool_key, hand.studio.desks.project.wanted_image
    palette = open_by(hand, "Ctrl+K", CommandPalette)
    QTest.keyClicks(palette.line, "ebdvx 1")
    assert palette.line.text() == "ebdvx 1"
    assert hand.studio.desks.tools.tool_key == tool
    assert hand.studio.desks.project.wanted_image == image
    assert hand.canvas.masks.visible
    QTest.keyClick(palette.line, Qt.Key.Key_Escape)


def test_the_cheat_sheet_shows_every_key_and_leads_to_changing_them(
    hand: Hand, photos: Path
) -> None:
    open_project(hand, photos)
    sheet = open_by(hand, "?", CheatSheet)
    lines = {text: keys for _, block in sheet.blocks for text, keys in block}
    assert lines["Undo"] == "Ctrl+Z" and lines["Category 1–9"] == "1–9"
    with_keys = {row.id for row in hand.studio.actions.rows if row.keys}
    digits = {id_ for id_ in with_keys if id_.startswith("edit.category_")}
    assert sum(len(block) for _, block in sheet.blocks[:-1]) == len(with_keys - digits) + 1
    QTest.keyClick(sheet, Qt.Key.Key_Escape)
    assert not opened(hand, CheatSheet)
    open_by(hand, "?", CheatSheet).change.click()
    assert opened(hand, KeysDialog) and not opened(hand, CheatSheet)


def test_a_new_key_works_at_once_and_after_a_restart(hand: Hand, photos: Path) -> None:
    open_project(hand, photos)
    dialog = open_by(hand, "Ctrl+/", KeysDialog)
    dialog.select("tool.box")
    QTest.keyClick(dialog.edit, Qt.Key.Key_F7)
    dialog.accept()
    hand.settle()
    press(hand, "F7")
    assert hand.studio.desks.tools.tool_key == "box"
    assert load_settings().shortcuts == {"tool.box": "B, F7"}


def test_settings_take_hold_at_once_and_are_kept(hand: Hand) -> None:
    dialog = open_by(hand, "Ctrl+,", SettingsDialog)
    dialog.fields["theme"].set_value("dark")
    assert current_tokens().name == "dark", "a theme shows while it is chosen"
    dialog.fields["mask_opacity"].set_value(0.8)
    dialog.accept()
    hand.settle()
    assert current_tokens().name == "dark"
    assert hand.canvas.masks.opacity == pytest.approx(0.8)
    assert hand.window.opacity.value() == 80
    kept = load_settings()
    assert (kept.theme, kept.mask_opacity) == ("dark", pytest.approx(0.8))


def test_a_tried_theme_goes_when_the_settings_are_left(hand: Hand) -> None:
    dialog = open_by(hand, "Ctrl+,", SettingsDialog)
    dialog.fields["theme"].set_value("dark")
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    hand.settle()
    assert current_tokens().name == "light"
    assert hand.workspace.settings.theme == "light"


def test_export_goes_beside_the_images(hand: Hand, photos: Path) -> None:
    open_project(hand, photos)
    dialog = open_by(hand, "Ctrl+E", ExportDialog)
    dialog.format.setCurrentIndex(dialog.format.findData("coco"))
    dialog.fields["unlabelled"].set_value(True)
    dialog.button.click()
    target = photos.parent / "photos-coco"
    hand.wait(target.is_dir, "nothing is exported")
    hand.settle()
    assert len(list((target / "images").iterdir())) == 4
    assert not opened(hand, ExportDialog)


def test_an_export_that_names_another_project_goes_with_it(
    hand: Hand, photos: Path, tmp_path: Path
) -> None:
    open_project(hand, photos)
    open_by(hand, "Ctrl+E", ExportDialog)
    other = tmp_path / "other"
    write_sample_photos(other)
    hand.studio.desks.project.open(other)
    hand.wait(lambda: not opened(hand, ExportDialog), "the dialog stays", 20)
    hand.settle()


def test_a_dialog_is_there_once_and_does_not_block_the_window(hand: Hand) -> None:
    dialog = open_by(hand, "Ctrl+/", KeysDialog)
    assert not dialog.isModal()
    hand.studio.desks.window.keys()
    assert opened(hand, KeysDialog) == [dialog]


def test_about_says_version_and_where_things_are(hand: Hand, own_home: Path) -> None:
    hand.studio.desks.window.about()
    [dialog] = opened(hand, AboutDialog)
    said = " ".join(label.text() for label in dialog.findChildren(QLabel))
    assert "Apache-2.0" in said
    assert "PySide6" in said
    assert str(own_home) in said

"""The settings dialog is drawn from the record and says only what was changed."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings, options
from segstudio.gui.dialogs.settings import SettingsDialog
from segstudio.gui.theme import SPACING
from segstudio.models.registry import PROMPT_MODELS


class Shown:
    """The dialog and what it said."""

    def __init__(self, qtbot: QtBot, settings: Settings) -> None:
        self.said: list[dict[str, Any]] = []
        self.themes: list[str] = []
        self.dialog = SettingsDialog(settings)
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        qtbot.addWidget(self.dialog)
        self.dialog.changed.connect(self.said.append)
        self.dialog.theme_tried.connect(self.themes.append)
        self.dialog.show()

    def widget(self, name: str) -> Any:
        return self.dialog.fields[name].widget


@pytest.fixture
def shown(qtbot: QtBot) -> Shown:
    return Shown(qtbot, Settings())


def test_every_setting_that_is_shown_has_a_field_but_keys(shown: Shown) -> None:
    wanted = {name for name, option in options().items() if option.shown} - {"shortcuts"}
    assert set(shown.dialog.fields) == wanted


def test_bounds_and_units_are_those_of_the_record(shown: Shown) -> None:
    memory, option = shown.widget("embedding_memory_mb"), options()["embedding_memory_mb"]
    assert isinstance(memory, QSpinBox)
    assert (memory.minimum(), memory.maximum()) == (option.low, option.high)
    assert memory.suffix() == " MB"
    opacity = shown.widget("mask_opacity")
    assert isinstance(opacity, QDoubleSpinBox)
    assert opacity.text() == f"{round(100 * Settings().mask_opacity)} %"


def test_models_and_themes_are_chosen_from_what_there_is(shown: Shown) -> None:
    model, theme = shown.widget("model"), shown.widget("theme")
    assert isinstance(model, QComboBox)
    keys = [model.itemData(row) for row in range(model.count())]
    assert keys == ["auto", *(card.key for card in PROMPT_MODELS)]
    choices = tuple(theme.itemData(row) for row in range(theme.count()))
    assert choices == options()["theme"].choices


def test_ok_says_only_what_was_changed(shown: Shown) -> None:
    shown.dialog.fields["mask_opacity"].set_value(0.75)
    shown.dialog.fields["model"].set_value("mobile_sam")
    shown.dialog.accept()
    assert shown.said == [{"model": "mobile_sam", "mask_opacity": 0.75}]


def test_ok_without_a_change_says_nothing_even_for_values_it_cannot_show(qtbot: QtBot) -> None:
    odd = Shown(qtbot, Settings(mask_opacity=0.123456, device="cuda:1", model="of_the_future"))
    assert odd.dialog.values()["device"] == "cuda:1"
    assert odd.dialog.values()["model"] == "of_the_future"
    odd.dialog.accept()
    assert odd.said == []


def test_a_theme_is_tried_at_once_and_taken_back_on_cancel(qtbot: QtBot) -> None:
    shown = Shown(qtbot, Settings(theme="light"))
    shown.dialog.fields["theme"].set_value("dark")
    assert shown.themes == ["dark"]
    shown.dialog.close()
    assert shown.themes == ["dark", "light"]
    assert shown.said == []


def test_on_a_low_screen_the_buttons_stay_in_sight_and_the_rows_are_scrolled(
    shown: Shown, qtbot: QtBot
) -> None:
    dialog = shown.dialog
    assert dialog.height() < dialog.screen().availableGeometry().height()
    last = list(dialog.fields.values())[-1].widget
    dialog.area.ensureWidgetVisible(last)
    seen = dialog.area.viewport().rect()
    assert seen.contains(last.mapTo(dialog.area.viewport(), last.rect().center()))
    assert dialog.area.geometry().bottom() < dialog.height() - 2 * SPACING

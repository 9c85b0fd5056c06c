"""Which dialog opens when, and what becomes of what it says."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication, QDialog, QWidget

from segstudio.gui.action_set import ActionSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.dialogs.about import AboutDialog
from segstudio.gui.dialogs.cheat_sheet import CheatSheet
from segstudio.gui.dialogs.command_palette import CommandPalette
from segstudio.gui.dialogs.keys import KeysDialog
from segstudio.gui.dialogs.settings import SettingsDialog
from segstudio.gui.showing import show_once
from segstudio.gui.theme import apply_theme
from segstudio.gui.workspace import Workspace

if TYPE_CHECKING:
    from segstudio.gui.main_window import MainWindow

NEXT_START = frozenset(
    {
        "device",
        "embedding_memory_mb",
        "embedding_disk_mb",
        "everything_disk_mb",
        "predictions_disk_mb",
    }
)


def wire_dialogs(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    """Connect one window's dialogs. None of them blocks it, and each is there once at most."""
    desk = desks.window

    def find_action() -> None:
        CommandPalette(actions.rows, actions.actions, window).popup(window)

    desk.palette_wanted.connect(find_action)

    def cheat_sheet() -> None:
        sheet = CheatSheet(actions.rows, window)
        sheet.keys_wanted.connect(desk.keys)
        sheet.popup(window)

    desk.cheat_sheet_wanted.connect(cheat_sheet)
    desk.keys_wanted.connect(
        lambda: show_once(window, KeysDialog, lambda: _keys(window, workspace, actions))
    )
    desk.settings_wanted.connect(
        lambda: show_once(window, SettingsDialog, lambda: _settings(window, workspace, desks))
    )
    desk.place_wanted.connect(window.focus_place)
    desk.about_wanted.connect(lambda: show_once(window, AboutDialog, lambda: AboutDialog(window)))


def _keys(window: QWidget, workspace: Workspace, actions: ActionSet) -> QDialog:
    dialog = KeysDialog(workspace.settings.shortcuts, window)

    def take(overrides: Mapping[str, str]) -> None:
        actions.rebind(overrides)
        workspace.change_settings(shortcuts=MappingProxyType(dict(overrides)))

    dialog.changed.connect(take)
    return dialog


def _settings(window: MainWindow, workspace: Workspace, desks: DeskSet) -> QDialog:
    dialog = SettingsDialog(workspace.settings, window)

    def take(changes: Mapping[str, object]) -> None:
        workspace.change_settings(**changes)
        if "theme" in changes:
            _wear(str(changes["theme"]))
        if "model" in changes:
            desks.model.start()
        if "mask_opacity" in changes:
            desks.view.show_opacity(workspace.settings.mask_opacity)
            window.opacity.setValue(round(100 * workspace.settings.mask_opacity))
        desks.hover.follow_settings()
        desks.strip.follow_settings()
        desks.in_view.follow_settings()
        if NEXT_START.intersection(changes):
            workspace.tell(dialog.tr("Device and embedding limits count from the next start on."))

    dialog.changed.connect(take)
    dialog.theme_tried.connect(_wear)
    return dialog


def _wear(theme: str) -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication):
        apply_theme(app, theme)

"""Which dialog opens when, and what becomes of what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QApplication, QDialog, QWidget

from segstudio.gui.action_set import ActionSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.dialogs.about import AboutDialog
from segstudio.gui.dialogs.cheat_sheet import CheatSheet
from segstudio.gui.dialogs.command_palette import CommandPalette
from segstudio.gui.dialogs.export import ExportDialog, export_base
from segstudio.gui.dialogs.keys import KeysDialog
from segstudio.gui.dialogs.settings import SettingsDialog
from segstudio.gui.theme import apply_theme
from segstudio.gui.workspace import Workspace

if TYPE_CHECKING:
    from segstudio.gui.main_window import MainWindow

NEXT_START = frozenset({"device", "embedding_memory_mb", "embedding_disk_mb", "everything_disk_mb"})


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
        lambda: _show(window, KeysDialog, lambda: _keys(window, workspace, actions))
    )
    desk.settings_wanted.connect(
        lambda: _show(window, SettingsDialog, lambda: _settings(window, workspace, desks))
    )
    desk.export_wanted.connect(
        lambda: _show(window, ExportDialog, lambda: _export(window, workspace, desks))
    )
    desk.cut_outs_wanted.connect(lambda: _cut_outs(window, workspace, desks))
    desk.place_wanted.connect(window.focus_place)
    desk.about_wanted.connect(lambda: _show(window, AboutDialog, lambda: AboutDialog(window)))


def _show(window: QWidget, kind: type[QDialog], make: Callable[[], QDialog | None]) -> None:
    """Show a dialog, or bring the one that is open to the front."""
    for dialog in window.findChildren(kind):
        if dialog.isVisible():
            dialog.raise_()
            dialog.activateWindow()
            return
    made = make()
    if made is not None:
        made.show()


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


def _cut_outs(window: QWidget, workspace: Workspace, desks: DeskSet) -> None:
    """The export dialog, asked for what is selected now."""
    for dialog in window.findChildren(ExportDialog):
        dialog.reject()
    asked = _export(window, workspace, desks)
    if asked is not None:
        asked.use_format("cut-outs", selected=True)
        asked.show()


def _export(window: QWidget, workspace: Workspace, desks: DeskSet) -> ExportDialog | None:
    store = workspace.store
    if store is None:
        return None
    splits = sorted({image.split for image in workspace.images.values() if image.split})
    base = export_base(store.images_dir)
    dialog = ExportDialog(store.name, base, splits, workspace.selected, window)
    dialog.wanted.connect(desks.window.export_to)
    workspace.project_changed.connect(dialog.reject)  # it names the project that is gone
    return dialog

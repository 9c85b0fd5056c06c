"""The window desk: dialogs, theme, finding actions, leaving."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QMainWindow

from segstudio.gui.theme import apply_theme, current_tokens
from segstudio.gui.workspace import Workspace


class WindowDesk(QObject):
    """What the actions that concern the window itself call."""

    palette_wanted = Signal()
    cheat_sheet_wanted = Signal()
    keys_wanted = Signal()
    settings_wanted = Signal()
    about_wanted = Signal()
    place_wanted = Signal(int)  # 1: the next panel takes the keys, -1: the one before

    def __init__(self, workspace: Workspace, window: QMainWindow) -> None:
        super().__init__(window)
        self._workspace, self._window = workspace, window

    def find_action(self) -> None:
        self.palette_wanted.emit()

    def cheat_sheet(self) -> None:
        self.cheat_sheet_wanted.emit()

    def keys(self) -> None:
        self.keys_wanted.emit()

    def settings(self) -> None:
        self.settings_wanted.emit()

    def about(self) -> None:
        self.about_wanted.emit()

    def step_place(self, step: int) -> None:
        """Keys go to the next panel, or the one before."""
        self.place_wanted.emit(step)

    def quit(self) -> None:
        self._window.close()

    def switch_theme(self) -> None:
        """From light to dark and back; Settings returns to the system's."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            other = "light" if current_tokens().name == "dark" else "dark"
            apply_theme(app, other)
            self._workspace.change_settings(theme=other)

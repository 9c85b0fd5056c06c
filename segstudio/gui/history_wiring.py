"""Who hears whom about the history: its desk and its panel."""

from __future__ import annotations

from PySide6.QtCore import Qt

from segstudio.gui.desk_set import DeskSet
from segstudio.gui.main_window import MainWindow


def wire_history(window: MainWindow, desks: DeskSet) -> None:
    """Connect one window's history panel."""
    panel, desk = window.history, desks.history

    def bring_up() -> None:
        window.tabs.setCurrentWidget(panel)
        panel.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    desk.changed.connect(lambda: panel.show_line(desk.line))
    desk.shown_wanted.connect(bring_up)
    panel.step_wanted.connect(desk.go_to)

"""Dialogs that do not block the window, and are there once at most."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QDialog, QWidget


def show_once(window: QWidget, kind: type[QDialog], make: Callable[[], QDialog | None]) -> None:
    """Show a dialog of that kind, or bring the one that is open to the front."""
    for dialog in window.findChildren(kind):
        if dialog.isVisible():
            dialog.raise_()
            dialog.activateWindow()
            return
    made = make()
    if made is not None:
        made.show()

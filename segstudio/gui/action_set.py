"""QActions made from the table, and the menus and the toolbar drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QCoreApplication, QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenuBar, QToolBar, QWidget

from segstudio.gui.actions import MENUS, ActionRow, with_keys
from segstudio.gui.hold_keys import HoldKeys
from segstudio.gui.icons import icon


class ActionSet(QObject):
    """The actions of one window, by id."""

    def __init__(self, window: QWidget, desks: Mapping[str, object]) -> None:
        super().__init__(window)
        self._window, self._desks = window, desks
        self.rows: tuple[ActionRow, ...] = ()
        self.actions: dict[str, QAction] = {}
        self.hold_keys = HoldKeys(window)
        for row in with_keys({}):
            if not row.hold:
                self.actions[row.id] = self._action(row)
        self.rebind({})

    def _action(self, row: ActionRow) -> QAction:
        action = QAction(_translated(row.text), self._window)
        action.setObjectName(row.id)
        action.setCheckable(row.checkable)
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        if row.icon:
            action.setIcon(icon(row.icon))
        call = self.target(row)
        action.triggered.connect(lambda _checked=False: call())
        self._window.addAction(action)
        return action

    def target(self, row: ActionRow) -> Callable[..., None]:
        """What the row calls, its argument bound."""
        desk, method = row.calls.split(".")
        call: Callable[..., None] = getattr(self._desks[desk], method)
        if row.argument is None:
            return call
        return lambda: call(row.argument)

    def rebind(self, overrides: Mapping[str, str]) -> None:
        """Give every action its keys: the table's, or the user's own."""
        self.rows = with_keys(overrides)
        held = {key: self.target(row) for row in self.rows if row.hold for key in row.keys}
        taps: dict[str, QAction] = {}
        for row in self.rows:
            if row.hold:
                continue
            action = self.actions[row.id]
            taps.update({key: action for key in row.keys if key in held})
            free = [QKeySequence(key) for key in row.keys if key not in held]
            action.setShortcuts(free)
            keys = ", ".join(QKeySequence(key).toString(_NATIVE) for key in row.keys)
            text = _translated(row.text).rstrip("…")
            action.setToolTip(f"{text} ({keys})" if keys else text)
        self.hold_keys.bind(held, taps)

    def fill_menu_bar(self, bar: QMenuBar) -> None:
        """One menu for each name in the table."""
        for name in MENUS:
            menu = bar.addMenu(_translated(name))
            for row in self.rows:
                if row.menu == name:
                    menu.addAction(self.actions[row.id])
                    if row.ends_group:
                        menu.addSeparator()

    def fill_toolbar(self, bar: QToolBar, *groups: str) -> None:
        """The rows marked for the toolbar, group by group (prefixes of ids)."""
        for group in groups:
            for row in self.rows:
                if row.toolbar and row.id.startswith(group):
                    bar.addAction(self.actions[row.id])
            if group is not groups[-1]:
                bar.addSeparator()


_NATIVE = QKeySequence.SequenceFormat.NativeText


def _translated(text: str) -> str:
    return QCoreApplication.translate("Actions", text)

"""Keys that act while they are held, and keys that belong to who is being typed into."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

TYPING = (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox, QComboBox)


class HoldKeys(QObject):
    """Watches the application's keys while `window` is the active one.

    `used_up` may be set to a question asked when a held key comes up: True means that the hold was
    used (something was dragged), so it was no tap.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._held: Mapping[str, Callable[[bool], None]] = {}
        self._taps: Mapping[str, QAction] = {}
        self._down: str | None = None
        self.used_up: Callable[[], bool] = lambda: False
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self)

    def bind(self, held: Mapping[str, Callable[[bool], None]], taps: Mapping[str, QAction]) -> None:
        """`held`: key to what to call with True and False; `taps`: key to the action of a tap."""
        self._held, self._taps = held, taps

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.ApplicationDeactivate, QEvent.Type.WindowDeactivate):
            self._let_go()
            return False
        if not isinstance(event, QKeyEvent) or not isinstance(watched, QWidget):
            return False
        if watched.window() is not self._window:
            return False
        if isinstance(watched, TYPING):
            return kind == QEvent.Type.ShortcutOverride and _is_for_typing(event)
        key = QKeySequence(event.keyCombination()).toString(_PORTABLE)
        if kind == QEvent.Type.KeyPress and key in self._held:
            self._press(key, event.isAutoRepeat())
            return True
        if kind == QEvent.Type.KeyRelease and self._down and not event.isAutoRepeat():
            return self._release(key)
        return False

    def _press(self, key: str, repeated: bool) -> None:
        if not repeated and self._down is None:
            self._down = key
            self._held[key](True)

    def _release(self, key: str) -> bool:
        # Compare without modifiers: Shift may have come down while the key was held.
        if self._down is None or key.rsplit("+", maxsplit=1)[-1] != self._down.split("+")[-1]:
            return False
        down, used = self._down, self.used_up()
        self._let_go()
        tapped = self._taps.get(down)
        if tapped is not None and not used and tapped.isEnabled():
            tapped.trigger()
        return True

    def _let_go(self) -> None:
        if self._down is not None:
            call = self._held.get(self._down)
            self._down = None
            if call is not None:
                call(False)


def _is_for_typing(event: QKeyEvent) -> bool:
    """Give plain keys (Enter, Esc, Tab too) to who is being typed into, not to a shortcut.

    Function keys type nothing: they stay shortcuts.
    """
    if Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35:
        return False
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    if modifiers in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier):
        event.accept()
        return True
    return False


_PORTABLE = QKeySequence.SequenceFormat.PortableText

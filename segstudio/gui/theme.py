"""Light and dark: the colours as data, and the palette made from them.

The style sheet names the palette's roles and no colours, so that it is the same in both themes: to
give it to the application anew holds up the window for a third of a second, most of it for panels
and dialogs that nobody sees. Here a change is a new palette; what is in sight takes it at once, the
rest piece by piece.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer, Signal, SignalInstance
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QMainWindow, QStyleFactory, QWidget
from shiboken6 import isValid

from segstudio.gui.theme_sheet import style_sheet

SPACING = 4  # one step, in px; gaps are multiples of it
RADIUS = 4
CHOICES = ("system", "light", "dark")


@dataclass(frozen=True)
class Tokens:
    """The colours of one theme, "#rrggbb" each.

    `dim` is secondary text; `on_accent` is text on the accent; `hover` and `selected` lie behind
    text; `field` is what is typed into; `disabled` is text that cannot be used now.
    """

    name: str
    window: str
    panel: str
    field: str
    line: str
    text: str
    dim: str
    disabled: str
    accent: str
    on_accent: str
    hover: str
    selected: str
    good: str
    warning: str
    danger: str

    def colour(self, role: str) -> QColor:
        """The colour of that field's name."""
        return QColor(getattr(self, role))


DARK = Tokens(
    name="dark",
    window="#1e1f22",
    panel="#26282c",
    field="#1b1c1f",
    line="#3a3d42",
    text="#e6e7e9",
    dim="#9aa0a6",
    disabled="#676c73",
    accent="#4c9aff",
    on_accent="#0a1424",
    hover="#2e3136",
    selected="#2b4264",
    good="#5bc98c",
    warning="#f2b84b",
    danger="#ff8078",
)
LIGHT = Tokens(
    name="light",
    window="#f5f6f7",
    panel="#ffffff",
    field="#ffffff",
    line="#d9dce0",
    text="#1d1f23",
    dim="#5f6368",
    disabled="#a3a8ae",
    accent="#0b63ce",
    on_accent="#ffffff",
    hover="#eceef1",
    selected="#d3e3f8",
    good="#1a7a43",
    warning="#8f5b00",
    danger="#bf2a1f",
)


class _Theme(QObject):
    """Lives as a child of the application, remembers the choice and follows the system."""

    changed = Signal()

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self.setObjectName(_NAME)
        self._app = app
        self.choice = "system"
        self.tokens = LIGHT
        self._unseen: list[QWidget] = []  # they wear the colours of before
        self._soon = QTimer(self)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._wear_on)
        app.styleHints().colorSchemeChanged.connect(self._follow)

    def use(self, choice: str) -> None:
        self.choice = choice
        self._show(_tokens_for(self._app, choice))

    def _follow(self, _: Qt.ColorScheme) -> None:
        if self.choice == "system":
            self._show(_tokens_for(self._app, "system"))

    def _show(self, tokens: Tokens) -> None:
        self.tokens = tokens
        sheet = style_sheet(SPACING, RADIUS)
        first = self._app.styleSheet() != sheet
        if first:
            self._app.setStyle(QStyleFactory.create("Fusion"))
        self._app.setPalette(palette(tokens))
        for window in self._app.topLevelWidgets():
            mark(window)
        if first:
            self._app.setStyleSheet(sheet)
            self._unseen = []
            self.changed.emit()
            return
        self.changed.emit()
        every = self._app.allWidgets()
        self._unseen = [widget for widget in every if not widget.isVisible()]
        _wear(widget for widget in every if widget.isVisible())
        self._soon.start()

    def _wear_on(self) -> None:
        """Some more of what was not in sight."""
        until = time.perf_counter() + _SLICE_S
        while self._unseen and time.perf_counter() < until:
            _wear(widget for widget in self._unseen[-_PIECE:] if isValid(widget))
            del self._unseen[-_PIECE:]
        if not self._unseen:
            self._soon.stop()


_SLICE_S = 0.004  # a quarter of a frame
_PIECE = 20  # widgets


def mark(window: QWidget) -> None:
    """Tell the style sheet which theme's pictures a main window has, and what belongs to it."""
    if isinstance(window, QMainWindow):
        window.setProperty("theme", current_tokens().name)


def _wear(widgets: Iterable[QWidget]) -> None:
    """Have the style sheet's rules look at the palette anew."""
    for widget in widgets:
        widget.style().polish(widget)
        widget.update()


_NAME = "segstudio-theme"


def _tokens_for(app: QApplication, choice: str) -> Tokens:
    if choice == "system":
        return DARK if app.styleHints().colorScheme() is Qt.ColorScheme.Dark else LIGHT
    return DARK if choice == "dark" else LIGHT


def _theme(app: QApplication) -> _Theme:
    found = app.findChild(_Theme, _NAME)
    return found if found is not None else _Theme(app)


def apply_theme(app: QApplication, choice: str) -> None:
    """Give the whole application the "system", "light" or "dark" look, now and for new windows.

    "system" follows the desktop's colour scheme as it changes. Raises ValueError for other names.
    """
    if choice not in CHOICES:
        raise ValueError(f"a theme is one of {', '.join(CHOICES)}, not {choice!r}")
    _theme(app).use(choice)


def current_tokens() -> Tokens:
    """The colours in use; the light ones before `apply_theme` was called."""
    app = QApplication.instance()
    return _theme(app).tokens if isinstance(app, QApplication) else LIGHT


def theme_signal(app: QApplication) -> SignalInstance:
    """Emitted without arguments after the colours changed; for what keeps a drawn picture."""
    return _theme(app).changed


def palette(tokens: Tokens) -> QPalette:
    """The palette that Fusion draws with, and whose roles the style sheet names.

    The sheet knows only some of the roles, so that colours which Fusion has no use for stand under
    names that say something else (`theme_sheet.ROLES`).
    """
    role = QPalette.ColorRole
    result = QPalette()
    for which, name in {
        role.Window: "window",
        role.WindowText: "text",
        role.Base: "field",
        role.AlternateBase: "panel",
        role.Text: "text",
        role.PlaceholderText: "dim",
        role.Button: "panel",
        role.ButtonText: "text",
        role.BrightText: "danger",
        role.Highlight: "accent",
        role.HighlightedText: "on_accent",
        role.ToolTipBase: "panel",
        role.ToolTipText: "text",
        role.Link: "accent",
        role.LinkVisited: "warning",
        role.Light: "hover",
        role.Midlight: "selected",
        role.Mid: "line",
        role.Dark: "line",
        role.Shadow: "disabled",
        role.Accent: "accent",
    }.items():
        result.setColor(which, tokens.colour(name))
    for which in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        result.setColor(QPalette.ColorGroup.Disabled, which, tokens.colour("disabled"))
    result.setColor(QPalette.ColorGroup.Disabled, role.Highlight, tokens.colour("line"))
    return result


def numeric_font(base: QFont) -> QFont:
    """`base` with tabular figures, so that changing numbers do not dance."""
    font = QFont(base)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two "#rrggbb" colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    darker, lighter = sorted((_luminance(QColor(one)), _luminance(QColor(other))))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: QColor) -> float:
    channels = (colour.redF(), colour.greenF(), colour.blueF())
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

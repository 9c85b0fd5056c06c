"""A quiet strip over the canvas for an operation that takes a number: slider, number, two buttons.

It never stands in the way: the photo can be zoomed and panned, and something else selected, while
it is open. Enter applies and Esc drops, wherever in the window the keys go, but for a field that
is being typed into.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QObject, QRectF, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QToolButton,
    QWidget,
)

from segstudio.gui.hold_keys import TYPING
from segstudio.gui.icons import icon
from segstudio.gui.theme import RADIUS, SPACING, numeric_font

STEPS = 240  # of the slider
WIDEST, NARROWEST = 150, 40  # logical pixels of the slider
BORDER = 8  # logical pixels to the canvas's top edge
_APPLY, _DROP = (Qt.Key.Key_Return, Qt.Key.Key_Enter), (Qt.Key.Key_Escape,)


class NumberStrip(QWidget):
    """Shows one number between two ends, on a logarithmic slider, and what it would do."""

    changed = Signal(int)
    applied = Signal()
    dropped = Signal()

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.setAttribute(Qt.WidgetAttribute.WA_NoMousePropagation)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.name = QLabel(self)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setAccessibleName(self.tr("Number, roughly"))
        self.slider.setRange(0, STEPS)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # arrows in the number do the same
        self.slider.setFixedWidth(WIDEST)
        self.number = QSpinBox(self)
        self.number.setAccessibleName(self.tr("Number in pixels"))
        self.number.setSuffix(self.tr(" px"))
        self.number.setFont(numeric_font(self.number.font()))
        self.number.setGroupSeparatorShown(True)
        self.number.setMinimumWidth(104)
        self.effect = QLabel(self)
        self.effect.setProperty("role", "dim")
        self.effect.setFont(numeric_font(self.effect.font()))
        self.apply_button = self._button("accept", self.tr("Apply (Enter)"))
        self.drop_button = self._button("cancel", self.tr("Leave it as it is (Esc)"))
        row = QHBoxLayout(self)
        row.setContentsMargins(3 * SPACING, SPACING, SPACING, SPACING)
        row.setSpacing(2 * SPACING)
        row.addWidget(self.name)
        row.addWidget(self.slider)
        row.addWidget(self.number)
        row.addWidget(self.effect)
        row.addWidget(self.apply_button)
        row.addWidget(self.drop_button)
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self._typed)
        self.apply_button.clicked.connect(self.applied)
        self.drop_button.clicked.connect(self.dropped)
        canvas.installEventFilter(self)
        self.hide()

    def _button(self, picture: str, text: str) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(icon(picture))
        button.setToolTip(text)
        button.setAccessibleName(text)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Enter and Esc do the same
        return button

    # -- what is shown --------------------------------------------------------------------------

    def open(self, name: str, number: int, low: int, high: int) -> None:
        """Show the strip for a number from `low` to `high`, ready to be typed."""
        with QSignalBlocker(self.number):
            self.number.setRange(low, high)
            self.number.setValue(number)
        self._typed(self.number.value(), tell=False)
        self.name.setText(name)
        self.setAccessibleName(name)
        for part in (self.slider, self.number):
            part.setAccessibleName(name)
        self.tell("")
        self.show()
        self.raise_()
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self)
        self.number.setFocus(Qt.FocusReason.OtherFocusReason)
        self.number.selectAll()

    def close_up(self) -> None:
        """Hide the strip; the keys go to the canvas again if they went here."""
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)
        had_keys = self.isAncestorOf(QApplication.focusWidget() or self._canvas)
        self.hide()
        if had_keys:
            self._canvas.setFocus()

    def tell(self, effect: str) -> None:
        """Say in a few words what the number would do."""
        self.effect.setText(effect)
        self.effect.setVisible(bool(effect))
        self._place()

    def _place(self) -> None:
        self.slider.setFixedWidth(WIDEST)
        lacking = self.sizeHint().width() + 2 * BORDER - self._canvas.width()
        self.slider.setFixedWidth(max(NARROWEST, min(WIDEST, WIDEST - lacking)))
        self.adjustSize()
        self.move(max(BORDER, (self._canvas.width() - self.width()) // 2), BORDER)

    # -- the number -----------------------------------------------------------------------------

    def _slid(self, place: int) -> None:
        low, high = self.number.minimum(), self.number.maximum()
        self.number.setValue(round(math.exp(_between(math.log(low), math.log(high), place))))

    def _typed(self, number: int, *, tell: bool = True) -> None:
        low, high = self.number.minimum(), self.number.maximum()
        share = math.log(number / low) / math.log(high / low) if high > low else 0.0
        if not self.slider.isSliderDown():
            with QSignalBlocker(self.slider):
                self.slider.setValue(round(STEPS * share))
        if tell:
            self.changed.emit(number)

    # -- events ---------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._canvas and event.type() is QEvent.Type.Resize:
            self._place()
        if self.isVisible() and isinstance(event, QKeyEvent) and self._is_ours(watched, event):
            if event.type() is QEvent.Type.ShortcutOverride:
                event.accept()  # as a key for us, and not as a shortcut
                return True
            if event.type() is QEvent.Type.KeyPress:
                return self._take_key(event)
        return False

    def _is_ours(self, watched: QObject, event: QKeyEvent) -> bool:
        if not isinstance(watched, QWidget) or watched.window() is not self.window():
            return False
        # What a field leaves of a key comes up to its parents; it is still typed there.
        focus = QApplication.focusWidget()
        typing = isinstance(focus, TYPING) and not self.isAncestorOf(focus)
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        )
        return plain and not typing and event.key() in (*_APPLY, *_DROP)

    def _take_key(self, event: QKeyEvent) -> bool:
        if event.key() in _APPLY:
            self.number.interpretText()
            self.applied.emit()
        else:
            self.dropped.emit()
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(self.palette().window().color())
        ground.setAlpha(238)
        painter.setBrush(ground)
        painter.setPen(QPen(self.palette().mid(), 1.0))
        inside = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(inside, RADIUS + 2, RADIUS + 2)
        painter.end()


def _between(low: float, high: float, place: int) -> float:
    return low + (high - low) * place / STEPS

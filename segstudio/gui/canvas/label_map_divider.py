"""The line between before and after: left of it the photo, right of it with what was predicted."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSignalBlocker, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import QSlider, QWidget

STEPS = 1000
KEY_STEP, KEY_PAGE = 10, 100
WIDE = 28  # logical pixels: what the hand can take hold of
HANDLE = 13.0  # radius
_KEYS = frozenset(
    {
        Qt.Key.Key_Left,
        Qt.Key.Key_Right,
        Qt.Key.Key_Home,
        Qt.Key.Key_End,
        Qt.Key.Key_PageUp,
        Qt.Key.Key_PageDown,
    }
)


class LabelMapDivider(QSlider):
    """A slider that stands on the canvas where its value is, over the whole height.

    The arrow keys move it while it has the focus; the wheel and other buttons are the canvas's.
    """

    moved = Signal(float)  # share of the canvas's width, 0 to 1
    left = Signal()  # Esc: the keys go to the canvas again

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, canvas)
        self._canvas = canvas
        self.setRange(0, STEPS)
        self.setSingleStep(KEY_STEP)
        self.setPageStep(KEY_PAGE)
        self.setAccessibleName(self.tr("Before and after"))
        self.setToolTip(self.tr("Left: the photo. Right: what is predicted. Drag, or arrow keys."))
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._grip = 0.0  # where in the divider the hand took hold of it
        with QSignalBlocker(self):
            self.setValue(STEPS // 2)
        self.valueChanged.connect(self._follow)
        canvas.installEventFilter(self)
        self.hide()

    @property
    def share(self) -> float:
        """Where it stands, as a share of the canvas's width."""
        return self.value() / STEPS

    def place(self) -> None:
        """Stand where the value says."""
        middle = round(self.share * self._canvas.width())
        self.setGeometry(middle - WIDE // 2, 0, WIDE, self._canvas.height())

    def _follow(self) -> None:
        self.place()
        self.moved.emit(self.share)

    # -- the hand -------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self._grip = event.position().x() - WIDE / 2
            self.setSliderDown(True)
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        else:
            event.ignore()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            at = self.mapToParent(event.position().toPoint()).x() - self._grip
            self.setValue(round(STEPS * at / max(1, self._canvas.width())))
        else:
            event.ignore()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.setSliderDown(False)
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        elif event.key() in _KEYS:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        """The arrow keys turn pages in the window, but not while the divider has the focus."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            wanted = event.key() in _KEYS or event.key() == Qt.Key.Key_Escape
            if wanted and event.modifiers() in _PLAIN:
                event.accept()
                return True
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._canvas and event.type() is QEvent.Type.Resize:
            self.place()
        return False

    # -- painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, high = WIDE / 2, float(self.height())
        light, dark = QColor("white"), QColor(0, 0, 0, 150)
        painter.fillRect(QRectF(middle - 2, 0, 4, high), dark)
        painter.fillRect(QRectF(middle - 1, 0, 2, high), light)
        centre = QPointF(middle, high / 2)
        painter.setPen(QPen(dark, 1))
        accent = self.palette().highlight().color()
        painter.setBrush(accent if self.hasFocus() else light)
        painter.drawEllipse(centre, HANDLE, HANDLE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().highlightedText() if self.hasFocus() else QColor("#1d1f23"))
        for side in (-1, 1):
            painter.drawPolygon(
                QPolygonF(
                    [
                        centre + QPointF(side * 9, 0),
                        centre + QPointF(side * 4, -4.5),
                        centre + QPointF(side * 4, 4.5),
                    ]
                )
            )
        painter.end()


_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)

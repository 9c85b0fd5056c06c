"""Qt mouse events as pointer events in image pixels: the one door for coordinates."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent

from segstudio.gui.canvas.view import View
from segstudio.tools.contract import Button, Modifier, PointerEvent

SLACK_PIXELS = 4.0  # a hand trembles by so many screen pixels

_BUTTONS = {
    Qt.MouseButton.LeftButton: Button.LEFT,
    Qt.MouseButton.RightButton: Button.RIGHT,
    Qt.MouseButton.MiddleButton: Button.MIDDLE,
}
_MODIFIERS = {
    Qt.KeyboardModifier.ShiftModifier: Modifier.SHIFT,
    Qt.KeyboardModifier.ControlModifier: Modifier.CONTROL,
    Qt.KeyboardModifier.AltModifier: Modifier.ALT,
}


def pointer_event(event: QMouseEvent, view: View) -> PointerEvent:
    """The event in image pixels; `button` is the one pressed or released, None for a move."""
    x, y = view.to_image(event.position().x(), event.position().y())
    held = frozenset(name for flag, name in _MODIFIERS.items() if event.modifiers() & flag)
    double = event.type() == QEvent.Type.MouseButtonDblClick
    return PointerEvent(x, y, _BUTTONS.get(event.button()), held, SLACK_PIXELS / view.scale, double)


def place_under(view: View, position: QPointF) -> tuple[float, float] | None:
    """The image point (x, y) under a position of the widget; None beside the image."""
    x, y = view.to_image(position.x(), position.y())
    height, width = view.image_size
    return (x, y) if 0 <= x < width and 0 <= y < height else None

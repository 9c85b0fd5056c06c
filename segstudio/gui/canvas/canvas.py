"""The canvas: shows one image with its masks, pans and zooms, and hands the pointer on."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from segstudio.core.mask import Box
from segstudio.core.prompt import Prompt
from segstudio.gui.canvas.candidate_strip import NOTCH, WheelSteps
from segstudio.gui.canvas.layers import MaskLayer
from segstudio.gui.canvas.marked import MarkedAnnotations
from segstudio.gui.canvas.overlay import Overlay, paint_marks
from segstudio.gui.canvas.patch_mark import PatchMark
from segstudio.gui.canvas.pictures import Pictures
from segstudio.gui.canvas.pointer import place_under, pointer_event
from segstudio.gui.canvas.scene import Frame, Scene
from segstudio.gui.canvas.strokes import Strokes
from segstudio.gui.canvas.view import View
from segstudio.imaging.pyramid import Pyramid

ZOOM_STEP = 1.25
WAIT_FRAME_MS = 40


class Canvas(QWidget):
    """Shows what it is given; knows nothing of projects or models."""

    pressed = Signal(object)  # PointerEvent, in image pixels
    moved = Signal(object)
    released = Signal(object)
    pointed_at = Signal(object)  # (x, y) in image pixels, or None outside
    view_changed = Signal(object)  # View
    candidates_turned = Signal(int)  # by Shift and the wheel: so many candidates further
    size_turned = Signal(int)  # by Alt and the wheel: so many steps larger

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(QSize(240, 180))
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName(self.tr("Canvas"))
        self.overlay = Overlay()
        self.panned_while_held = False
        self.scene = Scene()
        self.pictures = Pictures(self.update)
        self.strokes = Strokes(
            self.scene, lambda part: self.update() if part.isNull() else self.update(part)
        )
        self.mark = PatchMark(lambda part: self.update() if part.isNull() else self.update(part))
        self.sizable = False  # the tool in the hand has a size, which Alt and the wheel change
        self._marked = MarkedAnnotations(self.pictures)
        self._view = View()
        self.hand_mode = False
        self._pan_from: QPointF | None = None
        self._pan_button = Qt.MouseButton.NoButton
        self.scene.drawn = self.update
        self._wheel = WheelSteps()
        self._spin = QTimer(self)
        self._spin.setInterval(WAIT_FRAME_MS)
        self._spin.timeout.connect(self._turn_wait_ring)

    # -- what is shown --------------------------------------------------------------------------

    @property
    def masks(self) -> MaskLayer:
        """The annotations' layer; call `refresh` after changing it."""
        return self.scene.masks

    def show_image(self, pyramid: Pyramid | None) -> None:
        """Show another photo, fitted; None shows nothing."""
        self.scene.show(pyramid)
        size = pyramid.size if pyramid else (0, 0)
        self._view = View(size, (float(self.width()), float(self.height()))).fitted()
        self.overlay = Overlay(cursor=self.overlay.cursor, ring=self.overlay.ring)
        self.pictures.clear()
        self.strokes.clear()
        self.mark.show(None)
        self._spin.stop()
        self.refresh()
        self.view_changed.emit(self._view)

    def refresh(self) -> None:
        """Draw the scene anew: masks, categories, opacity or visibility changed."""
        self.scene.forget()
        self.pictures.forget()
        self.update()

    def set_waiting(self, waiting: bool) -> None:
        """Show or hide the thin ring at the cursor."""
        self.overlay.waiting = waiting
        if waiting:
            self._spin.start()
        else:
            self._spin.stop()
        self.update()

    def show_prompt(self, prompt: Prompt, rubber_band: Box | None = None) -> None:
        """Show the dots and box of a prompt, and the box being drawn."""
        self.overlay.prompt, self.overlay.rubber_band = prompt, rubber_band
        self.update()

    # -- zoom and pan ---------------------------------------------------------------------------

    @property
    def view(self) -> View:
        return self._view

    def set_view(self, view: View) -> None:
        """Move or zoom."""
        if view != self._view:
            self._view = view
            self.update()
            self.view_changed.emit(view)

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom by `factor`, keeping what is under `at` (the middle by default) in place."""
        centre = at or QPointF(self.width() / 2, self.height() / 2)
        self.set_view(self._view.zoomed(factor, centre.x(), centre.y()))

    @property
    def panning(self) -> bool:
        """Whether the photo is being moved, or is about to be."""
        return self.hand_mode or self._pan_from is not None

    def set_hand_mode(self, held: bool) -> None:
        """While held, a left drag pans."""
        if held and not self.hand_mode:
            self.panned_while_held = False
        self.hand_mode = held
        self.setCursor(Qt.CursorShape.OpenHandCursor if held else Qt.CursorShape.CrossCursor)

    # -- painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        size, ground = (self.width(), self.height()), self.palette().window().color().name()
        painter = QPainter(self)
        frame = Frame(self._view, size, self.devicePixelRatioF(), ground)
        self.scene.paint(painter, frame)
        if self.scene.pyramid is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._marked.follow(self.overlay, self.masks)
            if self.masks.visible:
                self.pictures.paint(painter, frame)
            self.strokes.paint(painter, frame, settled=self.scene.settled)
            self.mark.paint(painter, frame)
            paint_marks(painter, self._view, self.overlay)
        painter.end()

    def _turn_wait_ring(self) -> None:
        self.overlay.wait_angle = (self.overlay.wait_angle + 18.0) % 360.0
        self.update()

    # -- events ---------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        fits = self._view == self._view.fitted()
        resized = self._view.resized(float(self.width()), float(self.height()))
        self._view = resized.fitted() if fits else resized
        self.view_changed.emit(self._view)
        super().resizeEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self.overlay.choosable:
            if further := self._wheel.take(event):
                self.candidates_turned.emit(further)
        elif event.modifiers() & Qt.KeyboardModifier.AltModifier and self.sizable:
            if further := self._wheel.take(event):
                self.size_turned.emit(-further)
        elif (steps := event.angleDelta().y() / NOTCH) and self.scene.pyramid is not None:
            self.zoom(ZOOM_STEP**steps, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        middle = event.button() is Qt.MouseButton.MiddleButton
        if middle or (self.hand_mode and event.button() is Qt.MouseButton.LeftButton):
            self._pan_from, self._pan_button = event.position(), event.button()
            self.panned_while_held = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self.scene.pyramid is not None:
            self.pressed.emit(pointer_event(event, self._view))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.overlay.cursor = event.position()
        if self._pan_from is not None:
            # By whole device pixels: tiles are moved then, and none is drawn anew.
            step, ratio = event.position() - self._pan_from, self.devicePixelRatioF()
            step = QPointF(round(step.x() * ratio) / ratio, round(step.y() * ratio) / ratio)
            self._pan_from += step
            self.set_view(self._view.panned(step.x(), step.y()))
        elif self.scene.pyramid is not None:
            self.moved.emit(pointer_event(event, self._view))
            self.pointed_at.emit(place_under(self._view, event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pan_from is not None and event.button() is self._pan_button:
            self._pan_from = None
            self.set_hand_mode(self.hand_mode)
        elif self.scene.pyramid is not None:
            self.released.emit(pointer_event(event, self._view))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.mousePressEvent(event)  # the second of two quick clicks, or of two quick drags

    def leaveEvent(self, event: QEvent) -> None:
        self.overlay.cursor = None
        self.pointed_at.emit(None)
        super().leaveEvent(event)

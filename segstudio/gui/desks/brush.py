"""The brush desk: how large what paints is, and the ring that shows it."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPointF, QRect, QTimer

from segstudio.gui.canvas.brush_ring import BrushRing, cross_cursor
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.view import View
from segstudio.gui.desks.superpixels import SuperpixelDesk
from segstudio.gui.desks.tools import ToolDesk
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import Modifier, PointerEvent

BRUSH, ERASER, SUPERPIXEL = "brush", "eraser", "superpixel"
SMALLEST, LARGEST = 0.5, 1000.0  # radius in image pixels
STEP = 1.15
KEEP_MS = 600  # a size that stayed that long is remembered


class BrushDesk(QObject):
    """What the size keys and Alt with the wheel call; draws the ring around the pointer."""

    def __init__(
        self, workspace: Workspace, tools: ToolDesk, canvas: Canvas, superpixels: SuperpixelDesk
    ) -> None:
        super().__init__()
        self._workspace, self._tools, self._canvas = workspace, tools, canvas
        self._superpixels = superpixels
        self._drawn: QRect | None = None
        self._removes = False
        self._keep = QTimer(self)
        self._keep.setSingleShot(True)
        self._keep.setInterval(KEEP_MS)
        self._keep.timeout.connect(
            lambda: workspace.change_settings(brush_radius=tools.brush_radius)
        )
        tools.brush_radius = workspace.settings.brush_radius
        tools.tool_changed.connect(lambda _: self._tool_changed())
        canvas.size_turned.connect(self.turn)
        canvas.moved.connect(self._moved)
        canvas.pointed_at.connect(lambda place: self._follow() if place is None else None)
        canvas.view_changed.connect(self._view_changed)
        self._tool_changed()

    # -- size -----------------------------------------------------------------------------------

    def smaller(self) -> None:
        self.turn(-1)

    def larger(self) -> None:
        self.turn(1)

    def turn(self, steps: int) -> None:
        """So many steps larger: the brush, or the superpixels where they are in the hand."""
        if self._tools.tool_key == SUPERPIXEL:
            self._superpixels.turn(steps)
            return
        radius = stepped(self._tools.brush_radius, steps)
        if radius != self._tools.brush_radius:
            self._tools.brush_radius = radius
            self._keep.start()
            self._show_ring()
        self._workspace.tell(self.tr("Brush: {:g} pixels wide").format(2 * radius))

    # -- the ring -------------------------------------------------------------------------------

    def _tool_changed(self) -> None:
        key = self._tools.tool_key
        self._removes = key == ERASER
        self._canvas.sizable = key in (BRUSH, ERASER, SUPERPIXEL)
        ratio = self._canvas.devicePixelRatioF()
        self._tools.cross = cross_cursor(ratio) if key in (BRUSH, ERASER) else None
        self._show_ring()

    def _moved(self, event: PointerEvent) -> None:
        removes = self._tools.tool_key == ERASER or event.held(Modifier.CONTROL)
        if removes != self._removes:
            self._removes = removes
            self._show_ring()
        else:
            self._follow()

    def _show_ring(self) -> None:
        ringed = self._tools.tool_key in (BRUSH, ERASER)
        ring = BrushRing(self._tools.brush_radius, self._removes) if ringed else None
        self._canvas.overlay.ring = ring
        self._follow()

    def _follow(self) -> None:
        """Have the places painted again where the ring was and where it is."""
        ring, cursor = self._canvas.overlay.ring, self._canvas.overlay.cursor
        here = self._place(ring, cursor)
        for place in (self._drawn, here):
            if place is not None:
                self._canvas.update(place)
        self._drawn = here

    def _place(self, ring: BrushRing | None, cursor: QPointF | None) -> QRect | None:
        if ring is None or cursor is None:
            return None
        return ring.place(cursor, self._canvas.view.scale)

    def _view_changed(self, view: View) -> None:  # everything is painted again then
        ring, cursor = self._canvas.overlay.ring, self._canvas.overlay.cursor
        self._drawn = ring.place(cursor, view.scale) if ring and cursor else None


def stepped(radius: float, steps: int) -> float:
    """`radius` so many steps larger, in half pixels; each step changes it."""
    for _ in range(abs(steps)):
        if steps > 0:
            radius = max(radius + 0.5, round(2 * radius * STEP) / 2)
        else:
            radius = min(radius - 0.5, round(2 * radius / STEP) / 2)
    return min(LARGEST, max(SMALLEST, radius))

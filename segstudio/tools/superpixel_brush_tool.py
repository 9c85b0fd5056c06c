"""The superpixel brush: whole superpixels join a mask, or leave it."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.core.patch import Patch
from segstudio.imaging.strokes import Stroke
from segstudio.tools.contract import (
    Button,
    Cursor,
    Modifier,
    Nothing,
    Painted,
    Painting,
    PaintingDropped,
    Point,
    PointAtSuperpixel,
    PointerEvent,
    Scene,
    ToolResult,
)


@dataclass
class _Drag:
    """A left button that is down: what was covered, and where the hand was and is."""

    stroke: Stroke
    adds: bool
    start: Point
    at: Point


class SuperpixelBrushTool:
    """A left drag paints the superpixels that it passes; Ctrl or Shift at its start removes them.

    Without a button down, the superpixel under the pointer is pointed at. The scale may change
    within a stroke: what was painted stays.
    """

    def __init__(self) -> None:
        self._drag: _Drag | None = None

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        if event.button is not Button.LEFT or not scene.image_size or scene.superpixels is None:
            return Nothing()
        place = event.x, event.y
        adds = not event.held(Modifier.CONTROL, Modifier.SHIFT)
        self._drag = _Drag(Stroke(scene.image_size), adds, place, place)
        return Painting(self._pass(self._drag, place, scene), adds, begins=True)

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is not None:
            return Painting(self._pass(drag, (event.x, event.y), scene), drag.adds)
        if scene.image_size is None or scene.superpixels is None:
            return Nothing()
        return PointAtSuperpixel(scene.superpixels.at(event.x, event.y))

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is None or event.button is not Button.LEFT:
            return Nothing()
        self.move(event, scene)
        self._drag = None
        if not drag.stroke:
            return PaintingDropped()
        mask = drag.stroke.mask()
        if drag.adds:
            return Painted(add=mask, text="Paint superpixels", start=drag.start)
        return Painted(remove=mask, text="Erase superpixels", start=drag.start)

    def cancel(self) -> ToolResult:
        dragging, self._drag = self._drag, None
        return PaintingDropped() if dragging else Nothing()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:  # noqa: ARG002
        return Cursor.ARROW if scene.image_size is None else Cursor.CROSS

    def _pass(self, drag: _Drag, place: Point, scene: Scene) -> tuple[Patch, ...]:
        """Cover the superpixels on the way to `place`; what was not covered yet."""
        before, drag.at = drag.at, place
        if scene.superpixels is None:
            return ()
        patch = scene.superpixels.patch(scene.superpixels.along(before, place, 0.0))
        return drag.stroke.add_patch(patch) if patch is not None else ()

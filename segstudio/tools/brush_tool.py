"""The brush: what the pointer passes over joins a mask, or leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import ClassVar

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
    PointerEvent,
    Scene,
    ToolResult,
)

_SMALLEST = 0.5  # a brush of one pixel


@dataclass
class _Drag:
    """A left button that is down: what was covered, from where, and where the hand is now."""

    stroke: Stroke
    adds: bool
    start: Point
    at: Point


class BrushTool:
    """A left drag paints; Ctrl held at its start removes, Shift draws a straight line to it.

    That line begins where the last stroke ended. A stroke may start and end beside the image. Esc,
    another tool and another image forget where the last stroke ended.
    """

    removes_always: ClassVar[bool] = False

    def __init__(self) -> None:
        self._drag: _Drag | None = None
        self._last: Point | None = None

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        if event.button is not Button.LEFT or scene.image_size is None:
            return Nothing()
        radius = max(scene.brush_radius, _SMALLEST)
        place = _place(event, radius)
        straight = event.held(Modifier.SHIFT) and self._last is not None
        start = self._last if straight and self._last is not None else place
        adds = not (self.removes_always or event.held(Modifier.CONTROL))
        # What a line removes from lies under the hand: where it begins, the last stroke has erased.
        self._drag = _Drag(Stroke(scene.image_size), adds, place, place)
        return Painting(self._drag.stroke.add(start, place, radius), adds, begins=True)

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is None:
            return Nothing()
        radius = max(scene.brush_radius, _SMALLEST)
        before, drag.at = drag.at, _place(event, radius)
        return Painting(drag.stroke.add(before, drag.at, radius), drag.adds)

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is None or event.button is not Button.LEFT:
            return Nothing()
        self.move(event, scene)
        self._drag, self._last = None, drag.at
        if not drag.stroke:
            return PaintingDropped()
        mask = drag.stroke.mask()
        if drag.adds:
            return Painted(add=mask, text="Paint", start=drag.start)
        return Painted(remove=mask, text="Erase", start=drag.start)

    def cancel(self) -> ToolResult:
        dragging, self._drag = self._drag, None
        if dragging is None:
            self._last = None
            return Nothing()
        return PaintingDropped()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:  # noqa: ARG002
        return Cursor.ARROW if scene.image_size is None else Cursor.CROSS


def _place(event: PointerEvent, radius: float) -> Point:
    """Where the brush is; one of a single pixel goes from pixel to pixel, never between them."""
    return (floor(event.x) + 0.5, floor(event.y) + 0.5) if radius < 1 else (event.x, event.y)

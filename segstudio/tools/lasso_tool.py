"""The lasso: what is drawn around joins a mask, or leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from segstudio.imaging.polygon_raster import polygon_mask
from segstudio.tools.contract import (
    Button,
    Cursor,
    Modifier,
    Nothing,
    OutlineShown,
    Painted,
    Point,
    PointerEvent,
    Scene,
    ToolResult,
)


@dataclass
class _Drag:
    """A left button that is down, and the way that the pointer went since."""

    line: list[Point]
    adds: bool
    size: tuple[int, int]


class LassoTool:
    """A left drag around an area adds it; with Ctrl held at its start, it is removed.

    The line is closed by going straight back to its start. What it winds around counts, loops that
    cross included. It may lead beside the image.
    """

    def __init__(self) -> None:
        self._drag: _Drag | None = None

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        if event.button is not Button.LEFT or scene.image_size is None:
            return Nothing()
        adds = not event.held(Modifier.CONTROL)
        self._drag = _Drag([(event.x, event.y)], adds, scene.image_size)
        return OutlineShown(line=((event.x, event.y),), adds=adds)

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:  # noqa: ARG002
        drag = self._drag
        if drag is None:
            return Nothing()
        x, y = drag.line[-1]
        if hypot(event.x - x, event.y - y) >= event.slack / 4:  # a pixel of the screen
            drag.line.append((event.x, event.y))
        return OutlineShown(line=tuple(drag.line), adds=drag.adds)

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is None or event.button is not Button.LEFT:
            return Nothing()
        self.move(event, scene)
        self._drag = None
        mask = polygon_mask([drag.line], drag.size)
        if not mask.area:
            return OutlineShown()
        if drag.adds:
            return Painted(add=mask, text="Lasso", start=drag.line[0])
        return Painted(remove=mask, text="Erase with lasso", start=drag.line[0])

    def cancel(self) -> ToolResult:
        dragging, self._drag = self._drag, None
        return OutlineShown() if dragging else Nothing()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:  # noqa: ARG002
        return Cursor.ARROW if scene.image_size is None else Cursor.CROSS

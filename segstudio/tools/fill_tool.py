"""The fill tool: an enclosed area joins a mask at a click, or a part of a mask leaves it."""

from __future__ import annotations

from segstudio.tools.contract import (
    Button,
    Cursor,
    FillAt,
    Modifier,
    Nothing,
    PointerEvent,
    Scene,
    ToolResult,
)


class FillTool:
    """A left click on the image fills; with Ctrl held, it takes away what it hits."""

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        if event.button is not Button.LEFT or not _inside(event, scene):
            return Nothing()
        return FillAt(event.x, event.y, adds=not event.held(Modifier.CONTROL))

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:  # noqa: ARG002
        return Nothing()

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:  # noqa: ARG002
        return Nothing()

    def cancel(self) -> ToolResult:
        return Nothing()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:
        return Cursor.CROSS if _inside(event, scene) else Cursor.ARROW


def _inside(event: PointerEvent, scene: Scene) -> bool:
    if scene.image_size is None:
        return False
    height, width = scene.image_size
    return 0 <= event.x < width and 0 <= event.y < height

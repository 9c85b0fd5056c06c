"""The select tool: a click takes the annotation in front."""

from __future__ import annotations

from segstudio.core.annotation import Annotation
from segstudio.tools.contract import (
    Button,
    Cursor,
    Modifier,
    Nothing,
    PointerEvent,
    Scene,
    Select,
    ToolResult,
)
from segstudio.tools.hit_test import HitTest


class SelectTool:
    """A click selects the front annotation under it, beside all of them it selects none.

    With Shift or Ctrl the annotation joins the selection, or leaves it. A right click keeps a
    selection that it hits, so that a menu can be about all of it.
    """

    def __init__(self) -> None:
        self._annotations: tuple[Annotation, ...] = ()
        self._hits = HitTest(())

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        hit = self._hit(event, scene)
        if event.button is Button.LEFT:
            extend = event.held(Modifier.SHIFT, Modifier.CONTROL)
            if hit is not None:
                return Select((hit.id,), extend)
            return Select(()) if scene.selected and not extend else Nothing()
        if event.button is Button.RIGHT and hit is not None and hit.id not in scene.selected:
            return Select((hit.id,))
        return Nothing()

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:  # noqa: ARG002
        return Nothing()

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:  # noqa: ARG002
        return Nothing()

    def cancel(self) -> ToolResult:
        return Nothing()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:
        return Cursor.HAND if self._hit(event, scene) is not None else Cursor.ARROW

    def _hit(self, event: PointerEvent, scene: Scene) -> Annotation | None:
        if scene.annotations is not self._annotations:
            self._annotations, self._hits = scene.annotations, HitTest(scene.annotations)
        return self._hits.at(event.x, event.y)

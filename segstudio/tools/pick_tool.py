"""The pick tool: accept or dismiss what "everything" found, one by one or by a rectangle."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.tools.box_handles import box_between
from segstudio.tools.contract import (
    AcceptPick,
    AcceptPicksInside,
    Button,
    Cursor,
    DismissPick,
    Modifier,
    Nothing,
    PointAtPick,
    PointerEvent,
    RubberBand,
    Scene,
    ToolResult,
)


@dataclass
class _Drag:
    """A left button that is down: where it went down, and whether it has moved since."""

    x: float
    y: float
    moved: bool = False


class PickTool:
    """A click accepts the pick under it, right click or Shift+click dismisses it from the list.

    A left drag is a rectangle that accepts the picks in it; it may start beside the image. The
    pick that counts is the smallest one under the pointer, when the button goes down.
    """

    def __init__(self) -> None:
        self._drag: _Drag | None = None

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        self._drag = None
        if event.button is Button.LEFT and not event.held(Modifier.SHIFT):
            self._drag = _Drag(event.x, event.y) if scene.picks is not None else None
        elif event.button in (Button.LEFT, Button.RIGHT):
            pick = _pick(event.x, event.y, scene)
            if pick is not None:
                return DismissPick(pick)
        return Nothing()

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if scene.picks is None:
            return Nothing()
        if drag is None:
            return PointAtPick(_pick(event.x, event.y, scene))
        if max(abs(event.x - drag.x), abs(event.y - drag.y)) > event.slack:
            drag.moved = True
        if drag.moved and scene.image_size is not None:
            return RubberBand(box_between((drag.x, drag.y), (event.x, event.y), scene.image_size))
        return Nothing()

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is None or event.button is not Button.LEFT:
            return Nothing()
        self.move(event, scene)
        self._drag = None
        if drag.moved and scene.image_size is not None:
            box = box_between((drag.x, drag.y), (event.x, event.y), scene.image_size)
            return AcceptPicksInside(box) if box is not None else Nothing()
        pick = _pick(drag.x, drag.y, scene)
        return AcceptPick(pick) if pick is not None else Nothing()

    def cancel(self) -> ToolResult:
        dragging, self._drag = self._drag, None
        return RubberBand(None) if dragging else Nothing()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:
        if self._drag is not None:
            return Cursor.CROSS
        return Cursor.ARROW if _pick(event.x, event.y, scene) is None else Cursor.HAND


def _pick(x: float, y: float, scene: Scene) -> int | None:
    return scene.picks.at(x, y) if scene.picks is not None else None

"""The point and box tool: clicks and drags become a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from segstudio.core.mask import Box
from segstudio.core.prompt import Prompt
from segstudio.tools.box_handles import Handle, box_between, drag_handle, handle_at
from segstudio.tools.contract import (
    Button,
    Cursor,
    Modifier,
    Nothing,
    PointerEvent,
    PromptChanged,
    RubberBand,
    Scene,
    ToolResult,
)

_REACH = 1.5  # a handle is hit within six screen pixels: 1.5 times the slack


@dataclass
class _Drag:
    """A left button that is down: where it went down, and on which handle of which box."""

    x: float
    y: float
    handle: Handle | None
    box: Box | None
    moved: bool = False


class PromptTool:
    """Left click adds, right click or Shift+left click removes, a left drag makes the box.

    A new box takes the place of the earlier one, whose eight handles can be dragged. A drag may
    start beside the image; boxes are clipped to it. A click beside the image does nothing, and a
    drag that leaves a box without area is a click. Between events the tool holds the prompt and
    the ones before it, so that every step can be taken back.
    """

    takes_points: ClassVar[bool] = True

    def __init__(self) -> None:
        self._prompt = Prompt()
        self._earlier: list[Prompt] = []
        self._drag: _Drag | None = None

    @property
    def prompt(self) -> Prompt:
        """What is asked now."""
        return self._prompt

    # -- pointer --------------------------------------------------------------------------------

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        self._drag = None
        if scene.image_size is None:
            return Nothing()
        if event.button is Button.LEFT and not event.held(Modifier.SHIFT):
            handle = self._handle(event)
            self._drag = _Drag(event.x, event.y, handle, self._prompt.box if handle else None)
            return Nothing()
        if event.button in (Button.LEFT, Button.RIGHT):
            return self._point(event.x, event.y, 0, scene.image_size)
        return Nothing()

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is None or scene.image_size is None:
            return Nothing()
        if max(abs(event.x - drag.x), abs(event.y - drag.y)) > event.slack:
            drag.moved = True
        return RubberBand(self._dragged(drag, event, scene.image_size)) if drag.moved else Nothing()

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:
        drag = self._drag
        if drag is None or scene.image_size is None or event.button is not Button.LEFT:
            return Nothing()
        self.move(event, scene)
        self._drag = None
        box = self._dragged(drag, event, scene.image_size) if drag.moved else None
        if box is not None:
            return self._become(self._prompt.with_box(box))
        if drag.handle is not None:
            return Nothing()
        return self._point(drag.x, drag.y, 1, scene.image_size)

    def cancel(self) -> ToolResult:
        dragging, self._drag = self._drag, None
        return RubberBand(None) if dragging else Nothing()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:
        if scene.image_size is None:
            return Cursor.ARROW
        if self._drag is not None:
            return self._drag.handle.cursor if self._drag.handle else Cursor.CROSS
        handle = None if event.held(Modifier.SHIFT) else self._handle(event)
        return handle.cursor if handle else Cursor.CROSS

    # -- the prompt -----------------------------------------------------------------------------

    def take_back(self) -> ToolResult:
        """Undo the last step: a point, a box, a moved handle; or a restored prompt's last part."""
        self._drag = None
        before = self._earlier.pop() if self._earlier else self._prompt.without_last()
        if before == self._prompt:
            return Nothing()
        self._prompt = before
        return PromptChanged(before)

    def clear(self) -> ToolResult:
        """Start anew, with an empty prompt (accepted, cancelled, another image)."""
        return self.restore(Prompt())

    def restore(self, prompt: Prompt) -> ToolResult:
        """Go on from `prompt`: another tool's, or the one that made an annotation."""
        self._drag = None
        self._earlier.clear()
        if prompt == self._prompt:
            return Nothing()
        self._prompt = prompt
        return PromptChanged(prompt)

    # -- steps ----------------------------------------------------------------------------------

    def _become(self, prompt: Prompt) -> ToolResult:
        if prompt == self._prompt:
            return Nothing()
        self._earlier.append(self._prompt)
        self._prompt = prompt
        return PromptChanged(prompt)

    def _point(self, x: float, y: float, label: int, size: tuple[int, int]) -> ToolResult:
        height, width = size
        if not self.takes_points or not (0 <= x < width and 0 <= y < height):
            return Nothing()
        return self._become(self._prompt.with_point(x, y, label))

    def _handle(self, event: PointerEvent) -> Handle | None:
        box = self._prompt.box
        return handle_at(box, event.x, event.y, _REACH * event.slack) if box else None

    def _dragged(self, drag: _Drag, event: PointerEvent, size: tuple[int, int]) -> Box | None:
        if drag.handle is not None and drag.box is not None:
            return drag_handle(drag.box, drag.handle, event.x - drag.x, event.y - drag.y, size)
        return box_between((drag.x, drag.y), (event.x, event.y), size)


class BoxTool(PromptTool):
    """The same, but clicks make no points: for drawing boxes around small or crowded things."""

    takes_points = False

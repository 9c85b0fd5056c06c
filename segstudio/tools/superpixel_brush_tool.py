"""The superpixel brush: whole superpixels join a mask, or leave it."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    SuperpixelsInSight,
    ToolResult,
)


@dataclass
class _Drag:
    """A left button that is down: what was covered, where the hand began and is, what it passed."""

    stroke: Stroke
    adds: bool
    start: Point
    at: Point
    superpixels: SuperpixelsInSight | None = None
    passed: set[int] = field(default_factory=set)


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
        superpixels = scene.superpixels
        if superpixels is None:
            return ()
        if superpixels is not drag.superpixels:
            drag.superpixels, drag.passed = superpixels, set()
        new = [n for n in superpixels.along(before, place, 0.0) if n not in drag.passed]
        drag.passed.update(new)
        # One by one: the box around all that a quick hand passed may be most of the image.
        patches = [superpixels.patch((number,)) for number in new]
        return tuple(
            piece
            for patch in patches
            if patch is not None
            for piece in drag.stroke.add_patch(patch)
        )

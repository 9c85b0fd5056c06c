"""From the canvas to the tool in the hand, and what lies under the pointer."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt

from segstudio.core.annotation import Annotation
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import Cursor, PointerEvent, Scene
from segstudio.tools.hit_test import HitTest

_SHAPES = {
    Cursor.ARROW: Qt.CursorShape.ArrowCursor,
    Cursor.CROSS: Qt.CursorShape.CrossCursor,
    Cursor.HAND: Qt.CursorShape.PointingHandCursor,
    Cursor.SIZE_HORIZONTAL: Qt.CursorShape.SizeHorCursor,
    Cursor.SIZE_VERTICAL: Qt.CursorShape.SizeVerCursor,
    Cursor.SIZE_DIAGONAL: Qt.CursorShape.SizeFDiagCursor,
    Cursor.SIZE_ANTIDIAGONAL: Qt.CursorShape.SizeBDiagCursor,
}


class Pointing(QObject):
    """Hands pointer events to the tool and highlights the annotation under the pointer."""

    def __init__(self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self._tools = prompts.tools
        self._seen: tuple[Annotation, ...] = ()
        self._hits = HitTest(())
        # Asked at a double click; True where something took it, so that the tool need not.
        self.opens: Callable[[PointerEvent], bool] = lambda _: False
        canvas.pressed.connect(self._press)
        canvas.moved.connect(self._move)
        canvas.released.connect(self._release)
        workspace.image_changed.connect(self.look_again)
        workspace.edited.connect(lambda _: self.look_again())

    def _scene(self) -> Scene:
        size = self._workspace.pyramid.size if self._workspace.pyramid else None
        selected = frozenset(self._workspace.selected)
        picks = self._tools.picks if self._canvas.masks.visible else None
        return Scene(
            size,
            self._seen,
            selected,
            picks,
            self._tools.brush_radius,
            self._tools.superpixels,
        )

    def look_again(self) -> None:
        """Annotations came, went, were hidden or shown."""
        masks = self._canvas.masks
        shown = self._workspace.annotations if masks.visible else ()
        self._seen = tuple(row for row in shown if row.id not in masks.hidden and not row.locked)
        self._hits = HitTest(self._seen)
        self._canvas.overlay.hovered = None

    def _press(self, event: PointerEvent) -> None:
        if event.double and self.opens(event):
            return
        self._tools.take(self._tools.tool.press(event, self._scene()))

    def _release(self, event: PointerEvent) -> None:
        self._tools.take(self._tools.tool.release(event, self._scene()))

    def _move(self, event: PointerEvent) -> None:
        scene = self._scene()
        self._tools.take(self._tools.tool.move(event, scene))
        if not self._canvas.hand_mode:
            wanted = self._tools.tool.cursor(event, scene)
            cross = self._tools.cross if wanted is Cursor.CROSS else None
            self._canvas.setCursor(_SHAPES[wanted] if cross is None else cross)
        marked = self._tools.marks_hovered and self._tools.picks is None
        busy = self._prompts.prompt or not marked
        found = None if busy else self._hits.at(event.x, event.y)
        hovered = found.id if found else None
        if hovered != self._canvas.overlay.hovered:
            self._canvas.overlay.hovered = hovered
            self._canvas.update()

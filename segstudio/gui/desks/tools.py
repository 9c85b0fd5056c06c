"""The tool in the hand: which one it is, and who takes what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QCursor

from segstudio.core.mask import Box
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import (
    PicksInSight,
    RubberBand,
    Select,
    SuperpixelsInSight,
    Tool,
    ToolResult,
)
from segstudio.tools.registry import FIRST_TOOL, TOOLS


class ToolDesk(QObject):
    """Holds one instance of each tool. Other desks register for the results that they carry out."""

    tool_changing = Signal(str, str)  # the old tool's key and the new one's, before the change
    tool_changed = Signal(str)

    def __init__(self, workspace: Workspace, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._canvas = workspace, canvas
        self.tools: dict[str, Tool] = {row.key: row.make() for row in TOOLS}
        self.tool_key = FIRST_TOOL
        # What the tools may hit, kept by the desks that know of it.
        self.picks: PicksInSight | None = None
        self.superpixels: SuperpixelsInSight | None = None
        self.brush_radius = 12.0  # image pixels
        self.cross: QCursor | None = None  # stands for the system's, where that is too large
        self.marks_hovered = True  # the annotation under the pointer; not while painting
        self._takers: list[tuple[Any, Callable[[Any], None]]] = []
        self.takes(Select, self._select)

    @property
    def tool(self) -> Tool:
        return self.tools[self.tool_key]

    def use_tool(self, key: str) -> None:
        """Another tool in the hand; the drag that is going on is given up."""
        self.take(self.tool.cancel())
        self.tool_changing.emit(self.tool_key, key)
        self.tool_key = key
        self.tool_changed.emit(key)

    def takes(self, kind: Any, taker: Callable[[Any], None]) -> None:
        """Results of this class (or union of classes) go to `taker`."""
        self._takers.append((kind, taker))

    def take(self, result: ToolResult) -> None:
        """Hand on what a tool gave back."""
        for kind, taker in self._takers:
            if isinstance(result, kind):
                taker(result)
        self._show_band(result.box if isinstance(result, RubberBand) else None)

    def _show_band(self, box: Box | None) -> None:
        if self._canvas.overlay.rubber_band != box:
            self._canvas.overlay.rubber_band = box
            self._canvas.update()

    def _select(self, result: Select) -> None:
        chosen = result.ids
        if result.extend:
            old = self._workspace.selected
            chosen = tuple(id_ for id_ in old if id_ not in chosen) + tuple(
                id_ for id_ in chosen if id_ not in old
            )
        self._workspace.select(chosen)

"""The polygon's hand: corners of the selected annotation to take hold of, and its keys.

The tool draws and edits; strokes and polygons that it gives back are written by the painting desk.
This desk gives it the outline of what is selected, shows what it shows, and knows its keys: Space
closes, Backspace takes a corner back, Del takes away the one under the pointer.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.engine.jobs import Lane
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.outline_marks import OutlineMarks, Ring
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace
from segstudio.imaging.outline_tracing import editable_outline
from segstudio.imaging.outlines import Outline, Piece
from segstudio.imaging.outlines import Ring as OutlineRing
from segstudio.tools.contract import Nothing, OutlineShown, Painted
from segstudio.tools.outline_hits import OutlineHits
from segstudio.tools.polygon_tool import PolygonTool

TOOL = "polygon"


class PolygonDesk(QObject):
    """Made after the painting desk, which must hear of a polygon first."""

    def __init__(self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._canvas = workspace, canvas
        self._tools = tools = prompts.tools
        tool = tools.tools[TOOL]
        assert isinstance(tool, PolygonTool)
        self._tool = tool
        self._writing = 0  # polygons that are being written
        self._asked = 0
        self._outlined: int | None = None  # the annotation whose outline the tool has
        self._drawn: Outline | None = None  # what it will be with the polygon just closed
        tools.takes(OutlineShown, self._show)
        tools.takes(Painted, self._painted)
        tools.tool_changed.connect(self._tool_changed)
        prompts.nothing_to_accept.connect(self.close)
        prompts.nothing_to_take_back.connect(self._take_back)
        workspace.selection_changed.connect(self.look)
        workspace.edited.connect(lambda _: self.look())

    # -- what is shown --------------------------------------------------------------------------

    def _show(self, shown: OutlineShown | None) -> None:
        marks = OutlineMarks(shown, self._tools.tool_key == TOOL) if shown is not None else None
        if self._canvas.overlay.outline != marks:
            self._canvas.overlay.outline = marks or None
            self._canvas.update()

    def _tool_changed(self, key: str) -> None:
        if key == TOOL:
            self._tools.marks_hovered = False  # a click begins a polygon, whatever lies there
            self.look()
        else:
            self._outlined = None
            self._tool.edit(None, None)
            self._show(None)

    def _painted(self, result: Painted) -> None:
        marks = self._canvas.overlay.outline
        self._show(result.outline)
        if self._tools.tool_key != TOOL:
            return
        self._drawn = None
        if result.target is None and marks is not None:
            self._drawn = _with_polygon(self._tool.outline, result, marks.shown.line[:-1])
        self._writing += 1

        def written() -> None:
            self._writing -= 1
            self.look()

        # A job on the store lane ends when every edit before it is written, or was refused.
        self._workspace.runner.submit(
            Lane.STORE,
            self.tr("waiting for edits"),
            lambda _c, _p: None,
            on_done=lambda _: written(),
        )

    # -- the outline that is edited --------------------------------------------------------------

    def look(self) -> None:
        """Give the tool the outline of what is selected now; it is traced in the background.

        While a polygon is being written the tool knows better; one looks again after that.
        """
        if self._tools.tool_key != TOOL or self._writing:
            return
        self._asked += 1
        row = self._edited()
        id_ = row.id if row is not None else None
        if id_ != self._outlined:
            self._outlined = id_
            self._show(self._tool.edit(id_, None))
        if row is None:
            return
        asked, mask = self._asked, row.mask
        like, self._drawn = self._drawn or self._tool.outline, None

        def done(outline: Outline) -> None:
            if asked == self._asked and not self._writing and self._tools.tool_key == TOOL:
                self._show(self._tool.edit(id_, outline))

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("tracing the outline"),
            lambda _c, _p: _traced(mask, like),
            on_done=done,
            on_error=self._workspace.tell_error,
            key="outline",
        )

    def _edited(self) -> Annotation | None:
        """The one selected annotation, if it can be seen and changed."""
        selected, masks = self._workspace.selected, self._canvas.masks
        store = self._workspace.store
        if len(selected) != 1 or not masks.visible or (store is not None and store.read_only):
            return None
        rows = (row for row in self._workspace.annotations if row.id == selected[0])
        row = next(rows, None)
        return None if row is None or row.locked or row.id in masks.hidden else row

    # -- keys -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Space: the polygon is closed; where none is begun, this thing is done."""
        if self._tools.tool_key != TOOL:
            return
        marks = self._canvas.overlay.outline
        if marks is None or not marks.shown.line:
            self._workspace.select(())
            return
        closed = self._tool.close()
        if closed == Nothing():
            self._workspace.tell(self.tr("A polygon needs three corners at least."))
        else:
            self._tools.take(closed)

    def _take_back(self) -> None:
        if self._tools.tool_key == TOOL:
            self._tools.take(self._tool.take_back())

    def remove_vertex(self) -> bool:
        """Del: take away the corner under the pointer; whether there was one."""
        if self._tools.tool_key != TOOL:
            return False
        result = self._tool.remove_vertex()
        self._tools.take(result)
        return result != Nothing()


def _traced(mask: Mask, like: Outline | None) -> Outline:
    """The outline of `mask`, with all that the tool asks of its rings worked out already."""
    outline = editable_outline(mask, like)
    OutlineHits(outline)  # the rings keep what it reads: thousands of them would take frames
    return outline


def _with_polygon(outline: Outline | None, result: Painted, corners: Ring) -> Outline | None:
    """The outline with the polygon's corners as they were clicked, not as pixels would have them.

    What was cut out is a hole where there is one piece that it can be in. It need not be true: it
    is only what a mask's outline is like.
    """
    mask = result.add or result.remove
    if mask is None:
        return outline
    old = outline if outline is not None else Outline(mask.size, ())
    ring = OutlineRing(corners, (np.empty((0, 2)),) * len(corners))
    if result.add is not None:
        return Outline(mask.size, (*old.pieces, Piece((ring,))))
    if len(old.pieces) != 1:
        return outline
    return Outline(mask.size, (Piece((*old.pieces[0].rings, ring)),))

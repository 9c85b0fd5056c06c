"""The eraser: a brush that always removes."""

from __future__ import annotations

from segstudio.tools.brush_tool import BrushTool


class EraserTool(BrushTool):
    """What the pointer passes over leaves a mask, whatever key is held."""

    removes_always = True

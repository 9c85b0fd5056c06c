"""Every canvas tool. Adding one is one file and one row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segstudio.tools.brush_tool import BrushTool
from segstudio.tools.contract import Tool
from segstudio.tools.eraser_tool import EraserTool
from segstudio.tools.fill_tool import FillTool
from segstudio.tools.lasso_tool import LassoTool
from segstudio.tools.pick_tool import PickTool
from segstudio.tools.polygon_tool import PolygonTool
from segstudio.tools.prompt_tool import BoxTool, PromptTool
from segstudio.tools.select_tool import SelectTool
from segstudio.tools.superpixel_brush_tool import SuperpixelBrushTool


@dataclass(frozen=True)
class ToolRow:
    """A tool as menus and toolbars show it.

    `key` is also what an annotation's `tool` says. `shortcut` is a letter, or one with Shift,
    `icon` a name in resources/icons, `hint` one line for the status bar, `make` gives a fresh tool.
    """

    key: str
    title: str
    shortcut: str
    icon: str
    hint: str
    make: Callable[[], Tool]


TOOLS: tuple[ToolRow, ...] = (
    ToolRow(
        key="select",
        title="Select",
        shortcut="E",
        icon="select",
        hint="Click an annotation to select it; Shift or Ctrl adds to the selection.",
        make=SelectTool,
    ),
    ToolRow(
        key="point",
        title="Point and box",
        shortcut="P",
        icon="point",
        hint="Click to add, right click to remove, drag a box.",
        make=PromptTool,
    ),
    ToolRow(
        key="box",
        title="Box",
        shortcut="B",
        icon="box",
        hint="Drag a box around one thing; drag its handles to adjust it.",
        make=BoxTool,
    ),
    ToolRow(
        key="pick",
        title="Pick from everything",
        shortcut="K",
        icon="pick",
        hint="Click a mask to accept it, right click to dismiss it, drag to accept many.",
        make=PickTool,
    ),
    ToolRow(
        key="brush",
        title="Brush",
        shortcut="R",
        icon="brush",
        hint="Drag to paint, with Ctrl to remove; Shift draws a straight line; [ and ] size it.",
        make=BrushTool,
    ),
    ToolRow(
        key="eraser",
        title="Eraser",
        shortcut="Shift+R",
        icon="eraser",
        hint="Drag to remove; Shift draws a straight line; [ and ] size it.",
        make=EraserTool,
    ),
    ToolRow(
        key="superpixel",
        title="Superpixel brush",
        shortcut="S",
        icon="superpixel",
        hint="Drag to paint whole superpixels, with Ctrl to remove; Alt+wheel: their size.",
        make=SuperpixelBrushTool,
    ),
    ToolRow(
        key="polygon",
        title="Polygon",
        shortcut="L",
        icon="polygon",
        hint="Click corner by corner, with Ctrl to cut out; drag corners of the selected mask.",
        make=PolygonTool,
    ),
    ToolRow(
        key="lasso",
        title="Lasso",
        shortcut="Shift+L",
        icon="lasso",
        hint="Draw around an area to add it, with Ctrl to remove it.",
        make=LassoTool,
    ),
    ToolRow(
        key="fill",
        title="Fill",
        shortcut="Q",
        icon="fill",
        hint="Click an enclosed area to add it; with Ctrl, a part of a mask to remove it.",
        make=FillTool,
    ),
)

FIRST_TOOL = "point"

"""What changes with every move of the hand and is drawn over the scene."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter

from segstudio.core.mask import Box
from segstudio.core.prompt import Prompt
from segstudio.gui.canvas.brush_ring import BrushRing
from segstudio.gui.canvas.marks import (
    paint_box,
    paint_part,
    paint_prompt,
    paint_sought,
    paint_wait,
)
from segstudio.gui.canvas.outline_marks import OutlineMarks
from segstudio.gui.canvas.view import View


@dataclass
class Overlay:
    """Plain data that the canvas draws; ids are annotation ids."""

    prompt: Prompt = field(default_factory=Prompt)
    rubber_band: Box | None = None
    hovered: int | None = None
    selected: tuple[int, ...] = ()
    part: Box | None = None  # what the model looks at; None for the whole image
    part_ready: bool = False
    sought: Box | None = None  # a place that was jumped to, for a moment
    choosable: bool = False  # there are candidates to go through with the wheel
    waiting: bool = False
    wait_angle: float = 0.0
    cursor: QPointF | None = None
    ring: BrushRing | None = None
    outline: OutlineMarks | None = None


def paint_marks(painter: QPainter, view: View, over: Overlay) -> None:
    """The marks of the hand, on top of everything."""
    if over.part is not None:
        paint_part(painter, view, over.part, ready=over.part_ready)
    paint_prompt(painter, view, over.prompt)
    if over.rubber_band is not None:
        paint_box(painter, view, over.rubber_band, handles=False)
    if over.sought is not None:
        paint_sought(painter, view, over.sought)
    if over.outline is not None:
        over.outline.paint(painter, view)
    if over.ring is not None and over.cursor is not None:
        over.ring.paint(painter, over.cursor, view.scale)
    if over.waiting and over.cursor is not None:
        paint_wait(painter, over.cursor, over.wait_angle)

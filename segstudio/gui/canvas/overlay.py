"""What changes with every move of the hand and is drawn over the scene."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor

from segstudio.core.mask import Box
from segstudio.core.prompt import Prompt
from segstudio.gui.canvas.shapes import Shape


@dataclass
class Overlay:
    """Plain data that the canvas draws; ids are annotation ids."""

    prompt: Prompt = field(default_factory=Prompt)
    rubber_band: Box | None = None
    preview: Shape | None = None
    preview_colour: QColor = field(default_factory=lambda: QColor("#4c9aff"))
    hovered: int | None = None
    selected: tuple[int, ...] = ()
    waiting: bool = False
    wait_angle: float = 0.0
    cursor: QPointF | None = None

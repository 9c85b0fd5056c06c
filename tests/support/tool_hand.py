"""A hand on a tool without a window: presses, moves and releases, and what came back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from segstudio.core.patch import Patch
from segstudio.tools.contract import (
    Button,
    Modifier,
    Painted,
    Painting,
    PointerEvent,
    Scene,
    Tool,
    ToolResult,
)

SHIFT, CONTROL, ALT = Modifier.SHIFT, Modifier.CONTROL, Modifier.ALT


@dataclass
class Hand:
    """Holds `tool` over `scene`; `results` are all that it gave back."""

    tool: Tool
    scene: Scene
    results: list[ToolResult] = field(default_factory=list)

    def press(self, x: float, y: float, *held: Modifier, double: bool = False) -> ToolResult:
        event = PointerEvent(x, y, Button.LEFT, frozenset(held), double=double)
        return self._note(self.tool.press(event, self.scene))

    def move(self, x: float, y: float) -> ToolResult:
        return self._note(self.tool.move(PointerEvent(x, y, None), self.scene))

    def release(self, x: float, y: float) -> ToolResult:
        return self._note(self.tool.release(PointerEvent(x, y), self.scene))

    def click(self, x: float, y: float, *held: Modifier, double: bool = False) -> ToolResult:
        """Press and release; what the press gave, unless that was nothing."""
        pressed = self.press(x, y, *held, double=double)
        released = self.release(x, y)
        return pressed if not isinstance(released, Painted) else released

    def drag(self, *path: tuple[float, float], held: tuple[Modifier, ...] = ()) -> ToolResult:
        """Along `path` with the button down; what the release gave."""
        self.press(*path[0], *held)
        for place in path[1:]:
            self.move(*place)
        return self.release(*path[-1])

    def _note(self, result: ToolResult) -> ToolResult:
        self.results.append(result)
        return result


def painted_pixels(results: list[ToolResult], size: tuple[int, int]) -> np.ndarray:
    """(H, W) int: how often each pixel was in a shown piece of the last stroke."""
    times = np.zeros(size, dtype=int)
    for result in results:
        if isinstance(result, Painting):
            if result.begins:
                times[:] = 0
            for piece in result.pieces:
                add_patch(times, piece)
    return times


def add_patch(array: np.ndarray, patch: Patch) -> None:
    x0, y0, x1, y1 = patch.box
    array[y0:y1, x0:x1] += patch.pixels

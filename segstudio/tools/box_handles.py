"""A box's eight handles: where they are, which one is hit, and what dragging does. Pure functions.

Boxes are half-open xyxy in image pixels; sizes are (H, W).
"""

from __future__ import annotations

from enum import Enum

from segstudio.core.mask import Box
from segstudio.tools.contract import Cursor


class Handle(Enum):
    """A corner or the middle of a side, as (horizontal, vertical): -1 start, 0 middle, 1 end."""

    TOP_LEFT = (-1, -1)
    TOP_RIGHT = (1, -1)
    BOTTOM_RIGHT = (1, 1)
    BOTTOM_LEFT = (-1, 1)
    TOP = (0, -1)
    RIGHT = (1, 0)
    BOTTOM = (0, 1)
    LEFT = (-1, 0)

    @property
    def cursor(self) -> Cursor:
        across, down = self.value
        if not across or not down:
            return Cursor.SIZE_HORIZONTAL if across else Cursor.SIZE_VERTICAL
        return Cursor.SIZE_DIAGONAL if across == down else Cursor.SIZE_ANTIDIAGONAL


def handle_position(box: Box, handle: Handle) -> tuple[float, float]:
    """(x, y) of a handle."""
    across, down = handle.value
    x = (box.x0, (box.x0 + box.x1) / 2, box.x1)[across + 1]
    y = (box.y0, (box.y0 + box.y1) / 2, box.y1)[down + 1]
    return x, y


def handle_at(box: Box, x: float, y: float, reach: float) -> Handle | None:
    """The handle nearest to (x, y) that is not farther than `reach`; a corner wins a tie."""
    nearest: tuple[float, Handle] | None = None
    for handle in Handle:
        at_x, at_y = handle_position(box, handle)
        distance = max(abs(at_x - x), abs(at_y - y))
        if distance <= reach and (nearest is None or distance < nearest[0]):
            nearest = distance, handle
    return nearest[1] if nearest else None


def box_between(
    start: tuple[float, float], end: tuple[float, float], size: tuple[int, int]
) -> Box | None:
    """The box with those two corners, clipped to the image; None if nothing of it is left."""
    height, width = size
    x0, x1 = sorted((_clip(start[0], width), _clip(end[0], width)))
    y0, y1 = sorted((_clip(start[1], height), _clip(end[1], height)))
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def drag_handle(
    box: Box, handle: Handle, dx: float, dy: float, size: tuple[int, int]
) -> Box | None:
    """`box` with `handle` moved by (dx, dy), clipped; it turns over when a side passes the other.

    None if the box would be without area.
    """
    across, down = handle.value
    start = (box.x0 + dx * (across < 0), box.y0 + dy * (down < 0))
    end = (box.x1 + dx * (across > 0), box.y1 + dy * (down > 0))
    return box_between(start, end, size)


def _clip(value: float, limit: int) -> float:
    return min(max(value, 0.0), float(limit))

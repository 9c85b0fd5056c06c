"""Handles of a box: positions, hits and drags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.mask import Box
from segstudio.tools.box_handles import (
    Handle,
    box_between,
    drag_handle,
    handle_at,
    handle_position,
)

SIZE = (100, 200)
BOX = Box(20, 30, 80, 70)


@pytest.mark.parametrize("handle", list(Handle))
def test_each_handle_is_hit_where_it_is_drawn_and_not_beyond_reach(handle: Handle) -> None:
    x, y = handle_position(BOX, handle)
    assert handle_at(BOX, x, y, 3) is handle
    assert handle_at(BOX, x + 2.9, y - 2.9, 3) is handle
    across, down = handle.value
    assert handle_at(BOX, x + 3.1 * (across or 1), y + 3.1 * (down or 1), 3) is None


def test_on_a_tiny_box_the_nearest_handle_is_taken() -> None:
    tiny = Box(10, 10, 12, 12)
    assert handle_at(tiny, 12.5, 12.5, 6) is Handle.BOTTOM_RIGHT
    assert handle_at(tiny, 11, 9.9, 6) is Handle.TOP


@given(
    handle=st.sampled_from(list(Handle)),
    dx=st.floats(-300, 300),
    dy=st.floats(-300, 300),
)
def test_dragging_a_handle_moves_its_sides_only(handle: Handle, dx: float, dy: float) -> None:
    across, down = handle.value
    dragged = drag_handle(BOX, handle, dx, dy, SIZE)
    if dragged is None:
        return
    assert 0 <= dragged.x0 < dragged.x1 <= 200
    assert 0 <= dragged.y0 < dragged.y1 <= 100
    if not across:
        assert (dragged.x0, dragged.x1) == (BOX.x0, BOX.x1)
    else:
        assert (BOX.x1 if across < 0 else BOX.x0) in (dragged.x0, dragged.x1)
    if not down:
        assert (dragged.y0, dragged.y1) == (BOX.y0, BOX.y1)
    else:
        assert (BOX.y1 if down < 0 else BOX.y0) in (dragged.y0, dragged.y1)


@given(
    start=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
    end=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
)
def test_a_box_is_the_same_from_either_corner(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    assert box_between(start, end, SIZE) == box_between(end, start, SIZE)

"""The hand with a brush or an eraser: strokes, straight lines, what is shown and what is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool_hand import CONTROL, SHIFT, Hand, painted_pixels

from segstudio.tools.brush_tool import BrushTool
from segstudio.tools.contract import (
    Button,
    Cursor,
    Nothing,
    Painted,
    Painting,
    PaintingDropped,
    PointerEvent,
    Scene,
)
from segstudio.tools.eraser_tool import EraserTool

SIZE = (80, 100)
SCENE = Scene(SIZE, brush_radius=6.0)


def near(path: list[tuple[float, float]], radius: float) -> np.ndarray:
    """(H, W) bool: pixels whose centre is within `radius` of the line along `path`."""
    y, x = np.indices(SIZE) + 0.5
    found = np.zeros(SIZE, dtype=bool)
    for (ax, ay), (bx, by) in zip([path[0], *path], path, strict=False):
        dx, dy = bx - ax, by - ay
        square = max(dx * dx + dy * dy, 1e-9)
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / square, 0, 1)
        found |= np.hypot(x - ax - along * dx, y - ay - along * dy) <= radius
    return found


@pytest.fixture
def hand() -> Hand:
    return Hand(BrushTool(), SCENE)


def added(result: object) -> np.ndarray:
    assert isinstance(result, Painted) and result.add is not None and result.remove is None
    return result.add.to_array()


def removed(result: object) -> np.ndarray:
    assert isinstance(result, Painted) and result.remove is not None and result.add is None
    return result.remove.to_array()


def test_a_drag_adds_what_the_brush_passed_over(hand: Hand) -> None:
    path = [(20.25, 20.25), (50.5, 31.75), (48.0, 60.0)]
    result = hand.drag(*path)
    assert np.array_equal(added(result), near(path, 6.0))
    assert isinstance(result, Painted)
    assert result.start == (20.25, 20.25) and result.text == "Paint" and result.target is None


def test_a_click_is_a_disc(hand: Hand) -> None:
    assert np.array_equal(added(hand.click(30.5, 30.5)), near([(30.5, 30.5)], 6.0))


def test_what_is_shown_is_what_is_given_each_pixel_once(hand: Hand) -> None:
    result = hand.drag((20, 20), (50, 32), (20, 20), (48, 60))
    assert np.array_equal(painted_pixels(hand.results, SIZE), added(result).astype(int))
    first, *rest = (result for result in hand.results if isinstance(result, Painting))
    assert first.begins and not any(result.begins for result in rest)
    hand.drag((70, 70), (75, 70))
    assert painted_pixels(hand.results, SIZE).sum() == near([(70, 70), (75, 70)], 6).sum()


def test_control_at_the_start_removes_to_the_end(hand: Hand) -> None:
    result = hand.drag((20, 20), (40, 20), held=(CONTROL,))
    assert np.array_equal(removed(result), near([(20, 20), (40, 20)], 6.0))
    assert all(not shown.adds for shown in hand.results if isinstance(shown, Painting))
    assert isinstance(hand.drag((20, 20), (30, 20)), Painted)
    assert isinstance(hand.results[-1], Painted) and hand.results[-1].add is not None


def test_the_eraser_always_removes() -> None:
    hand = Hand(EraserTool(), SCENE)
    for held in ((), (CONTROL,)):
        result = hand.drag((20, 20), (40, 20), held=held)
        assert np.array_equal(removed(result), near([(20, 20), (40, 20)], 6.0))
        assert isinstance(result, Painted) and result.text == "Erase"


def test_shift_draws_a_straight_line_from_the_last_end(hand: Hand) -> None:
    hand.drag((20, 20), (30, 20))
    result = hand.drag((80, 60), (80, 70), held=(SHIFT,))
    assert np.array_equal(added(result), near([(30, 20), (80, 60), (80, 70)], 6.0))
    again = hand.click(10, 70, SHIFT)
    assert np.array_equal(added(again), near([(80, 70), (10, 70)], 6.0))


def test_shift_without_an_earlier_stroke_is_a_plain_stroke(hand: Hand) -> None:
    assert np.array_equal(added(hand.click(40, 40, SHIFT)), near([(40, 40)], 6.0))
    assert hand.tool.cancel() == Nothing()  # Esc, or another image: the last end is forgotten
    assert np.array_equal(added(hand.click(70, 40, SHIFT)), near([(70, 40)], 6.0))


def test_a_stroke_may_begin_and_end_beside_the_image(hand: Hand) -> None:
    path = [(-20.0, 40.0), (120.0, 40.0)]
    assert np.array_equal(added(hand.drag(*path)), near(path, 6.0))
    assert hand.drag((-20, -20), (-20, 100)) == PaintingDropped()


def test_esc_drops_the_stroke(hand: Hand) -> None:
    hand.press(20, 20)
    hand.move(40, 40)
    assert hand.tool.cancel() == PaintingDropped()
    assert hand.move(50, 50) == Nothing() and hand.release(50, 50) == Nothing()
    assert np.array_equal(added(hand.click(10, 10)), near([(10, 10)], 6.0))


def test_the_size_may_change_within_a_stroke(hand: Hand) -> None:
    hand.press(20, 20)
    hand.scene = Scene(SIZE, brush_radius=10.0)
    hand.move(60, 20)
    wanted = near([(20, 20)], 6.0) | near([(20, 20), (60, 20)], 10.0)
    assert np.array_equal(added(hand.release(60, 20)), wanted)


@given(st.floats(0, 99.9), st.floats(0, 79.9), st.floats(0, 99.9), st.floats(0, 79.9))
def test_the_smallest_brush_paints_the_pixels_under_it(
    x0: float, y0: float, x1: float, y1: float
) -> None:
    hand = Hand(BrushTool(), Scene(SIZE, brush_radius=0.1))
    dot = added(hand.click(x0, y0))
    assert dot.sum() == 1 and dot[int(y0), int(x0)]
    line = added(hand.drag((x0, y0), (x1, y1)))
    steps = max(abs(int(x1) - int(x0)), abs(int(y1) - int(y0)))
    assert steps + 1 <= line.sum() <= 2 * steps + 1 and line[int(y1), int(x1)]


def test_other_buttons_and_moves_do_nothing(hand: Hand) -> None:
    assert hand.tool.press(PointerEvent(5, 5, Button.RIGHT), SCENE) == Nothing()
    assert hand.move(8, 8) == Nothing() and hand.release(8, 8) == Nothing()
    hand.press(20, 20)
    assert hand.tool.release(PointerEvent(5, 5, Button.RIGHT), SCENE) == Nothing()
    assert isinstance(hand.release(20, 20), Painted)


def test_the_pointer_is_a_cross(hand: Hand) -> None:
    assert hand.tool.cursor(PointerEvent(5, 5), SCENE) is Cursor.CROSS

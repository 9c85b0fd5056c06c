"""The hand with a lasso, and the one that fills."""

from __future__ import annotations

import numpy as np
import pytest
from tool_hand import CONTROL, Hand

from segstudio.imaging.polygon_raster import polygon_mask
from segstudio.tools.contract import (
    Button,
    Cursor,
    FillAt,
    Nothing,
    OutlineShown,
    Painted,
    PointerEvent,
    Scene,
)
from segstudio.tools.fill_tool import FillTool
from segstudio.tools.lasso_tool import LassoTool

SIZE = (80, 100)
TRIANGLE = ((10.0, 10.0), (70.0, 12.0), (40.0, 60.0))


@pytest.fixture
def lasso() -> Hand:
    return Hand(LassoTool(), Scene(SIZE))


def test_a_lasso_adds_what_it_goes_around(lasso: Hand) -> None:
    result = lasso.drag(*TRIANGLE)
    assert isinstance(result, Painted) and result.remove is None
    assert result.add == polygon_mask([TRIANGLE], SIZE) and result.start == TRIANGLE[0]
    assert lasso.results[1] == OutlineShown(line=TRIANGLE[:2])
    assert result.outline is None, "the line is drawn no more"


def test_with_control_it_removes(lasso: Hand) -> None:
    result = lasso.drag(*TRIANGLE, held=(CONTROL,))
    assert isinstance(result, Painted) and result.add is None
    assert result.remove == polygon_mask([TRIANGLE], SIZE)
    assert all(not shown.adds for shown in lasso.results if isinstance(shown, OutlineShown))


def test_loops_that_cross_have_no_hole(lasso: Hand) -> None:
    angles = np.linspace(0, 4 * np.pi, 80)
    result = lasso.drag(*((50 + 30 * np.cos(a), 40 + 30 * np.sin(a)) for a in angles))
    assert isinstance(result, Painted) and result.add is not None
    assert result.add.contains(50, 40) and abs(result.add.area - np.pi * 900) < 40


def test_a_click_and_a_dropped_line_give_nothing(lasso: Hand) -> None:
    assert lasso.drag((20, 20)) == OutlineShown()
    lasso.press(10, 10)
    lasso.move(50, 50)
    assert lasso.tool.cancel() == OutlineShown()
    assert lasso.move(60, 60) == lasso.release(60, 60) == Nothing()
    assert lasso.tool.press(PointerEvent(5, 5, Button.RIGHT), lasso.scene) == Nothing()
    assert lasso.tool.cursor(PointerEvent(5, 5), lasso.scene) is Cursor.CROSS


def test_steps_shorter_than_a_screen_pixel_are_left_out(lasso: Hand) -> None:
    lasso.press(10, 10)
    for step in range(50):
        lasso.move(10 + step / 50, 10)
    shown = lasso.results[-1]
    assert isinstance(shown, OutlineShown) and len(shown.line) == 1


def test_filling_says_where_and_whether_it_adds() -> None:
    hand = Hand(FillTool(), Scene(SIZE))
    assert hand.press(10.5, 20.5) == FillAt(10.5, 20.5, adds=True)
    assert hand.press(10.5, 20.5, CONTROL) == FillAt(10.5, 20.5, adds=False)
    assert hand.release(10.5, 20.5) == hand.move(3, 3) == hand.tool.cancel() == Nothing()
    assert hand.press(100.0, 20) == hand.press(5, -0.1) == Nothing()
    assert hand.tool.cursor(PointerEvent(5, 5), hand.scene) is Cursor.CROSS
    assert hand.tool.cursor(PointerEvent(-5, 5), hand.scene) is Cursor.ARROW
    assert hand.tool.press(PointerEvent(5, 5, Button.RIGHT), hand.scene) == Nothing()

"""The pick tool's hand: what it accepts, dismisses and leaves alone."""

from __future__ import annotations

import pytest

from segstudio.core.mask import Box
from segstudio.tools.contract import (
    AcceptPick,
    AcceptPicksInside,
    Button,
    Cursor,
    DismissPick,
    Modifier,
    Nothing,
    PointAtPick,
    PointerEvent,
    RubberBand,
    Scene,
    ToolResult,
)
from segstudio.tools.pick_tool import PickTool


class LeftHalf:
    """Stands for the picks: number 7 covers the left half of the image."""

    def at(self, x: float, y: float) -> int | None:
        return 7 if 0 <= x < 50 and 0 <= y < 80 else None


SCENE = Scene((80, 100), picks=LeftHalf())
SHIFT = frozenset({Modifier.SHIFT})


@pytest.fixture
def tool() -> PickTool:
    return PickTool()


def click(tool: PickTool, x: float, y: float, scene: Scene = SCENE) -> ToolResult:
    assert tool.press(PointerEvent(x, y), scene) == Nothing()
    return tool.release(PointerEvent(x + 1, y - 1), scene)


def test_a_click_accepts_the_pick_where_the_button_went_down(tool: PickTool) -> None:
    assert click(tool, 49.5, 10) == AcceptPick(7)
    assert click(tool, 60, 10) == Nothing()
    assert click(tool, -5, 10) == Nothing()


def test_right_click_and_shift_click_dismiss(tool: PickTool) -> None:
    assert tool.press(PointerEvent(9, 9, Button.RIGHT), SCENE) == DismissPick(7)
    assert tool.release(PointerEvent(9, 9, Button.RIGHT), SCENE) == Nothing()
    assert tool.press(PointerEvent(9, 9, modifiers=SHIFT), SCENE) == DismissPick(7)
    assert tool.release(PointerEvent(9, 9, modifiers=SHIFT), SCENE) == Nothing()
    assert tool.press(PointerEvent(70, 9, Button.RIGHT), SCENE) == Nothing()


def test_a_drag_is_a_rectangle_clipped_to_the_image(tool: PickTool) -> None:
    tool.press(PointerEvent(-10, 5), SCENE)
    assert tool.move(PointerEvent(-8, 6, None), SCENE) == Nothing(), "a trembling hand"
    assert tool.move(PointerEvent(30, 40, None), SCENE) == RubberBand(Box(0, 5, 30, 40))
    assert tool.release(PointerEvent(130, 40), SCENE) == AcceptPicksInside(Box(0, 5, 100, 40))


def test_a_rectangle_without_area_accepts_nothing(tool: PickTool) -> None:
    tool.press(PointerEvent(-30, 5), SCENE)
    assert tool.release(PointerEvent(-2, 60), SCENE) == Nothing()


def test_a_cancelled_drag_accepts_nothing(tool: PickTool) -> None:
    tool.press(PointerEvent(5, 5), SCENE)
    tool.move(PointerEvent(30, 40, None), SCENE)
    assert tool.cancel() == RubberBand(None)
    assert tool.release(PointerEvent(30, 40), SCENE) == Nothing()
    assert tool.cancel() == Nothing()


def test_moving_points_at_what_a_click_would_take(tool: PickTool) -> None:
    assert tool.move(PointerEvent(9, 9, None), SCENE) == PointAtPick(7)
    assert tool.cursor(PointerEvent(9, 9, None), SCENE) is Cursor.HAND
    assert tool.move(PointerEvent(90, 9, None), SCENE) == PointAtPick(None)
    assert tool.cursor(PointerEvent(90, 9, None), SCENE) is Cursor.ARROW


def test_without_picks_it_does_nothing(tool: PickTool) -> None:
    assert click(tool, 9, 9, Scene((80, 100))) == Nothing()
    assert tool.press(PointerEvent(9, 9, Button.RIGHT), Scene((80, 100))) == Nothing()
    assert tool.press(PointerEvent(9, 9, Button.MIDDLE), SCENE) == Nothing()

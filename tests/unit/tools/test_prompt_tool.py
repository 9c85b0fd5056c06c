"""What a hand does with the point and box tool, told as stories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Prompt
from segstudio.tools.contract import (
    Button,
    Cursor,
    Modifier,
    Nothing,
    PointerEvent,
    PromptChanged,
    RubberBand,
    Scene,
    ToolResult,
)
from segstudio.tools.prompt_tool import BoxTool, PromptTool

SCENE = Scene(image_size=(100, 200))
SHIFT = frozenset({Modifier.SHIFT})


class Hand:
    """Presses, moves and releases, and remembers the last answer."""

    def __init__(self, tool: PromptTool, scene: Scene = SCENE, slack: float = 2.0) -> None:
        self.tool, self.scene, self.slack = tool, scene, slack

    def event(
        self, x: float, y: float, button: Button | None = None, held: frozenset[Modifier] = SHIFT
    ) -> PointerEvent:
        return PointerEvent(x, y, button, held, self.slack)

    def click(
        self,
        x: float,
        y: float,
        button: Button = Button.LEFT,
        held: frozenset[Modifier] = frozenset(),
    ) -> ToolResult:
        pressed = self.tool.press(self.event(x, y, button, held), self.scene)
        released = self.tool.release(self.event(x, y, button, held), self.scene)
        return pressed if released == Nothing() else released

    def drag(self, *places: tuple[float, float]) -> ToolResult:
        none: frozenset[Modifier] = frozenset()
        self.tool.press(self.event(*places[0], Button.LEFT, none), self.scene)
        for place in places[1:]:
            self.tool.move(self.event(*place, None, none), self.scene)
        return self.tool.release(self.event(*places[-1], Button.LEFT, none), self.scene)


@pytest.fixture
def hand() -> Hand:
    return Hand(PromptTool())


# -- points -------------------------------------------------------------------------------------


def test_a_left_click_adds_and_a_right_click_removes(hand: Hand) -> None:
    hand.click(10.5, 20.5)
    result = hand.click(30.5, 40.5, Button.RIGHT)
    expected = Prompt(points=((10.5, 20.5), (30.5, 40.5)), labels=(1, 0))
    assert result == PromptChanged(expected)
    assert hand.tool.prompt == expected


def test_shift_and_left_is_a_right_click_for_one_button_hands(hand: Hand) -> None:
    hand.click(10, 20, Button.LEFT, SHIFT)
    assert hand.tool.prompt.labels == (0,)


def test_the_middle_button_belongs_to_the_view(hand: Hand) -> None:
    assert hand.click(10, 20, Button.MIDDLE) == Nothing()
    assert not hand.tool.prompt


@pytest.mark.parametrize("place", [(-0.1, 50), (200, 50), (50, -3), (50, 100), (1e9, 1e9)])
@pytest.mark.parametrize("button", [Button.LEFT, Button.RIGHT])
def test_a_click_beside_the_image_does_nothing(
    hand: Hand, place: tuple[float, float], button: Button
) -> None:
    assert hand.click(*place, button) == Nothing()
    assert not hand.tool.prompt


def test_without_an_image_nothing_happens() -> None:
    hand = Hand(PromptTool(), Scene())
    assert hand.click(1, 1) == Nothing()
    assert hand.drag((1, 1), (50, 50)) == Nothing()
    assert hand.tool.cursor(hand.event(1, 1), hand.scene) is Cursor.ARROW


def test_a_hand_that_trembles_still_clicks_where_it_pressed(hand: Hand) -> None:
    result = hand.drag((10, 20), (11.5, 21), (9, 19))
    assert result == PromptChanged(Prompt(points=((10, 20),), labels=(1,)))


# -- boxes --------------------------------------------------------------------------------------


def test_a_drag_beyond_the_slack_makes_a_box_and_shows_it_on_the_way(hand: Hand) -> None:
    none: frozenset[Modifier] = frozenset()
    tool = hand.tool
    assert tool.press(hand.event(50, 60, Button.LEFT, none), SCENE) == Nothing()
    assert tool.move(hand.event(51, 61, None, none), SCENE) == Nothing()
    assert tool.move(hand.event(20, 30, None, none), SCENE) == RubberBand(Box(20, 30, 50, 60))
    result = tool.release(hand.event(10, 20, Button.LEFT, none), SCENE)
    assert result == PromptChanged(Prompt(box=Box(10, 20, 50, 60)))


def test_a_box_may_begin_and_end_beside_the_image(hand: Hand) -> None:
    assert hand.drag((-5, -8), (300, 50)) == PromptChanged(Prompt(box=Box(0, 0, 200, 50)))


def test_a_drag_that_misses_the_image_is_nothing(hand: Hand) -> None:
    assert hand.drag((-50, 10), (-5, 60)) == Nothing()
    assert hand.drag((50, 120), (90, 140)) == Nothing()
    assert not hand.tool.prompt


def test_a_drag_without_area_is_a_point(hand: Hand) -> None:
    assert hand.drag((10, 20), (60, 20)) == PromptChanged(Prompt(points=((10, 20),), labels=(1,)))


def test_a_new_box_takes_the_place_of_the_earlier_and_points_stay(hand: Hand) -> None:
    hand.click(30, 30)
    hand.drag((10, 10), (60, 60))
    hand.drag((100, 20), (150, 90))
    assert hand.tool.prompt == Prompt(points=((30, 30),), labels=(1,), box=Box(100, 20, 150, 90))


def test_a_handle_moves_one_side(hand: Hand) -> None:
    hand.drag((20, 20), (80, 80))
    assert hand.drag((81, 49), (101, 5)) == PromptChanged(Prompt(box=Box(20, 20, 100, 80)))


def test_a_corner_dragged_over_the_opposite_one_turns_the_box_over(hand: Hand) -> None:
    hand.drag((20, 20), (40, 40))
    hand.drag((20, 20), (60, 70))
    assert hand.tool.prompt.box == Box(40, 40, 60, 70)


def test_a_click_on_a_handle_makes_no_point(hand: Hand) -> None:
    hand.drag((20, 20), (80, 80))
    assert hand.click(80, 80) == Nothing()
    assert hand.tool.prompt == Prompt(box=Box(20, 20, 80, 80))


def test_a_handle_dragged_onto_the_other_side_leaves_the_box_as_it_was(hand: Hand) -> None:
    hand.drag((20, 20), (80, 80))
    assert hand.drag((20, 50), (80, 50)) == Nothing()
    assert hand.tool.prompt.box == Box(20, 20, 80, 80)


def test_a_drag_can_be_given_up(hand: Hand) -> None:
    none: frozenset[Modifier] = frozenset()
    hand.click(5, 5)
    hand.tool.press(hand.event(50, 60, Button.LEFT, none), SCENE)
    hand.tool.move(hand.event(90, 90, None, none), SCENE)
    assert hand.tool.cancel() == RubberBand(None)
    assert hand.tool.release(hand.event(90, 90, Button.LEFT, none), SCENE) == Nothing()
    assert hand.tool.prompt == Prompt(points=((5, 5),), labels=(1,))
    assert hand.tool.cancel() == Nothing()


def test_a_right_press_during_a_drag_does_not_leave_a_box_behind(hand: Hand) -> None:
    none: frozenset[Modifier] = frozenset()
    hand.tool.press(hand.event(50, 60, Button.LEFT, none), SCENE)
    hand.tool.move(hand.event(90, 90, None, none), SCENE)
    hand.click(20, 20, Button.RIGHT)
    hand.tool.release(hand.event(90, 90, Button.LEFT, none), SCENE)
    assert hand.tool.prompt == Prompt(points=((20, 20),), labels=(0,))


def test_the_cursor_tells_which_way_a_handle_goes(hand: Hand) -> None:
    hand.drag((20, 20), (80, 80))
    none: frozenset[Modifier] = frozenset()
    shapes = {
        place: hand.tool.cursor(hand.event(*place, None, none), SCENE)
        for place in [(20, 20), (80, 20), (50, 20), (20, 50), (50, 50)]
    }
    assert list(shapes.values()) == [
        Cursor.SIZE_DIAGONAL,
        Cursor.SIZE_ANTIDIAGONAL,
        Cursor.SIZE_VERTICAL,
        Cursor.SIZE_HORIZONTAL,
        Cursor.CROSS,
    ]
    assert hand.tool.cursor(hand.event(20, 20, None, SHIFT), SCENE) is Cursor.CROSS


# -- the box tool -------------------------------------------------------------------------------


def test_the_box_tool_makes_boxes_only() -> None:
    hand = Hand(BoxTool())
    assert hand.click(10, 10) == Nothing()
    assert hand.click(10, 10, Button.RIGHT) == Nothing()
    assert hand.drag((10, 20), (60, 20)) == Nothing()
    assert hand.drag((10, 20), (60, 90)) == PromptChanged(Prompt(box=Box(10, 20, 60, 90)))


# -- taking back --------------------------------------------------------------------------------


def test_every_step_can_be_taken_back_in_the_order_it_was_made(hand: Hand) -> None:
    steps = [hand.tool.prompt]
    for do in (
        lambda: hand.click(30, 30),
        lambda: hand.drag((10, 10), (60, 60)),
        lambda: hand.click(90, 40, Button.RIGHT),
        lambda: hand.drag((60, 60), (70, 75)),
        lambda: hand.drag((100, 20), (150, 90)),
    ):
        do()
        steps.append(hand.tool.prompt)
    for expected in reversed(steps[:-1]):
        assert hand.tool.take_back() == PromptChanged(expected)
    assert hand.tool.take_back() == Nothing()


def test_a_restored_prompt_can_be_taken_back_part_by_part(hand: Hand) -> None:
    whole = Prompt(points=((1, 2), (3, 4)), labels=(1, 0), box=Box(0, 0, 9, 9))
    assert hand.tool.restore(whole) == PromptChanged(whole)
    assert hand.tool.restore(whole) == Nothing()
    hand.tool.take_back()
    hand.tool.take_back()
    assert hand.tool.take_back() == PromptChanged(Prompt())
    assert hand.tool.take_back() == Nothing()


def test_clearing_empties_the_prompt_and_what_came_before(hand: Hand) -> None:
    prior = Prompt(prior=Mask.empty((100, 200)))
    hand.tool.restore(prior)
    hand.click(5, 5)
    assert hand.tool.clear() == PromptChanged(Prompt())
    assert hand.tool.take_back() == Nothing()
    assert hand.tool.clear() == Nothing()


# -- whatever the hand does ---------------------------------------------------------------------

PLACES = st.tuples(st.floats(-50, 250), st.floats(-50, 150))


@given(start=PLACES, end=PLACES, slack=st.floats(0.01, 20))
def test_any_drag_gives_a_box_inside_the_image_or_a_point_or_nothing(
    start: tuple[float, float], end: tuple[float, float], slack: float
) -> None:
    hand = Hand(PromptTool(), slack=slack)
    result = hand.drag(start, end)
    far = max(abs(start[0] - end[0]), abs(start[1] - end[1])) > slack
    inside = 0 <= start[0] < 200 and 0 <= start[1] < 100
    if isinstance(result, PromptChanged) and result.prompt.box is not None:
        x0, y0, x1, y1 = result.prompt.box
        assert far
        assert 0 <= x0 < x1 <= 200
        assert 0 <= y0 < y1 <= 100
        assert x0 == max(0, min(start[0], end[0]))
        assert y1 == min(100, max(start[1], end[1]))
    elif isinstance(result, PromptChanged):
        assert result.prompt.points == (start,)
        assert inside
    else:
        assert result == Nothing()
        assert not inside


@given(data=st.data())
def test_any_life_of_the_tool_keeps_a_prompt_inside_the_image_that_can_be_taken_back(
    data: st.DataObject,
) -> None:
    hand = Hand(PromptTool(), slack=data.draw(st.floats(0.5, 10)))
    none: frozenset[Modifier] = frozenset()
    for _ in range(data.draw(st.integers(1, 25))):
        x, y = data.draw(PLACES)
        act = data.draw(st.sampled_from(["press", "move", "release", "back", "cancel"]))
        button = data.draw(st.sampled_from([Button.LEFT, Button.RIGHT]))
        if act == "back":
            hand.tool.take_back()
        elif act == "cancel":
            hand.tool.cancel()
        else:
            getattr(hand.tool, act)(hand.event(x, y, button, none), SCENE)
        prompt = hand.tool.prompt
        assert all(0 <= px < 200 and 0 <= py < 100 for px, py in prompt.points)
        if prompt.box is not None:
            assert 0 <= prompt.box.x0 < prompt.box.x1 <= 200
            assert 0 <= prompt.box.y0 < prompt.box.y1 <= 100
    for _ in range(26):
        hand.tool.take_back()
    assert hand.tool.prompt == Prompt()

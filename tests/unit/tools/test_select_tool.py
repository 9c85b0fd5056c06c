"""Selecting annotations with the pointer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.tools.contract import Button, Cursor, Modifier, Nothing, PointerEvent, Scene, Select
from segstudio.tools.hit_test import HitTest
from segstudio.tools.select_tool import SelectTool


def rectangle(number: int, x0: int, y0: int, x1: int, y1: int) -> Annotation:
    pixels = np.ones((y1 - y0, x1 - x0), dtype=bool)
    return Annotation(
        id=number, image_id=1, category_id=1, mask=Mask.from_crop(pixels, (x0, y0), (60, 80))
    )


BACK = rectangle(1, 0, 0, 50, 50)
FRONT = rectangle(2, 10, 10, 30, 30)
APART = rectangle(3, 60, 40, 80, 60)
SCENE = Scene((60, 80), (BACK, FRONT, APART))


def click(
    x: float,
    y: float,
    *held: Modifier,
    button: Button = Button.LEFT,
    selected: frozenset[int] = frozenset(),
) -> object:
    scene = Scene(SCENE.image_size, SCENE.annotations, selected)
    tool = SelectTool()
    result = tool.press(PointerEvent(x, y, button, frozenset(held)), scene)
    assert tool.release(PointerEvent(x, y, button, frozenset(held)), scene) == Nothing()
    return result


def test_a_click_selects_what_lies_in_front() -> None:
    assert click(20.5, 20.5) == Select((2,))
    assert click(45.0, 45.0) == Select((1,))


@pytest.mark.parametrize("key", [Modifier.SHIFT, Modifier.CONTROL])
def test_with_shift_or_ctrl_a_click_adds_to_the_selection(key: Modifier) -> None:
    assert click(70, 50, key, selected=frozenset({1})) == Select((3,), extend=True)


def test_a_click_beside_everything_selects_none_unless_a_key_is_held() -> None:
    assert click(55, 5, selected=frozenset({1})) == Select(())
    assert click(55, 5, Modifier.SHIFT, selected=frozenset({1})) == Nothing()
    assert click(55, 5) == Nothing()
    assert click(-5, 900, selected=frozenset({1})) == Select(())


def test_a_right_click_keeps_the_selection_that_it_hits() -> None:
    assert click(20, 20, button=Button.RIGHT, selected=frozenset({2, 3})) == Nothing()
    assert click(20, 20, button=Button.RIGHT, selected=frozenset({3})) == Select((2,))
    assert click(55, 5, button=Button.RIGHT, selected=frozenset({3})) == Nothing()


def test_the_cursor_is_a_hand_over_an_annotation() -> None:
    tool = SelectTool()
    assert tool.cursor(PointerEvent(20, 20, None), SCENE) is Cursor.HAND
    assert tool.cursor(PointerEvent(55, 5, None), SCENE) is Cursor.ARROW


def test_the_tool_follows_the_scene_when_an_annotation_is_deleted() -> None:
    tool = SelectTool()
    assert tool.press(PointerEvent(20, 20), SCENE) == Select((2,))
    without = Scene(SCENE.image_size, (BACK, APART))
    assert tool.press(PointerEvent(20, 20), without) == Select((1,))


@given(data=st.data())
def test_hits_agree_with_the_pixels(data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    seed = data.draw(st.integers(0, 2**16))
    stack = np.random.default_rng(seed).random((4, height, width)) < 0.4
    annotations = [
        Annotation(id=index, image_id=1, category_id=1, mask=Mask.from_array(array))
        for index, array in enumerate(stack)
    ]
    x = data.draw(st.floats(-1, width + 1))
    y = data.draw(st.floats(-1, height + 1))
    inside = 0 <= x < width and 0 <= y < height
    expected = [i for i in (3, 2, 1, 0) if inside and stack[i, int(y), int(x)]]
    front = HitTest(annotations).at(x, y)
    assert (front.id if front else None) == (expected[0] if expected else None)


def test_an_image_without_annotations_has_nothing_to_hit() -> None:
    assert HitTest(()).at(1, 1) is None

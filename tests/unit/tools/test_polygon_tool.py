"""The hand with the polygon tool: clicking corners, and editing an outline."""

from __future__ import annotations

import numpy as np
import pytest
from tool_hand import ALT, CONTROL, Hand

from segstudio.core.mask import Mask
from segstudio.imaging.outline_tracing import editable_outline
from segstudio.imaging.outlines import Outline
from segstudio.imaging.polygon_raster import polygon_mask
from segstudio.tools.contract import (
    Button,
    Cursor,
    Nothing,
    OutlineShown,
    Painted,
    Point,
    PointerEvent,
    Scene,
)
from segstudio.tools.polygon_tool import PolygonTool

SIZE = (80, 100)
A, B, C = (10.0, 10.0), (70.0, 12.0), (40.0, 60.0)


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    array = np.zeros(SIZE, dtype=bool)
    array[y0:y1, x0:x1] = True
    return array


SQUARE = box(20, 20, 60, 50)
HOLE = box(30, 30, 40, 40)


@pytest.fixture
def tool() -> PolygonTool:
    return PolygonTool()


@pytest.fixture
def hand(tool: PolygonTool) -> Hand:
    return Hand(tool, Scene(SIZE))


def edited(tool: PolygonTool, array: np.ndarray, id_: int = 7) -> Outline:
    outline = editable_outline(Mask.from_array(array), tool.outline)
    tool.edit(id_, outline)
    return outline


def after(array: np.ndarray, result: object) -> np.ndarray:
    """The annotation's pixels after what the tool gave back."""
    assert isinstance(result, Painted) and result.target == 7
    for part, expected in ((result.add, False), (result.remove, True)):
        if part is not None:
            assert (array[part.to_array()] == expected).all(), "comes or goes once"
            array = array ^ part.to_array()
    return array


def shown(result: object) -> OutlineShown:
    assert isinstance(result, OutlineShown)
    return result


# -- drawing ----------------------------------------------------------------------------------


def test_clicks_and_the_first_corner_again_make_a_polygon(hand: Hand) -> None:
    for corner in (A, B, C):
        hand.click(*corner)
    assert shown(hand.move(12, 11)).closes
    result = hand.click(12, 11)
    assert isinstance(result, Painted) and result.remove is None and result.target is None
    assert result.add == polygon_mask([(A, B, C)], SIZE)
    assert result.start == A and result.outline == OutlineShown()
    assert hand.move(50, 50) == Nothing(), "nothing is drawn any more"


def test_the_line_follows_the_pointer(hand: Hand) -> None:
    assert hand.press(*A) == OutlineShown(line=(A, A))
    assert hand.release(*A) == Nothing()
    hand.click(*B)
    assert hand.move(*C) == OutlineShown(line=(A, B, C))
    assert not shown(hand.move(10, 11)).closes, "two corners are no polygon"


def test_a_double_click_closes(hand: Hand) -> None:
    hand.click(*A), hand.click(*B), hand.click(*C)
    result = hand.click(*C, double=True)
    assert isinstance(result, Painted) and result.add == polygon_mask([(A, B, C)], SIZE)


def test_enter_closes_and_a_double_click_too_early_does_not(tool: PolygonTool, hand: Hand) -> None:
    assert tool.close() == Nothing()
    hand.click(*A)
    assert hand.press(*A, double=True) == Nothing()
    hand.click(*B)
    assert tool.close() == Nothing()
    hand.click(*C)
    result = tool.close()
    assert isinstance(result, Painted) and result.add == polygon_mask([(A, B, C)], SIZE)


def test_corners_are_taken_back_one_by_one(tool: PolygonTool, hand: Hand) -> None:
    assert tool.take_back() == Nothing()
    hand.click(*A), hand.click(*B)
    assert tool.take_back() == OutlineShown(line=(A, B)), "the pointer is still there"
    assert tool.take_back() == OutlineShown()
    assert tool.take_back() == Nothing()
    hand.click(*C)
    assert hand.results[-2] == OutlineShown(line=(C, C)), "a new line begins"


def test_with_control_it_cuts_out(hand: Hand) -> None:
    hand.press(*A, CONTROL)
    hand.release(*A)
    for corner in (B, C):
        assert not shown(hand.click(*corner)).adds
    result = hand.click(*A)
    assert isinstance(result, Painted) and result.add is None
    assert result.remove == polygon_mask([(A, B, C)], SIZE)


def test_corners_beside_the_image_lie_on_its_edge(tool: PolygonTool, hand: Hand) -> None:
    for corner in ((-30, -30), (400, -30), (400, 300), (-30, 300)):
        hand.click(*corner)
    result = tool.close()
    assert isinstance(result, Painted) and result.add == Mask.from_array(box(0, 0, 100, 80))


def test_a_polygon_without_area_and_a_dropped_one_give_nothing(
    tool: PolygonTool, hand: Hand
) -> None:
    for corner in (A, B, (40.0, 11.0)):
        hand.click(*corner)
    assert tool.close() == OutlineShown()
    hand.click(*A)
    assert tool.cancel() == OutlineShown() and tool.cancel() == Nothing()
    assert hand.move(*B) == Nothing()


def test_other_buttons_do_nothing(tool: PolygonTool, hand: Hand) -> None:
    assert tool.press(PointerEvent(5, 5, Button.RIGHT), hand.scene) == Nothing()


# -- editing ----------------------------------------------------------------------------------


def test_an_outline_shows_its_corners(tool: PolygonTool, hand: Hand) -> None:
    given = tool.edit(7, editable_outline(Mask.from_array(SQUARE & ~HOLE)))
    outer, hole = given.rings
    assert set(outer) == {(20, 20), (60, 20), (60, 50), (20, 50)}
    assert set(hole) == {(30, 30), (40, 30), (40, 40), (30, 40)}
    assert shown(hand.move(61, 21)).hot == (60, 20)
    assert tool.cursor(PointerEvent(61, 21), hand.scene) is Cursor.HAND
    edge = shown(hand.move(50, 21))
    assert edge.hot == (50, 20) and edge.inserts
    assert shown(hand.move(50, 40)).hot is None
    assert hand.move(51, 41) == Nothing(), "nothing new to draw"
    assert tool.edit(None, None) == OutlineShown()


def test_rings_too_small_for_a_hand_are_not_offered_until_one_zooms_in(
    tool: PolygonTool, hand: Hand
) -> None:
    pin = box(45, 30, 48, 33)
    edited(tool, SQUARE & ~pin)
    assert len(shown(hand.move(46, 31)).rings) == 1 and shown(hand.results[-1]).hot is None
    closer = PointerEvent(46, 31, None, slack=0.5)
    offered = shown(tool.move(closer, hand.scene))
    assert len(offered.rings) == 2
    nearby = PointerEvent(45.2, 30, None, slack=0.5)
    assert shown(tool.move(nearby, hand.scene)).hot == (45, 30)
    assert len(shown(hand.move(80, 70)).rings) == 1
    assert after(SQUARE & ~pin, hand.drag((60, 20), (70, 10)))[29:34, 44:49].sum() == 16


def test_a_dragged_corner_changes_what_lies_between(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    hand.press(60, 20)
    moving = shown(hand.move(80, 10))
    assert (80, 10) in moving.rings[0] and moving.hot == (80, 10)
    result = hand.release(80, 10)
    ring = [(20, 20), (80, 10), (60, 50), (20, 50)]
    assert np.array_equal(after(SQUARE, result), polygon_mask([ring], SIZE).to_array())
    assert isinstance(result, Painted) and result.outline is not None
    assert set(result.outline.rings[0]) == set(ring)


def test_the_hand_need_not_hit_the_corner_exactly(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    hand.press(62, 19)
    hand.move(72, 9)
    result = hand.release(72, 9)
    assert isinstance(result, Painted) and result.outline is not None
    assert (70, 10) in result.outline.rings[0], "by as much as the pointer moved"


def test_a_hole_is_moved_like_an_outer_ring(tool: PolygonTool, hand: Hand) -> None:
    array = SQUARE & ~HOLE
    edited(tool, array)
    result = hand.drag((40, 40), (48, 45))
    hole = polygon_mask([[(30, 30), (40, 30), (48, 45), (30, 40)]], SIZE).to_array()
    assert np.array_equal(after(array, result), SQUARE & ~hole)


def test_a_press_on_an_edge_makes_a_corner_there(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    pressed = shown(hand.press(40, 21))
    assert (40, 20) in pressed.rings[0] and pressed.hot == (40, 20) and not pressed.inserts
    tool.cancel()
    result = hand.drag((40, 21), (40, 5))
    ring = [(20, 20), (40, 4), (60, 20), (60, 50), (20, 50)]
    assert np.array_equal(after(SQUARE, result), polygon_mask([ring], SIZE).to_array())


def test_a_corner_made_and_not_moved_changes_no_pixel(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    kept = shown(hand.drag((40, 20.5)))
    assert len(kept.rings[0]) == 5 and tool.outline is not None
    assert tool.outline.mask() == Mask.from_array(SQUARE)


def test_a_trembling_hand_moves_nothing(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    still = shown(hand.drag((60, 20), (61, 21), (60, 21)))
    assert set(still.rings[0]) == {(20, 20), (60, 20), (60, 50), (20, 50)}


def test_alt_click_and_the_key_take_a_corner_away(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    result = hand.press(60, 20, ALT)
    ring = [(20, 20), (60, 50), (20, 50)]
    array = after(SQUARE, result)
    assert np.array_equal(array, polygon_mask([ring], SIZE).to_array())
    assert hand.release(60, 20) == Nothing()
    assert tool.remove_vertex() == Nothing(), "no corner lies under the pointer"
    hand.move(20, 20)
    assert not after(array, tool.remove_vertex()).any(), "of a triangle nothing is left"


def test_control_cuts_a_hole_even_on_a_corner(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    hand.press(60, 20, CONTROL)
    hand.release(60, 20)
    hand.click(50, 40), hand.click(30, 40)
    result = tool.close()
    assert isinstance(result, Painted) and result.remove is not None and result.target is None
    assert result.outline is not None and len(result.outline.rings) == 1


def test_esc_puts_a_dragged_corner_back(tool: PolygonTool, hand: Hand) -> None:
    outline = edited(tool, SQUARE)
    hand.press(60, 20)
    hand.move(80, 10)
    assert set(shown(tool.cancel()).rings[0]) == set(outline.rings[0][1].vertices)
    assert hand.release(80, 10) == Nothing() and tool.outline is outline


def test_edits_go_on_from_each_other_before_they_are_written(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    first = after(SQUARE, hand.drag((60, 20), (80, 10)))
    second = after(first, hand.drag((80, 10), (60, 20)))
    assert np.array_equal(second, SQUARE)


def test_an_outline_that_comes_while_dragging_waits(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    hand.press(60, 20)
    hand.move(80, 10)
    other = editable_outline(Mask.from_array(box(0, 0, 10, 10)))
    assert (80, 10) in tool.edit(7, other).rings[0]
    assert isinstance(hand.release(80, 10), Painted)
    assert tool.outline is not other
    hand.press(80, 10)
    tool.edit(7, other)
    hand.release(80, 10)
    assert tool.outline is other, "nothing was moved"


def test_another_annotation_ends_a_drag(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    hand.press(60, 20)
    hand.move(80, 10)
    other = editable_outline(Mask.from_array(box(0, 0, 10, 10)))
    tool.edit(8, other)
    assert hand.release(80, 10) == Nothing() and tool.outline is other


def test_a_press_after_a_lost_release_begins_anew(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    hand.press(40, 20)
    hand.move(40, 5)
    pressed = shown(hand.press(60, 50))
    assert pressed.hot == (60, 50) and len(pressed.rings[0]) == 4


def test_a_corner_stays_inside_the_image(tool: PolygonTool, hand: Hand) -> None:
    edited(tool, SQUARE)
    result = hand.drag((60, 20), (300, -50))
    assert isinstance(result, Painted) and result.outline is not None
    assert (100, 0) in result.outline.rings[0]


def test_fine_detail_of_untouched_edges_stays(tool: PolygonTool, hand: Hand) -> None:
    ragged = SQUARE.copy()
    ragged[49, 20:60:2] = False  # a comb along the lower side
    outline = edited(tool, ragged)
    ring: tuple[Point, ...] = outline.rings[0][1].vertices
    assert len(ring) < 12
    result = hand.drag((60, 20), (70, 15))
    assert np.array_equal(after(ragged, result)[48:], ragged[48:])

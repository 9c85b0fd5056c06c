"""The hand with the superpixel brush: whole superpixels come and go."""

from __future__ import annotations

import numpy as np
import pytest
from tool_hand import CONTROL, SHIFT, Hand, painted_pixels

from segstudio.core.patch import Patch
from segstudio.tools.contract import (
    Modifier,
    Nothing,
    Painted,
    PaintingDropped,
    PointAtSuperpixel,
    Scene,
)
from segstudio.tools.superpixel_brush_tool import SuperpixelBrushTool

SIZE = (60, 80)


class Squares:
    """Superpixels that are squares of `side` pixels, numbered row by row."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.asked: list[tuple[int, ...]] = []
        rows, columns = np.indices(SIZE) // side
        self.labels = rows * (SIZE[1] // side) + columns

    def at(self, x: float, y: float) -> int | None:
        inside = 0 <= x < SIZE[1] and 0 <= y < SIZE[0]
        return int(self.labels[int(y), int(x)]) if inside else None

    def along(
        self, start: tuple[float, float], end: tuple[float, float], radius: float
    ) -> tuple[int, ...]:
        found = {self.at(*(np.array(start) + t * np.subtract(end, start))) for t in _STEPS}
        return tuple(sorted(number for number in found if number is not None))

    def patch(self, numbers: tuple[int, ...]) -> Patch | None:
        self.asked.append(numbers)
        chosen = np.isin(self.labels, numbers)
        if not chosen.any():
            return None
        rows, columns = np.flatnonzero(chosen.any(axis=1)), np.flatnonzero(chosen.any(axis=0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return Patch(chosen[box], (int(columns[0]), int(rows[0])))


_STEPS = np.linspace(0, 1, 201)


@pytest.fixture
def hand() -> Hand:
    return Hand(SuperpixelBrushTool(), Scene(SIZE, superpixels=Squares(10)))


def test_hovering_points_at_the_superpixel(hand: Hand) -> None:
    assert hand.move(15, 25) == PointAtSuperpixel(17)
    assert hand.move(-5, 25) == PointAtSuperpixel(None)


def test_a_drag_adds_all_that_it_passes_once(hand: Hand) -> None:
    result = hand.drag((5, 5), (35, 5), (5, 5))
    wanted = np.zeros(SIZE, dtype=bool)
    wanted[:10, :40] = True
    assert isinstance(result, Painted) and result.add is not None and result.remove is None
    assert np.array_equal(result.add.to_array(), wanted)
    assert np.array_equal(painted_pixels(hand.results, SIZE), wanted.astype(int))
    assert result.start == (5, 5) and result.text == "Paint superpixels"


def test_a_superpixel_is_asked_for_once_in_a_stroke_and_by_itself(hand: Hand) -> None:
    hand.drag((5, 5), (35, 55), (5, 5), (6, 6))
    squares = hand.scene.superpixels
    assert isinstance(squares, Squares) and len(squares.asked) > 6
    assert len(set(squares.asked)) == len(squares.asked)
    assert all(len(numbers) == 1 for numbers in squares.asked)


@pytest.mark.parametrize("held", [CONTROL, SHIFT])
def test_control_or_shift_removes(hand: Hand, held: Modifier) -> None:
    result = hand.click(25, 15, held)
    assert isinstance(result, Painted) and result.add is None and result.remove is not None
    assert result.remove.area == 100 and result.remove.contains(20, 10)


def test_the_scale_may_change_within_a_stroke(hand: Hand) -> None:
    hand.press(5, 5)
    hand.scene = Scene(SIZE, superpixels=Squares(20))
    hand.move(25, 25)
    result = hand.release(25, 25)
    wanted = np.zeros(SIZE, dtype=bool)
    wanted[:20, :20] = wanted[20:40, 20:40] = True
    assert isinstance(result, Painted) and result.add is not None
    assert np.array_equal(result.add.to_array(), wanted)


def test_nothing_happens_before_the_superpixels_are_ready(hand: Hand) -> None:
    hand.scene = Scene(SIZE)
    assert hand.move(5, 5) == Nothing() and hand.drag((5, 5), (25, 5)) == Nothing()


def test_what_is_dropped_or_beside_the_image_paints_nothing(hand: Hand) -> None:
    hand.press(5, 5)
    assert hand.tool.cancel() == PaintingDropped() and hand.release(5, 5) == Nothing()
    assert hand.drag((-50, 5), (-5, 5)) == PaintingDropped()

"""Where the strip of candidates goes, and how a wheel is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QWheelEvent
from pytestqt.qtbot import QtBot

from segstudio.gui.canvas.candidate_strip import BORDER, GAP, WheelSteps, free_place

STRIP, VIEWPORT = QSize(200, 80), QSize(800, 600)


def place_beside(box: QRectF, near: QPointF | None = None) -> QRect | None:
    """The strip beside a mask that fills its box."""
    found = free_place(
        STRIP, VIEWPORT, box, near or box.center(), lambda rect: QRectF(rect).intersects(box)
    )
    return None if found is None else QRect(found, STRIP)


def test_it_goes_to_the_side_of_the_mask_that_has_room() -> None:
    left = place_beside(QRectF(20, 250, 300, 100))
    assert left is not None
    assert left.left() >= 320 or left.top() >= 350 or left.bottom() <= 250
    wide = place_beside(QRectF(0, 100, 800, 200))
    assert wide is not None
    assert wide.top() == 300 + GAP
    low = place_beside(QRectF(0, 150, 800, 450))
    assert low is not None
    assert low.bottom() + 1 == 150 - GAP
    tall = place_beside(QRectF(0, 0, 500, 600))
    assert tall is not None
    assert tall.left() == 500 + GAP


def test_where_the_mask_fills_the_view_there_is_no_place() -> None:
    assert place_beside(QRectF(-50, -50, 900, 700)) is None


def test_a_mask_that_leaves_a_corner_free_has_the_strip_in_that_corner() -> None:
    box = QRectF(0, 0, 800, 600)
    corner = QRect(560, 480, 240, 120)
    found = free_place(STRIP, VIEWPORT, box, box.center(), lambda rect: not corner.contains(rect))
    assert found == QPoint(800 - BORDER - 200, 600 - BORDER - 80)


def test_of_free_places_it_takes_the_one_nearest_to_the_hand() -> None:
    box = QRectF(300, 250, 200, 100)
    above, below = place_beside(box, QPointF(400, 260)), place_beside(box, QPointF(400, 340))
    assert above is not None
    assert below is not None
    assert above.bottom() < 250
    assert below.top() > 350


@given(
    x=st.floats(-200, 900), y=st.floats(-200, 700),
    wide=st.floats(1, 900), high=st.floats(1, 700),
)  # fmt: skip
def test_wherever_the_mask_is_the_strip_is_in_sight_and_beside_it(
    x: float, y: float, wide: float, high: float
) -> None:
    box = QRectF(x, y, wide, high)
    place = place_beside(box)
    if place is not None:
        assert QRect(QPoint(0, 0), VIEWPORT).contains(place)
        assert not QRectF(place).intersects(box)


@pytest.mark.parametrize(
    ("turns", "wanted"),
    [([-120], [1]), ([120, -240], [-1, 2]), ([-40, -40, -40], [0, 0, 1]), ([60, -60], [0, 0])],
)
def test_small_turns_add_up_to_notches(qtbot: QtBot, turns: list[int], wanted: list[int]) -> None:
    del qtbot
    wheel = WheelSteps()
    assert [wheel.take(turned(QPoint(0, turn))) for turn in turns] == wanted


def test_a_wheel_whose_axis_shift_has_turned_counts_too(qtbot: QtBot) -> None:
    del qtbot
    assert WheelSteps().take(turned(QPoint(-120, 0))) == 1


def turned(angle: QPoint) -> QWheelEvent:
    return QWheelEvent(
        QPointF(), QPointF(), QPoint(), angle, Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ShiftModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip

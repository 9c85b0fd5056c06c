"""The canvas: shows photo and masks where they are, pans by blits, and forgets nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QIcon, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Prompt
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.panels.categories import swatch
from segstudio.imaging.pyramid import Pyramid
from segstudio.tools.contract import Button, Modifier, PointerEvent


def photo(height: int = 600, width: int = 900) -> RgbImage:
    """A smooth photo-like gradient with a distinct colour at every place."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack((x * 255 // width, y * 255 // height, (x + y) % 256), axis=2)
    return RgbImage(pixels.astype(np.uint8))


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.show()
    canvas.show_image(Pyramid.of(photo()))
    return canvas


def shown(canvas: Canvas) -> QImage:
    return canvas.grab().toImage()


def colour_at(canvas: Canvas, x: float, y: float) -> QColor:
    """The colour on screen of the image's pixel (x, y)."""
    position = QPointF(*canvas.view.to_screen(x + 0.5, y + 0.5)).toPoint()
    return shown(canvas).pixelColor(position)


def square(canvas: Canvas, *, colour: str = "#ff0000", locked: bool = False) -> None:
    """One annotation, a square of 200 pixels at (300, 200)."""
    array = np.zeros((600, 900), dtype=bool)
    array[200:400, 300:500] = True
    row = Annotation(id=1, image_id=1, category_id=1, mask=Mask.from_array(array), locked=locked)
    canvas.masks.annotations = (row,)
    canvas.masks.categories = {1: Category(1, "thing", colour)}
    canvas.refresh()


def test_the_photo_shows_its_own_colours(canvas: Canvas) -> None:
    canvas.set_view(canvas.view.actual_size())
    x, y = 450, 300
    found = colour_at(canvas, x, y)
    wanted = photo().pixels[y, x]
    assert np.abs(np.array([found.red(), found.green(), found.blue()]) - wanted).max() <= 2


def test_a_mask_is_tinted_and_the_rest_is_not(canvas: Canvas) -> None:
    before = colour_at(canvas, 400, 300), colour_at(canvas, 100, 100)
    square(canvas, colour="#ff0000")
    after = colour_at(canvas, 400, 300), colour_at(canvas, 100, 100)
    assert after[0].red() > before[0].red() + 20
    assert after[1] == before[1]


def pixels_of(image: QImage) -> np.ndarray:
    """(H, W, 4) int, BGRA."""
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return rows.astype(int)


def test_a_locked_mask_is_hatched_inside_and_the_same_elsewhere(canvas: Canvas) -> None:
    square(canvas)
    plain = pixels_of(shown(canvas))
    square(canvas, locked=True)
    changed = (pixels_of(shown(canvas)) != plain).any(axis=2)
    left, top = (round(value) for value in canvas.view.to_screen(300, 200))
    right, bottom = (round(value) for value in canvas.view.to_screen(500, 400))
    inside = changed[top + 3 : bottom - 3, left + 3 : right - 3]
    assert 0.1 < inside.mean() < 0.4
    assert inside.any(axis=0).all() and inside.any(axis=1).all()
    changed[top - 2 : bottom + 2, left - 2 : right + 2] = False
    assert not changed.any()


def test_a_hatch_lies_still_on_the_photo_while_it_is_panned(canvas: Canvas) -> None:
    square(canvas, locked=True)
    canvas.set_view(canvas.view.actual_size())
    before = pixels_of(shown(canvas))
    canvas.set_view(canvas.view.panned(13, -7))
    after = pixels_of(shown(canvas))
    assert np.array_equal(after[:-7, 13:], before[7:, :-13])


def test_hidden_masks_show_the_photo_again(canvas: Canvas) -> None:
    before = shown(canvas)
    square(canvas)
    assert shown(canvas) != before
    canvas.masks.visible = False
    canvas.refresh()
    assert shown(canvas) == before


def test_opacity_goes_from_outline_to_solid(canvas: Canvas) -> None:
    square(canvas, colour="#ff0000")
    reds = []
    for opacity in (0.0, 0.5, 1.0):
        canvas.masks.opacity = opacity
        canvas.refresh()
        reds.append(colour_at(canvas, 400, 300).red())
    assert reds[0] < reds[1] < reds[2]


@pytest.mark.parametrize("drag", [(37, -21), (-60, 45), (5, 0), (0, -9)])
def test_a_pan_by_blit_looks_like_drawing_it_all_again(
    canvas: Canvas, drag: tuple[int, int]
) -> None:
    square(canvas)
    canvas.set_view(canvas.view.zoomed(2.0, 320, 240))
    canvas.refresh()
    shown(canvas)
    canvas.set_view(canvas.view.panned(*drag))
    blitted = shown(canvas)
    canvas.refresh()
    drawn = shown(canvas)
    difference = _pixels(blitted).astype(int) - _pixels(drawn)
    assert np.abs(difference).max() <= 40  # antialiased outlines where strips meet
    assert np.mean(np.abs(difference) > 2) < 0.002


Waiting = list[tuple[Callable[[], Any], Callable[[Any], None]]]


def draw_all(canvas: Canvas, waiting: Waiting) -> None:
    """Do what waits to be drawn in the background, and what is asked for then."""
    while waiting:
        work, done = waiting.pop(0)
        done(work())
        shown(canvas)


def _pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    return np.array(image.constBits()).reshape(image.height(), image.width(), 4)[..., :3]


def test_the_wheel_zooms_at_the_cursor(canvas: Canvas) -> None:
    cursor = QPointF(200, 150)
    before = canvas.view.to_image(cursor.x(), cursor.y())
    event = QWheelEvent(
        cursor, canvas.mapToGlobal(cursor), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    scale = canvas.view.scale
    QApplication.sendEvent(canvas, event)
    assert canvas.view.scale > scale
    assert canvas.view.to_image(cursor.x(), cursor.y()) == pytest.approx(before)


def test_a_middle_drag_pans_and_tells_no_tool(canvas: Canvas) -> None:
    heard: list[PointerEvent] = []
    canvas.pressed.connect(heard.append)
    x, y = canvas.view.x, canvas.view.y
    QTest.mousePress(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(100, 100))
    QTest.mouseMove(canvas, QPoint(130, 90))
    QTest.mouseRelease(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(130, 90))
    assert (canvas.view.x - x, canvas.view.y - y) == (30, -10)
    assert heard == []


def test_two_quick_drags_both_pan(canvas: Canvas) -> None:
    told: list[PointerEvent] = []
    canvas.pressed.connect(told.append)
    for button, held in ((Qt.MouseButton.MiddleButton, False), (Qt.MouseButton.LeftButton, True)):
        canvas.set_hand_mode(held)
        for pressed in (QTest.mousePress, QTest.mouseDClick):  # Qt's word for the second press
            before = canvas.view
            pressed(canvas, button, pos=QPoint(300, 300))
            QTest.mouseMove(canvas, QPoint(340, 320))
            QTest.mouseRelease(canvas, button, pos=QPoint(340, 320))
            assert canvas.view.x - before.x == pytest.approx(40)
    assert told == []


def test_a_button_let_go_during_a_pan_is_let_go(canvas: Canvas) -> None:
    left, middle = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
    told: list[PointerEvent] = []
    canvas.released.connect(told.append)
    QTest.mousePress(canvas, left, pos=QPoint(300, 300))
    QTest.mousePress(canvas, middle, pos=QPoint(300, 300))
    QTest.mouseRelease(canvas, left, pos=QPoint(310, 300))
    assert [event.button for event in told] == [Button.LEFT] and canvas.panning
    QTest.mouseRelease(canvas, middle, pos=QPoint(310, 300))
    assert len(told) == 1 and not canvas.panning


def test_clicks_arrive_in_image_pixels_with_button_and_modifiers(canvas: Canvas) -> None:
    heard: list[PointerEvent] = []
    canvas.pressed.connect(heard.append)
    position = QPointF(*canvas.view.to_screen(450.0, 300.0)).toPoint()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, position)
    QTest.mouseClick(canvas, Qt.MouseButton.RightButton, pos=position)
    assert [event.button for event in heard] == [Button.LEFT, Button.RIGHT]
    assert heard[0].modifiers == {Modifier.SHIFT}
    assert heard[0].x == pytest.approx(450, abs=1.5 / canvas.view.scale)
    assert heard[0].slack == pytest.approx(4 / canvas.view.scale)


def test_two_quick_clicks_are_two_points(canvas: Canvas) -> None:
    heard: list[PointerEvent] = []
    canvas.pressed.connect(heard.append)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(101, 100))
    assert len(heard) >= 2


def test_dots_and_boxes_show_at_once(canvas: Canvas) -> None:
    before = shown(canvas)
    canvas.show_prompt(Prompt().with_point(450, 300, 1).with_point(100, 500, 0))
    with_points = shown(canvas)
    canvas.show_prompt(Prompt(box=Box(200, 100, 700, 500)))
    assert len({id(before), id(with_points)}) == 2
    assert before != with_points != shown(canvas)


def test_a_hundred_thousand_paints_leave_none_alone(canvas: Canvas) -> None:
    """PySide6 6.12 on Python 3.11 loses a reference to None a call; the pin keeps it out."""
    import sys

    from PySide6.QtGui import QPainter

    image = QImage(64, 64, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    before = sys.getrefcount(None)
    for _ in range(20_000):
        painter.drawImage(0, 0, image)
        painter.translate(0, 0)
    after = sys.getrefcount(None)
    painter.end()
    assert abs(after - before) < 1000


def test_a_zoom_shows_the_old_picture_until_the_new_one_is_drawn(canvas: Canvas) -> None:
    waiting: Waiting = []
    square(canvas)
    shown(canvas)
    canvas.scene.draw_later = lambda work, done: waiting.append((work, done))
    canvas.zoom(2.0)
    rough = _pixels(shown(canvas)).astype(int)
    assert len(waiting) == 1
    assert colour_at(canvas, 450, 300).red() > 150, "the mask is still there, scaled"
    draw_all(canvas, waiting)
    smooth = _pixels(shown(canvas)).astype(int)
    assert waiting == []
    assert 0 < np.abs(rough - smooth).mean() < 12
    canvas.scene.draw_later = None
    canvas.refresh()
    assert np.abs(_pixels(shown(canvas)).astype(int) - smooth).max() == 0


def test_a_change_is_drawn_in_the_background_and_the_newest_is_what_shows(canvas: Canvas) -> None:
    waiting: Waiting = []
    before = shown(canvas)
    canvas.scene.draw_later = lambda work, done: waiting.append((work, done))
    square(canvas, colour="#ff0000")
    assert shown(canvas) == before
    square(canvas, colour="#00ff00")
    shown(canvas)
    draw_all(canvas, waiting)
    found = colour_at(canvas, 400, 300)
    assert found.green() > found.red()


def test_a_swatch_keeps_its_colour_in_a_chosen_row(canvas: Canvas) -> None:
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        image = swatch("#e69f00").pixmap(14, 14, mode).toImage()
        assert image.pixelColor(image.width() // 2, image.height() // 2).name() == "#e69f00"

"""The scene: tiles drawn in the background, and again only where something changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from segstudio.core.mask import Box, Mask
from segstudio.gui.benchmarks.stage import drawn_at_once, made_categories, made_masks, made_photo
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.tiles import SIDE, Grid, Rect, Tiles, merged
from segstudio.imaging.pyramid import Pyramid

SIZE = (900, 1300)
Waiting = list[tuple[Callable[[], Any], Callable[[Any], None]]]


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.show()
    canvas.masks.categories = made_categories()
    canvas.show_image(Pyramid.of(made_photo(SIZE)))
    canvas.masks.annotations = made_masks(SIZE, 12)
    canvas.refresh()
    return canvas


@pytest.fixture
def waiting(canvas: Canvas) -> Waiting:
    """What the canvas wants drawn in the background, in order."""
    found: Waiting = []
    canvas.scene.draw_later = lambda work, done: found.append((work, done))
    return found


def picture(canvas: Canvas) -> np.ndarray:
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    flat = np.frombuffer(image.constBits(), dtype=np.uint8)
    return flat.reshape(image.height(), image.width(), 4)[..., :3].copy()


def draw_all(canvas: Canvas, waiting: Waiting) -> None:
    while waiting:
        work, done = waiting.pop(0)
        done(work())
        picture(canvas)


def dab(canvas: Canvas, index: int, x: int, y: int) -> None:
    """A square of a brush on one annotation."""
    rows = list(canvas.masks.annotations)
    square = Mask.from_crop(np.ones((20, 20), dtype=bool), (x, y), SIZE)
    rows[index] = replace(rows[index], mask=rows[index].mask.union(square))
    canvas.masks.annotations = tuple(rows)
    canvas.refresh()


def test_after_pans_zooms_and_edits_the_picture_is_what_drawing_it_at_once_gives(
    canvas: Canvas,
) -> None:
    canvas.zoom(2.7, QPointF(311, 207))
    for step, (dx, dy) in enumerate([(-90, 30), (-260, -140), (37, 5), (400, 300)]):
        canvas.set_view(canvas.view.panned(dx, dy))
        x, y = canvas.view.to_image(320, 240)
        dab(canvas, step, min(1270, max(0, int(x))), min(870, max(0, int(y))))
        assert np.array_equal(picture(canvas), drawn_at_once(canvas))
    canvas.zoom(0.31)
    assert np.array_equal(picture(canvas), drawn_at_once(canvas))


def test_an_edit_draws_only_the_part_that_changed(canvas: Canvas, waiting: Waiting) -> None:
    picture(canvas)
    draw_all(canvas, waiting)
    canvas.set_view(canvas.view.actual_size())
    picture(canvas)
    draw_all(canvas, waiting)
    x, y = (int(value) for value in canvas.view.to_image(300, 200))
    dab(canvas, 3, x, y)
    picture(canvas)
    work, done = waiting.pop(0)
    drawn = work()
    assert sum(pixels.shape[0] * pixels.shape[1] for _, pixels in drawn) <= 4 * 40 * 40
    done(drawn)
    assert canvas.scene.fresh
    assert np.array_equal(picture(canvas), drawn_at_once(canvas))


def test_what_changes_while_it_is_drawn_is_drawn_again(canvas: Canvas, waiting: Waiting) -> None:
    picture(canvas)
    draw_all(canvas, waiting)
    dab(canvas, 1, 600, 400)
    picture(canvas)
    work, done = waiting.pop(0)
    drawn = work()
    dab(canvas, 2, 610, 405)
    done(drawn)
    assert not canvas.scene.fresh
    picture(canvas)
    assert not canvas.scene.settled
    draw_all(canvas, waiting)
    assert canvas.scene.fresh and canvas.scene.settled
    assert np.array_equal(picture(canvas), drawn_at_once(canvas))


def test_one_thing_is_drawn_at_a_time_and_an_outdated_scale_is_given_up(
    canvas: Canvas, waiting: Waiting, qtbot: QtBot
) -> None:
    canvas.refresh()
    picture(canvas)
    draw_all(canvas, waiting)
    canvas.zoom(1.5)
    picture(canvas)
    canvas.zoom(1.5)
    picture(canvas)
    assert len(waiting) == 1
    work, done = waiting.pop(0)
    assert work() is None, "nobody wants that scale any more"
    done(None)
    assert not canvas.scene.fresh
    qtbot.waitUntil(lambda: bool(waiting))  # the zoom rests
    picture(canvas)
    draw_all(canvas, waiting)
    assert np.array_equal(picture(canvas), drawn_at_once(canvas))


def test_drawing_that_fails_is_not_tried_again_until_something_changes(
    canvas: Canvas, waiting: Waiting
) -> None:
    picture(canvas)
    draw_all(canvas, waiting)
    canvas.zoom(1.5)
    picture(canvas)
    _, done = waiting.pop(0)
    done(None)
    picture(canvas)
    assert waiting == []
    canvas.refresh()
    picture(canvas)
    assert len(waiting) == 1


def test_another_photo_takes_nothing_of_the_old_one(canvas: Canvas, waiting: Waiting) -> None:
    picture(canvas)
    draw_all(canvas, waiting)
    canvas.zoom(1.5)
    picture(canvas)
    work, done = waiting.pop(0)
    drawn = work()
    canvas.show_image(Pyramid.of(made_photo(SIZE, seed=5)))
    picture(canvas)
    done(drawn)
    draw_all(canvas, waiting)
    assert np.array_equal(picture(canvas), drawn_at_once(canvas))


def test_a_new_photo_is_seen_at_once_and_never_as_an_empty_ground(
    canvas: Canvas, waiting: Waiting
) -> None:
    canvas.show_image(Pyramid.of(made_photo(SIZE, seed=5)))
    rough = picture(canvas).astype(int)
    draw_all(canvas, waiting)
    canvas.masks.visible = False
    canvas.refresh()
    picture(canvas)
    draw_all(canvas, waiting)
    assert np.abs(rough - picture(canvas)).mean() < 8


def test_a_drag_in_parts_of_a_pixel_loses_none_and_draws_nothing_anew(
    canvas: Canvas, waiting: Waiting
) -> None:
    picture(canvas)
    draw_all(canvas, waiting)
    x = canvas.view.x
    QTest.mousePress(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(100, 100))
    for step in range(1, 9):
        place = QPointF(100 + 0.5 * step, 100)
        event = QMouseEvent(
            QEvent.Type.MouseMove, place, canvas.mapToGlobal(place), Qt.MouseButton.NoButton,
            Qt.MouseButton.MiddleButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(canvas, event)
        assert (canvas.view.x - x) % 1.0 == pytest.approx(0.0, abs=1e-6)
    assert canvas.view.x - x == pytest.approx(4.0)
    assert canvas.scene.fresh


def test_tiles_far_from_the_screen_are_forgotten(canvas: Canvas) -> None:
    canvas.zoom(20.0)
    for _ in range(12):
        canvas.set_view(canvas.view.panned(-500, -300))
        picture(canvas)
    tiles = canvas.scene._tiles
    assert tiles is not None
    cells = tiles.cells(tiles.whole)
    kept = sum(cell in tiles for cell in cells)
    assert len(cells) > 1000 > 60 > kept


GRID = Grid(1.0, (0.0, 0.0), 1.0, (0, 0, 0))


def filled(rect: Rect, value: int) -> np.ndarray:
    return np.full((rect[3] - rect[1], rect[2] - rect[0], 4), value, dtype=np.uint8)


def test_a_part_of_a_tile_is_taken_only_where_the_tile_is_there(canvas: Canvas) -> None:
    del canvas  # tiles are QImages
    tiles = Tiles(GRID, (600, 600))
    cells = tiles.cells(tiles.whole)
    assert len(cells) == 9 and tiles.wanted(cells) == [(0, 0, 3 * SIDE, 3 * SIDE)]
    tiles.take((0, 0, 2 * SIDE, SIDE), filled((0, 0, 2 * SIDE, SIDE), 7))
    tiles.take((300, 300, 320, 320), filled((300, 300, 320, 320), 9))
    assert [cell in tiles for cell in ((0, 0), (1, 0), (1, 1))] == [True, True, False]
    tiles.mark([Box(250, 100, 262, 110)])
    marked = tiles.wanted([(0, 0), (1, 0)])
    assert len(marked) == 1, "two tiles share the box, and it is drawn as one"
    tiles.take(marked[0], filled(marked[0], 8))
    assert tiles.is_right([(0, 0), (1, 0)])


@pytest.mark.parametrize("seed", range(5))
def test_merged_rectangles_hold_the_same_pixels_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    cells = {tuple(cell) for cell in random.integers(0, 5, (12, 2)).tolist()}
    rects = [(4 * x, 4 * y, 4 * x + 4, 4 * y + 4) for x, y in cells]
    times, wanted = np.zeros((20, 20), dtype=int), np.zeros((20, 20), dtype=int)
    for found, into in ((merged(rects), times), (rects, wanted)):
        for x0, y0, x1, y1 in found:
            into[y0:y1, x0:x1] += 1
    assert np.array_equal(times, wanted)
    assert len(merged(rects)) <= len(rects)

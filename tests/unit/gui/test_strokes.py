"""Strokes over the scene: what was touched at any zoom, drawn where it changed, until it landed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, QRect
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.patch import Patch
from segstudio.gui.canvas.brush_ring import HALO, BrushRing
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.scene import Frame, Scene
from segstudio.gui.canvas.strokes import MaskGroup, Strokes, StrokeTarget
from segstudio.gui.canvas.touched import TouchedPixels
from segstudio.gui.canvas.view import View
from segstudio.imaging.pyramid import Pyramid

SIZE = (600, 900)
RED = QColor("#ff0000")


def disc(x: int, y: int, radius: int) -> Patch:
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return Patch(rows**2 + columns**2 <= radius**2, (x - radius, y - radius))


def whole(patches: list[Patch]) -> np.ndarray:
    array = np.zeros(SIZE, dtype=bool)
    for patch in patches:
        x0, y0, x1, y1 = patch.box
        array[y0:y1, x0:x1] |= patch.pixels
    return array


# -- what was touched --------------------------------------------------------------------------

patches = st.lists(
    st.builds(disc, st.integers(60, 840), st.integers(60, 540), st.integers(1, 50)),
    min_size=1,
    max_size=4,
)


def touched(found: list[Patch]) -> TouchedPixels:
    pixels = TouchedPixels()
    for patch in found:
        pixels.add(patch)
    return pixels


@given(patches, st.floats(1.0, 6.0), st.floats(-700, 80), st.floats(-500, 80))
def test_enlarged_a_device_pixel_shows_the_pixel_under_its_centre(
    found: list[Patch], scale: float, x: float, y: float
) -> None:
    place = Place(scale, x, y, (130, 90))
    columns = np.floor((np.arange(130) + 0.5 - x) / scale).astype(int)
    rows = np.floor((np.arange(90) + 0.5 - y) / scale).astype(int)
    inside_x, inside_y = (columns >= 0) & (columns < 900), (rows >= 0) & (rows < 600)
    wanted = whole(found)[np.clip(rows, 0, 599)[:, None], np.clip(columns, 0, 899)]
    wanted &= inside_y[:, None] & inside_x
    assert np.array_equal(touched(found).covered(place), wanted)


@given(patches, st.floats(0.03, 0.99), st.floats(-60, 60), st.floats(-60, 60))
def test_made_smaller_every_touched_pixel_stays_in_sight(
    found: list[Patch], scale: float, x: float, y: float
) -> None:
    seen = touched(found).covered(Place(scale, x, y, (140, 100)))
    rows, columns = np.nonzero(whole(found))
    wide, high = columns * scale + x, rows * scale + y
    inside = (wide >= 1) & (wide < 138) & (high >= 1) & (high < 98)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(seen, 1), (3, 3)).max(axis=(2, 3))
    assert around[high[inside].astype(int), wide[inside].astype(int)].all()
    rows, columns = np.nonzero(seen)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        low = int((column - 1 - x) / scale) - 1, int((row - 1 - y) / scale) - 1
        high_end = int((column + 2 - x) / scale) + 2, int((row + 2 - y) / scale) + 2
        part = whole(found)[max(0, low[1]) : high_end[1], max(0, low[0]) : high_end[0]]
        assert part.any(), "nothing shows far from what was touched"


def test_a_stroke_right_across_a_huge_image_costs_only_its_tiles() -> None:
    pixels = TouchedPixels()
    for at in range(50, 20_000, 100):
        pixels.add(disc(at, at, 40))
    assert len(list(pixels.boxes())) * 256 * 256 < 20_000 * 20_000 / 25


# -- the picture -------------------------------------------------------------------------------


class Board:
    """Strokes on a scene without a photo, and what they asked to have painted again."""

    def __init__(self, view: View, ratio: float = 1.0) -> None:
        self.updates: list[QRect] = []
        self.strokes = Strokes(Scene(), self.updates.append)
        self.frame = Frame(view, (int(view.viewport[0]), int(view.viewport[1])), ratio, "#000000")

    def painted(self, *, settled: bool = False) -> np.ndarray:
        """(h, w, 4) premultiplied BGRA of what the strokes draw."""
        size, ratio = self.frame.size, self.frame.ratio
        layout = QImage.Format.Format_ARGB32_Premultiplied
        image = QImage(round(size[0] * ratio), round(size[1] * ratio), layout)
        image.fill(0)
        image.setDevicePixelRatio(ratio)
        painter = QPainter(image)
        self.strokes.paint(painter, self.frame, settled=settled)
        painter.end()
        return np.array(image.constBits()).reshape(image.height(), image.width(), 4)


def view(scale: float = 0.5, x: float = 10.0, y: float = 20.0) -> View:
    return View(SIZE, (480.0, 340.0), scale, x, y)


TARGET = StrokeTarget(colour=RED, opacity=0.5)
WALK = [disc(200 + 7 * step, 180 + 3 * step, 20) for step in range(30)]


@pytest.mark.parametrize("scale", [0.1, 0.37, 0.5, 1.0, 2.5, 9.0])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_a_stroke_drawn_piece_by_piece_looks_as_one_drawn_at_once(
    scale: float, ratio: float
) -> None:
    here = view(scale, 200 - 280 * scale, 150 - 210 * scale)
    live, after = Board(here, ratio), Board(here, ratio)
    stroke = live.strokes.begin(TARGET, adds=True)
    live.strokes.extend(stroke, WALK[:1])
    live.painted()
    for piece in WALK[1:]:
        live.strokes.extend(stroke, [piece])
    after.strokes.extend(after.strokes.begin(TARGET, adds=True), WALK)
    assert live.painted().any()
    assert np.array_equal(live.painted(), after.painted())


def test_a_piece_has_only_its_surroundings_painted_again() -> None:
    board = Board(view(0.5))
    stroke = board.strokes.begin(TARGET, adds=True)
    board.strokes.extend(stroke, WALK[:-1])
    board.painted()
    board.updates.clear()
    board.strokes.extend(stroke, [WALK[-1]])
    [part] = board.updates
    centre = QPointF(*board.frame.view.to_screen(403.5, 267.5)).toPoint()
    assert part.contains(centre)
    assert part.width() < 34 and part.height() < 34


def test_another_view_draws_all_strokes_where_they_lie_now() -> None:
    moved, fresh = Board(view(0.5)), Board(view(1.3, -150, -100))
    for board in (moved, fresh):
        board.strokes.extend(board.strokes.begin(TARGET, adds=True), WALK)
    moved.painted()
    moved.frame = fresh.frame
    assert np.array_equal(moved.painted(), fresh.painted())
    moved.frame = Frame(view(1.3, -5000, 0), (480, 340), 1.0, "#000000")
    assert not moved.painted().any()


def test_inside_a_selected_mask_adding_shows_nothing_new() -> None:
    board = Board(view(1.0, -100, -100))
    full = MaskGroup([Mask.from_array(whole(WALK))])
    target = StrokeTarget(frozenset({4}), full, colour=RED)
    board.strokes.extend(board.strokes.begin(target, adds=True), WALK[5:9])
    assert not board.painted().any()


def test_a_locked_mask_keeps_its_pixels_in_the_picture_too() -> None:
    free, kept = Board(view(1.0, -100, -100)), Board(view(1.0, -100, -100))
    free.strokes.extend(free.strokes.begin(TARGET, adds=True), WALK)
    left = np.zeros(SIZE, dtype=bool)
    left[:, :300] = True
    target = StrokeTarget(blocked=MaskGroup([Mask.from_array(left)]), colour=RED, opacity=0.5)
    kept.strokes.extend(kept.strokes.begin(target, adds=True), WALK)
    shown = kept.painted()
    assert not shown[:, :200].any()
    assert np.array_equal(shown[:, 204:], free.painted()[:, 204:])


def test_a_mask_that_only_the_end_brings_is_shown_as_well() -> None:
    board, drawn = Board(view(1.0, -100, -100)), Board(view(1.0, -100, -100))
    mask = Mask.from_array(whole(WALK))
    board.strokes.finish(board.strokes.begin(TARGET, adds=True), mask, None)
    drawn.strokes.extend(drawn.strokes.begin(TARGET, adds=True), WALK)
    assert np.array_equal(board.painted(), drawn.painted())


def test_a_stroke_stays_until_the_scene_shows_what_it_became() -> None:
    board = Board(view(0.5))
    first, second = (board.strokes.begin(TARGET, adds=True) for _ in range(2))
    board.strokes.extend(first, WALK[:10])
    board.strokes.extend(second, WALK[18:])
    both = board.painted(settled=True)
    board.strokes.land(first)
    assert np.array_equal(board.painted(settled=False), both)
    board.updates.clear()
    left = board.painted(settled=True)
    assert len(board.strokes) == 1
    assert board.updates, "what it covered is painted again"
    assert left.any() and not np.array_equal(left, both)
    board.strokes.land(second)
    assert not board.painted(settled=True).any()
    assert len(board.strokes) == 0


def test_what_an_earlier_stroke_has_become_is_not_tinted_twice() -> None:
    board = Board(view(0.5))
    first, second = (board.strokes.begin(TARGET, adds=True) for _ in range(2))
    board.strokes.extend(first, WALK[:20])
    board.strokes.extend(second, WALK[10:20])
    board.strokes.land(first)
    assert not board.painted(settled=True).any(), "the second lies wholly in the first"


def test_a_dropped_stroke_leaves_no_trace() -> None:
    board = Board(view(0.5))
    kept, dropped = (board.strokes.begin(TARGET, adds=True) for _ in range(2))
    board.strokes.extend(kept, WALK[:12])
    alone = board.painted()
    board.strokes.extend(dropped, WALK[8:])
    assert not np.array_equal(board.painted(), alone)
    board.strokes.drop(dropped)
    assert np.array_equal(board.painted(), alone)


# -- removing, on a canvas ---------------------------------------------------------------------


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    """Two overlapping squares: 1 in red, 2 in blue over its right part."""
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(640, 480)
    canvas.show()
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack((columns * 255 // SIZE[1], rows * 255 // SIZE[0], rows // 3), axis=2)
    canvas.show_image(Pyramid.of(RgbImage(pixels.astype(np.uint8))))
    arrays = np.zeros((2, *SIZE), dtype=bool)
    arrays[0, 200:400, 300:500] = True
    arrays[1, 200:400, 440:640] = True
    canvas.masks.annotations = tuple(
        Annotation(id=number, image_id=1, category_id=number, mask=Mask.from_array(array))
        for number, array in enumerate(arrays, start=1)
    )
    canvas.masks.categories = {1: Category(1, "a", "#ff0000"), 2: Category(2, "b", "#0000ff")}
    canvas.refresh()
    return canvas


def shown(canvas: Canvas, box: tuple[int, int, int, int]) -> np.ndarray:
    """The colours on screen of a box of image pixels."""
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.array(image.constBits()).reshape(image.height(), image.width(), 4)
    x0, y0 = (int(value) for value in canvas.view.to_screen(box[0], box[1]))
    x1, y1 = (int(value) for value in canvas.view.to_screen(box[2], box[3]))
    return pixels[y0:y1, x0:x1, :3].astype(int)


def test_removing_shows_at_once_what_the_edit_will_show(canvas: Canvas) -> None:
    row = canvas.masks.annotations[0]
    target = StrokeTarget(frozenset({1}), MaskGroup([row.mask]), colour=canvas.masks.colour(row))
    stroke = canvas.strokes.begin(target, adds=False)
    hole = Patch(np.ones((80, 160), dtype=bool), (320, 250))
    inner = (328, 258, 472, 322)
    canvas.strokes.extend(stroke, [hole])
    seen = shown(canvas, inner)
    canvas.strokes.clear()
    assert np.abs(seen - shown(canvas, inner)).max() > 30
    canvas.masks.hidden = frozenset({1})
    canvas.refresh()
    assert np.abs(seen - shown(canvas, inner)).max() <= 1, "the other mask stays in sight"


def test_removing_beside_the_target_changes_nothing(canvas: Canvas) -> None:
    before = shown(canvas, (0, 0, 900, 600))
    target = StrokeTarget(frozenset({1}), MaskGroup([canvas.masks.annotations[0].mask]))
    stroke = canvas.strokes.begin(target, adds=False)
    canvas.strokes.extend(stroke, [Patch(np.ones((80, 120), dtype=bool), (510, 250))])
    assert np.array_equal(shown(canvas, (0, 0, 900, 600)), before)


# -- the ring ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ground", ["#ffffff", "#000000", "#808080"])
@pytest.mark.parametrize("removes", [False, True])
def test_the_ring_stands_out_on_every_ground_and_leaves_its_middle_free(
    ground: str, removes: bool
) -> None:
    image = QImage(120, 120, QImage.Format.Format_RGB32)
    image.fill(QColor(ground))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ring, at = BrushRing(40.0, removes), QPointF(60, 60)
    ring.paint(painter, at, 1.0)
    painter.end()
    grey = np.array(image.constBits()).reshape(120, 120, 4)[..., :3].mean(axis=2)
    changed = np.abs(grey - QColor(ground).red()) > 30
    rows, columns = np.nonzero(changed)
    away = np.hypot(rows + 0.5 - 60, columns + 0.5 - 60)
    assert (np.abs(away - 40) <= HALO).all()
    turns = np.unique((np.arctan2(rows - 60, columns - 60) * 18 / np.pi).astype(int))
    assert len(turns) > 30, "it can be seen all around"
    covers = ring.place(at, 1.0)
    assert all(covers.contains(int(x), int(y)) for x, y in zip(columns, rows, strict=True))


def test_the_ring_of_a_tiny_brush_still_surrounds_something() -> None:
    assert BrushRing(0.5).on_screen(0.1) >= 2
    assert BrushRing(30.0).on_screen(2.0) == 60

"""Previews: where a candidate is on the screen, at the cost of what the screen shows."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate, MaskLogits
from segstudio.gui.canvas import preview
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.pictures import PictureLayer
from segstudio.gui.canvas.preview import Picture, Style, candidate_picture, drawn, part_of
from segstudio.gui.canvas.scene import Frame
from segstudio.gui.canvas.view import View
from segstudio.imaging.pyramid import Pyramid

BLUE = QColor("#4c9aff")


def blob(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A random mask with holes and islands."""
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), max(height, width) / 14) > 0)


def by_runs(mask: np.ndarray) -> Candidate:
    return Candidate(Mask.from_array(mask), 0.9, 0.9)


def on_screen(candidate: Candidate, place: Place) -> np.ndarray:
    """(h, w) bool of the whole place."""
    part = part_of(candidate, place)
    whole = np.zeros(place.size[::-1], dtype=bool)
    if part is not None:
        (x, y), (rows, columns) = part.corner, part.covered.shape
        whole[y : y + rows, x : x + columns] = part.covered
    return whole


def sampled(mask: np.ndarray, place: Place) -> np.ndarray:
    """What `on_screen` has to be for a mask of pixels, the slow way."""
    x = (np.arange(place.size[0]) + 0.5 - place.x) / place.scale
    y = (np.arange(place.size[1]) + 0.5 - place.y) / place.scale
    inside = ((y >= 0) & (y < mask.shape[0]))[:, None] & ((x >= 0) & (x < mask.shape[1]))
    rows = np.clip(np.floor(y).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(np.floor(x).astype(int), 0, mask.shape[1] - 1)
    return inside & mask[np.ix_(rows, columns)]


@given(
    seed=st.integers(0, 50),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    scale=st.sampled_from([0.13, 0.5, 0.77, 1.0, 1.7, 6.0]),
    x=st.floats(-60, 40),
    y=st.floats(-60, 40),
)
@settings(max_examples=150, deadline=None)
def test_a_mask_of_runs_covers_the_device_pixels_whose_centres_lie_in_it(
    seed: int, size: tuple[int, int], scale: float, x: float, y: float
) -> None:
    mask = np.random.default_rng(seed).random(size) < 0.6
    place = Place(scale, x, y, (50, 30))
    assert np.array_equal(on_screen(by_runs(mask), place), sampled(mask, place))


def test_runs_over_whole_columns_are_read_right() -> None:
    mask = np.ones((20, 30), dtype=bool)
    mask[5, 12] = False
    place = Place(1.0, 3.0, 2.0, (40, 30))
    assert np.array_equal(on_screen(by_runs(mask), place), sampled(mask, place))


def with_logits(
    height: int, width: int, cells: int = 64, seed: int = 3
) -> tuple[Candidate, np.ndarray]:
    """A candidate of a coarse grid, and its mask by torch's own upsampling."""
    noise = np.random.default_rng(seed).standard_normal((cells, cells)).astype(np.float32)
    values = np.asarray(cv2.GaussianBlur(noise, (0, 0), cells / 14), dtype=np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], (height, width), mode="bilinear", align_corners=False
    )
    mask = large[0, 0].numpy() > 0
    logits = MaskLogits(values, (0.0, 0.0), (width / cells, height / cells))
    return Candidate(Mask.from_array(mask), 0.9, 0.9, logits), mask


@pytest.mark.parametrize("size", [(480, 640), (200, 90), (64, 64)])
def test_logits_at_full_size_are_what_bilinear_upsampling_gives(size: tuple[int, int]) -> None:
    candidate, mask = with_logits(*size)
    place = Place(1.0, 0.0, 0.0, (size[1], size[0]))
    assert np.mean(on_screen(candidate, place) != mask) < 0.002


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_logits_lie_where_the_mask_lies_at_any_zoom(scale: float) -> None:
    candidate, mask = with_logits(300, 400)
    place = Place(scale, -60.5 * scale, -40.25 * scale, (320, 240))
    found, wanted = on_screen(candidate, place), sampled(mask, place)
    assert (found & wanted).sum() / (found | wanted).sum() > 0.98


def test_a_grid_with_an_origin_lies_at_its_origin() -> None:
    values = np.full((4, 4), -1.0, dtype=np.float32)
    values[1:3, 1:3] = 3.0
    array = np.zeros((100, 100), dtype=bool)
    array[45:65, 35:55] = True
    logits = MaskLogits(values, (25.0, 35.0), (10.0, 10.0))
    found = on_screen(
        Candidate(Mask.from_array(array), 0.9, 0.9, logits), Place(1.0, 0.0, 0.0, (100, 100))
    )
    ys, xs = np.nonzero(found)
    assert abs(xs.mean() - 44.5) < 1
    assert abs(ys.mean() - 54.5) < 1
    assert not found[:45].any()  # nothing beyond the mask's box


def test_nothing_of_the_mask_in_sight_is_no_part() -> None:
    candidate, _ = with_logits(100, 100)
    assert part_of(candidate, Place(1.0, 500.0, 0.0, (200, 200))) is None
    empty = Candidate(Mask.empty((100, 100)), 0.9, 0.9)
    assert part_of(empty, Place(1.0, 0.0, 0.0, (200, 200))) is None


def test_a_part_is_whole_only_if_no_more_of_the_mask_lies_beyond() -> None:
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:80, 30:60] = True
    for x, whole in ((0.0, True), (-30.0, True), (-31.0, False), (150.0, False)):
        part = part_of(by_runs(mask), Place(1.0, x, 0.0, (200, 200)))
        assert part is not None
        assert part.whole is whole


@pytest.mark.parametrize("of_logits", [True, False])
def test_what_is_made_is_as_large_as_the_screen_whatever_the_image_is(
    of_logits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("a full-size crop of the mask was made")

    monkeypatch.setattr(Mask, "crop", forbidden)
    huge = Mask((30_000, 30_000), np.array([0, 900_000_000], dtype=np.int64))
    logits = MaskLogits(np.ones((256, 256), np.float32), (0, 0), (30_000 / 256, 30_000 / 256))
    candidate = Candidate(huge, 0.9, 0.9, logits if of_logits else None)
    for scale in (0.02, 1.0, 8.0):
        part = part_of(candidate, Place(scale, 20.0, 20.0, (800, 600)))
        assert part is not None
        assert part.covered.size <= 800 * 600
        assert part.covered.any()


def test_fill_is_premultiplied_and_the_outline_opaque() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:50, 10:50] = True
    part = part_of(by_runs(mask), Place(1.0, 0.0, 0.0, (60, 60)))
    assert part is not None
    pixels = drawn(part, Style(BLUE, 0.4))
    edge, middle = pixels[preview.EDGE, 20], pixels[25, 25]
    assert edge[3] > 200
    assert middle[3] == round(0.4 * 255)
    assert middle.tolist()[:3] == [round(0.4 * value) for value in (255, 154, 76)]
    assert pixels[0, 0, 3] == 0
    assert np.all(pixels[..., :3].max(axis=2) <= pixels[..., 3])


def test_a_dashed_outline_has_gaps() -> None:
    mask = np.zeros((200, 200), dtype=bool)
    mask[10:190, 10:190] = True
    part = part_of(by_runs(mask), Place(1.0, 0.0, 0.0, (200, 200)))
    assert part is not None
    whole = drawn(part, Style(BLUE, 0.1))[..., 3] > 128
    dashed = drawn(part, Style(BLUE, 0.1, dashed=True))[..., 3] > 128
    assert 0.4 < dashed.sum() / whole.sum() < 0.8


def test_a_small_picture_shows_the_mask_in_the_middle_of_its_photo() -> None:
    photo = np.full((600, 900, 3), (10, 200, 10), dtype=np.uint8)
    pyramid = Pyramid.of(RgbImage(photo))
    mask = np.zeros((600, 900), dtype=bool)
    mask[300:400, 800:900] = True  # at the photo's edge: beyond it there is nothing
    image = candidate_picture(pyramid, by_runs(mask), QColor("#ff0000"))
    side = 2 * preview.TILE
    assert (image.width(), image.height()) == (side, side)
    middle = image.pixelColor(side // 2, side // 2)
    assert middle.red() > 100
    assert middle.green() < 160
    assert image.pixelColor(4, 4).green() > 180
    assert image.pixelColor(side - 2, 4).green() < 80, "beside the photo"


# -- layers -----------------------------------------------------------------------------------

Waiting = list[tuple[Callable[[], Picture | None], Callable[[Picture | None], None]]]


@pytest.fixture
def board(qtbot: QtBot) -> QImage:
    del qtbot
    image = QImage(300, 200, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    return image


def frame_at(scale: float, x: float, y: float) -> Frame:
    return Frame(View((400, 600), (300.0, 200.0), scale, x, y), (300, 200), 1.0, "#000000")


def square(colour: str = "#ff0000") -> Callable[[Place, float], Picture | None]:
    """Draws 40 pixels of the image, at (100, 100)."""
    mask = np.zeros((400, 600), dtype=bool)
    mask[100:140, 100:140] = True
    candidate = by_runs(mask)
    style = Style(QColor(colour), 1.0)
    return lambda place, ratio: preview.picture_of(candidate, place, style, ratio)


def painted(layer: PictureLayer, board: QImage, frame: Frame) -> QImage:
    board.fill(QColor("black"))
    painter = QPainter(board)
    layer.paint(painter, frame)
    painter.end()
    return board


def test_a_layer_shows_its_picture_where_the_mask_is(board: QImage) -> None:
    layer = PictureLayer(lambda: None)
    layer.show(square())
    image = painted(layer, board, frame_at(1.0, -50.0, -50.0))
    assert image.pixelColor(QPoint(70, 70)).red() == 255
    assert image.pixelColor(QPoint(45, 70)).red() == 0
    layer.show(None)
    assert painted(layer, board, frame_at(1.0, -50.0, -50.0)).pixelColor(QPoint(70, 70)).red() == 0


def test_a_zoom_moves_and_scales_the_old_picture_until_the_new_one_is_there(board: QImage) -> None:
    layer, waiting = PictureLayer(lambda: None), Waiting()
    layer.show(square())
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    layer.draw_later = lambda work, done: waiting.append((work, done))
    image = painted(layer, board, frame_at(0.5, 20.0, 0.0))
    assert image.pixelColor(QPoint(80, 60)).red() == 255
    assert image.pixelColor(QPoint(60, 60)).red() == 0
    work, done = waiting.pop()
    done(work())
    image = painted(layer, board, frame_at(0.5, 20.0, 0.0))
    assert image.pixelColor(QPoint(80, 60)).red() == 255
    assert waiting == []


def test_one_drawing_at_a_time_and_the_newest_is_drawn_next(board: QImage) -> None:
    calls: list[int] = []
    layer, waiting = PictureLayer(lambda: calls.append(1)), Waiting()
    layer.draw_later = lambda work, done: waiting.append((work, done))
    layer.show(square("#ff0000"))
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    layer.show(square("#00ff00"))
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    assert len(waiting) == 1
    before = len(calls)
    work, done = waiting.pop()
    done(work())
    assert len(calls) == before + 1, "the canvas is told to paint again"
    assert layer.picture is None, "the picture is of what nobody wants to see any more"
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    work, done = waiting.pop()
    done(work())
    image = painted(layer, board, frame_at(1.0, 0.0, 0.0))
    assert image.pixelColor(QPoint(120, 120)).green() == 255


def test_a_pan_draws_nothing_anew_where_the_whole_mask_is_in_the_picture(board: QImage) -> None:
    layer, waiting = PictureLayer(lambda: None), Waiting()
    layer.show(square())
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    layer.draw_later = lambda work, done: waiting.append((work, done))
    image = painted(layer, board, frame_at(1.0, 30.0, 10.0))
    assert waiting == []
    assert image.pixelColor(QPoint(165, 130)).red() == 255


def test_a_drawing_that_failed_is_not_tried_again_and_again(board: QImage) -> None:
    layer, waiting = PictureLayer(lambda: None), Waiting()
    layer.draw_later = lambda work, done: waiting.append((work, done))
    layer.show(square())
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    waiting.pop()[1](None)
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    assert waiting == []
    layer.forget()
    painted(layer, board, frame_at(1.0, 0.0, 0.0))
    assert len(waiting) == 1

"""Selected and hovered annotations are marked from their masks, in the background."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.marked import selection_picture
from segstudio.imaging.pyramid import Pyramid

SIZE = 300, 400


def square(id_: int, x: int, y: int, side: int = 80) -> Annotation:
    array = np.zeros(SIZE, dtype=bool)
    array[y : y + side, x : x + side] = True
    return Annotation(id=id_, image_id=1, category_id=1, mask=Mask.from_array(array))


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(440, 340)
    canvas.show()
    canvas.show_image(Pyramid.of(RgbImage(np.full((*SIZE, 3), 90, dtype=np.uint8))))
    canvas.set_view(canvas.view.actual_size())
    canvas.masks.annotations = (square(1, 40, 60), square(2, 250, 150))
    canvas.masks.categories = {1: Category(1, "thing", "#ff0000")}
    canvas.refresh()
    return canvas


def pixels(canvas: Canvas) -> np.ndarray:
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return np.array(image.constBits()).reshape(image.height(), image.width(), 4)[..., :3]


def near(canvas: Canvas, id_: int, margin: int = 4) -> tuple[slice, slice]:
    """The annotation's part of the screen."""
    row = next(row for row in canvas.masks.annotations if row.id == id_)
    x0, y0 = canvas.view.to_screen(row.mask.box.x0, row.mask.box.y0)
    x1, y1 = canvas.view.to_screen(row.mask.box.x1, row.mask.box.y1)
    return slice(int(y0) - margin, int(y1) + margin), slice(int(x0) - margin, int(x1) + margin)


def test_a_selected_annotation_has_white_and_black_around_it_and_the_other_nothing(
    canvas: Canvas,
) -> None:
    before = pixels(canvas)
    canvas.overlay.selected = (1,)
    after = pixels(canvas)
    there = after[near(canvas, 1)].reshape(-1, 3)
    assert (there.min(axis=1) > 230).sum() > 80
    assert (there.max(axis=1) < 60).sum() > 80
    assert np.array_equal(after[near(canvas, 2)], before[near(canvas, 2)])
    canvas.overlay.selected = ()
    assert np.array_equal(pixels(canvas), before)


def test_the_annotation_under_the_pointer_is_tinted(canvas: Canvas) -> None:
    before = pixels(canvas)
    canvas.overlay.hovered = 2
    after = pixels(canvas)
    inside = near(canvas, 2, -10)
    assert after[inside][..., 2].mean() > before[inside][..., 2].mean() + 5
    assert np.array_equal(after[near(canvas, 1)], before[near(canvas, 1)])


def test_hidden_masks_are_not_marked(canvas: Canvas) -> None:
    before = pixels(canvas)
    canvas.overlay.selected, canvas.overlay.hovered = (1,), 2
    canvas.masks.hidden = frozenset({1, 2})
    assert np.array_equal(pixels(canvas), before)
    canvas.masks.hidden, canvas.masks.visible = frozenset(), False
    canvas.refresh()
    without = pixels(canvas)
    canvas.overlay.selected, canvas.overlay.hovered = (), None
    assert np.array_equal(pixels(canvas), without)


def test_an_edited_mask_is_marked_as_it_is_now(canvas: Canvas) -> None:
    canvas.overlay.selected = (1,)
    first = pixels(canvas)
    canvas.masks.annotations = (square(1, 60, 60), canvas.masks.annotations[1])
    assert not np.array_equal(pixels(canvas), first)


def test_a_selection_partly_out_of_sight_is_no_whole_picture() -> None:
    rows = (square(1, 40, 60), square(2, 250, 150))
    whole = selection_picture(rows, Place(1.0, 0.0, 0.0, (400, 300)), 1.0)
    part = selection_picture(rows, Place(1.0, 0.0, 0.0, (200, 300)), 1.0)
    assert whole is not None
    assert whole.whole
    assert part is not None
    assert not part.whole
    assert selection_picture(rows, Place(1.0, 900.0, 0.0, (200, 300)), 1.0) is None

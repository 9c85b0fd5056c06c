"""The picture of what an operation would add and take."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QColor, QImage

from segstudio.core.mask import Mask
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.preview import Picture
from segstudio.gui.canvas.reshaped import GAINED, LOST, MOST_RINGS, Change, changes_picture

SIZE = (200, 300)
BLUE, RED = QColor("#2040ff"), QColor("#ff2020")
EMPTY = Mask.empty(SIZE)


def box(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), dtype=bool), (x0, y0), SIZE)


def place(scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> Place:
    return Place(scale, x, y, (300, 200))


def at(picture: Picture, x: int, y: int) -> QColor:
    """The colour, not premultiplied, at a device pixel of the place."""
    image = picture.image.convertToFormat(QImage.Format.Format_ARGB32)
    return image.pixelColor(x - picture.corner[0], y - picture.corner[1])


def test_gains_have_their_colour_and_losses_the_one_of_danger() -> None:
    change = Change(box(10, 10, 50, 50), box(100, 10, 140, 50), BLUE)
    picture = changes_picture([change], place(), 1.0, RED)
    assert picture is not None
    assert picture.whole
    gained, lost = at(picture, 30, 30), at(picture, 120, 30)
    assert abs(gained.alphaF() - GAINED) < 0.01 and gained.blue() > 250
    assert abs(lost.alphaF() - LOST) < 0.01 and lost.red() > 250
    assert at(picture, 75, 30).alpha() == 0


def test_nothing_in_sight_is_no_picture_and_half_in_sight_not_whole() -> None:
    change = Change(box(10, 10, 50, 50), EMPTY, BLUE)
    assert changes_picture([change], place(x=-100), 1.0, RED) is None
    assert changes_picture([], place(), 1.0, RED) is None
    partly = changes_picture([change], place(x=-30), 1.0, RED)
    assert partly is not None and not partly.whole
    beside = Change(box(200, 10, 290, 50), EMPTY, BLUE)
    some = changes_picture([change, beside], place(x=-100), 1.0, RED)
    assert some is not None and not some.whole


def test_overlapping_changes_lie_over_each_other_without_overflowing() -> None:
    changes = [Change(box(10, 10, 50, 50), EMPTY, BLUE) for _ in range(4)]
    picture = changes_picture(changes, place(), 1.0, RED)
    assert picture is not None
    assert at(picture, 30, 30).alpha() > 0.97 * 255
    assert at(picture, 30, 30).blue() > 250


def test_a_crumb_too_small_to_be_seen_gets_a_ring_where_rings_are_wanted() -> None:
    speck = box(150, 100, 152, 102)
    for ringed in (True, False):
        change = Change(EMPTY, speck, BLUE, ringed)
        picture = changes_picture([change], place(), 1.0, RED)
        assert picture is not None
        assert (at(picture, 157, 101).alpha() > 100) == ringed
    close = [
        changes_picture([Change(EMPTY, speck, BLUE, ringed)], place(8, -1100, -700), 1.0, RED)
        for ringed in (True, False)
    ]
    assert close[0] is not None and close[1] is not None
    assert close[0].image == close[1].image


def test_very_many_crumbs_get_no_rings() -> None:
    dots = np.zeros(SIZE, dtype=bool)
    dots[4:196:10, 4:296:10] = True
    assert dots.sum() > MOST_RINGS
    change = Change(EMPTY, Mask.from_array(dots), BLUE, True)
    assert len(change.specks) == dots.sum()
    picture = changes_picture([change], place(), 1.0, RED)
    assert picture is not None
    assert at(picture, 14 + 5, 14).alpha() == 0

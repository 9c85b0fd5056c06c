"""How masks look: the same in every piece, and drawn again only where something changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.mask import Mask
from segstudio.gui.canvas.layers import MaskLayer
from segstudio.gui.canvas.looks import Look, Looks, reach
from segstudio.gui.canvas.place import Place

SIZE = (60, 90)
RED, GREEN = (20, 20, 220), (20, 220, 20)


def disc(x: float, y: float, radius: float, size: tuple[int, int] = SIZE) -> Mask:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return Mask.from_array((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2)


def looks(*rows: Look, opacity: float = 0.4) -> Looks:
    return Looks(rows, opacity)


def drawn(what: Looks, place: Place, ratio: float = 1.0) -> np.ndarray:
    pixels = np.full((place.size[1], place.size[0], 4), 100, dtype=np.uint8)
    assert what.draw(pixels, place, ratio)
    return pixels


@pytest.mark.parametrize("ratio", [1.0, 2.0])
@pytest.mark.parametrize("scale", [0.37, 1.0, 3.3])
def test_a_piece_looks_as_it_does_in_the_whole(scale: float, ratio: float) -> None:
    what = looks(Look(1, disc(30, 30, 22), RED), Look(2, disc(50, 25, 14), GREEN, hatched=True))
    wide, high = round(SIZE[1] * scale) + 3, round(SIZE[0] * scale) + 3
    whole = drawn(what, Place(scale, 1.4, 0.3, (wide, high)), ratio)
    for x0, y0, x1, y1 in ((0, 0, wide // 2, high), (wide // 3, high // 3, wide, high // 2 + 2)):
        piece = drawn(what, Place(scale, 1.4 - x0, 0.3 - y0, (x1 - x0, y1 - y0)), ratio)
        assert np.array_equal(piece, whole[y0:y1, x0:x1])


def test_inside_is_filled_the_edge_is_a_line_and_nothing_is_drawn_farther_away() -> None:
    mask = disc(45, 30, 20)
    pixels = drawn(looks(Look(1, mask, RED)), Place(1.0, 0.0, 0.0, (90, 60)))
    assert np.abs(pixels[30, 45, :3].astype(int) - np.array([68, 68, 148])).max() <= 1
    assert pixels[30, 64, 2] > 200, "the outermost pixel of the mask is on the line"
    rows, columns = np.mgrid[:60, :90]
    far = (columns + 0.5 - 45) ** 2 + (rows + 0.5 - 30) ** 2 > (20 + reach(1.0) + 1) ** 2
    assert (pixels[far] == 100).all()


def test_a_mask_of_less_than_a_pixel_is_still_seen() -> None:
    one = np.zeros((600, 900), dtype=bool)
    one[301, 452] = True
    pixels = drawn(looks(Look(1, Mask.from_array(one), RED)), Place(0.1, 0.0, 0.0, (90, 60)))
    assert (pixels[28:33, 43:48] != 100).any()


def test_hidden_ones_and_empty_ones_are_not_drawn() -> None:
    what = looks(Look(1, disc(30, 30, 22), RED), Look(2, Mask.empty(SIZE), GREEN))
    pixels = np.full((60, 90, 4), 100, dtype=np.uint8)
    assert what.draw(pixels, Place(1.0, 0.0, 0.0, (90, 60)), 1.0, hidden=frozenset({1}))
    assert (pixels == 100).all()


def test_drawing_stops_when_nobody_wants_it() -> None:
    pixels = np.full((60, 90, 4), 100, dtype=np.uint8)
    place = Place(1.0, 0.0, 0.0, (90, 60))
    assert not looks(Look(1, disc(30, 30, 22), RED)).draw(pixels, place, 1.0, wanted=lambda: False)
    assert (pixels == 100).all()


def test_only_what_changed_is_drawn_again() -> None:
    one, two = Look(1, disc(20, 30, 10), RED), Look(2, disc(60, 30, 10), GREEN)
    old = looks(one, two)
    dabbed = replace(two, mask=two.mask.union(disc(70, 30, 3)))
    (box,) = looks(one, dabbed).changed(old) or []
    assert box.x0 >= 66 and box.x1 <= 73 and box.y0 >= 27 and box.y1 <= 33
    assert looks(one, two).changed(old) == []
    assert looks(replace(one), two).changed(old) == [], "a new record of the same looks"
    assert looks(one).changed(old) == [two.mask.box]
    assert looks(replace(one, hatched=True), two).changed(old) == [one.mask.box, one.mask.box]
    assert set(looks(two, one).changed(old) or []) == {one.mask.box, two.mask.box}
    assert looks(one, two, opacity=0.5).changed(old) is None


@given(st.lists(st.integers(0, 5), max_size=6), st.lists(st.integers(0, 5), max_size=6))
@settings(max_examples=60, deadline=None)
def test_beside_the_changed_boxes_nothing_looks_another_way(old: list[int], new: list[int]) -> None:
    rows = [Look(n, disc(12 + 13 * n, 30, 11), (40 * n, 200 - 30 * n, 90)) for n in range(6)]
    before = looks(*(rows[n] for n in dict.fromkeys(old)))
    after = looks(*(rows[n] for n in dict.fromkeys(new)))
    place = Place(1.0, 0.0, 0.0, (90, 60))
    differs = (drawn(before, place) != drawn(after, place)).any(axis=2)
    boxes = after.changed(before)
    assert boxes is not None
    for x0, y0, x1, y1 in boxes:
        around = reach(1.0) + 1
        differs[
            max(0, int(y0) - around) : int(y1) + around, max(0, int(x0) - around) : int(x1) + around
        ] = False
    assert not differs.any()


def test_annotations_that_stay_keep_their_look() -> None:
    layer = MaskLayer(categories={1: Category(1, "thing", "#ff0000")})
    one = Annotation(1, 1, 1, disc(20, 30, 10))
    two = Annotation(2, 1, 1, disc(60, 30, 10))
    layer.annotations = (one, two)
    before = layer.looks().rows
    layer.annotations = (one, replace(two, locked=True))
    after = layer.looks().rows
    assert after[0] is before[0]
    assert (before[1].hatched, after[1].hatched) == (False, True)
    layer.categories = {1: Category(1, "thing", "#00ff00")}
    assert layer.looks().rows[0].colour != before[0].colour
    layer.hidden = frozenset({1})
    assert [row.id for row in layer.looks().rows] == [2]
    layer.visible = False
    assert layer.looks().rows == ()


def test_masks_of_other_images_differ_everywhere() -> None:
    one, other = disc(20, 30, 10), disc(60, 30, 10, (60, 100))
    old, new = looks(Look(1, one, RED)), looks(Look(1, other, RED))
    assert set(new.changed(old) or []) == {one.box, other.box}

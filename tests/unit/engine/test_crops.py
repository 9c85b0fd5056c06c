"""The crop for what is visible: it holds it, it is worth it, and it stays while one pans a bit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.mask import Box
from segstudio.engine.crops import crop_for

sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))
places = st.floats(-5_000, 25_000)
lengths = st.floats(0.5, 12_000)
LARGE = (8_000, 10_000)


def view(x: float, y: float, width: float, height: float) -> Box:
    return Box(x, y, x + width, y + height)


@given(sizes, places, places, lengths, lengths)
def test_a_crop_holds_what_is_visible_and_lies_inside_the_image(
    size: tuple[int, int], x: float, y: float, width: float, height: float
) -> None:
    rows, columns = size
    crop = crop_for(view(x, y, width, height), size)
    if crop is None:
        seen_width = min(columns, x + width) - max(0, x)
        seen_height = min(rows, y + height) - max(0, y)
        # Nothing is seen, or a crop and its margin would be most of the image.
        assert min(seen_width, seen_height) <= 0 or (
            max(1024, 5 / 3 * max(seen_width, seen_height) + 1) > 0.75 * max(size)
        )
        return
    assert all(isinstance(value, int) for value in crop)
    assert 0 <= crop.x0 <= max(0, x)
    assert min(columns, x + width) <= crop.x1 <= columns
    assert 0 <= crop.y0 <= max(0, y)
    assert min(rows, y + height) <= crop.y1 <= rows
    assert crop.x1 - crop.x0 >= min(1024, columns)
    assert crop.y1 - crop.y0 >= min(1024, rows)
    assert max(crop.xywh[2:]) <= 0.75 * max(size)
    assert max(crop.xywh[2:]) <= max(1024, 5 / 3 * max(width, height) + 1)


@given(st.floats(0, 9_000), st.floats(0, 7_000), st.floats(100, 1_000))
def test_a_small_part_of_a_large_image_always_has_a_crop(x: float, y: float, side: float) -> None:
    assert crop_for(view(x, y, side, side), LARGE) is not None


def test_what_shows_nearly_the_whole_image_has_none() -> None:
    assert crop_for(Box(0, 0, 10_000, 8_000), LARGE) is None
    assert crop_for(Box(500, 500, 7_000, 6_000), LARGE) is None


def test_an_image_that_a_model_sees_at_its_own_size_has_none() -> None:
    assert crop_for(Box(10, 10, 20, 20), (1024, 1024)) is None
    assert crop_for(Box(10, 10, 20, 20), (600, 900)) is None


def test_nothing_visible_has_none() -> None:
    assert crop_for(Box(-50, 0, 0, 100), LARGE) is None
    assert crop_for(Box(100, 100, 100, 200), LARGE) is None


def test_small_pans_and_zooms_mostly_keep_the_crop() -> None:
    panned = {crop_for(view(x, 3_000, 900, 600), LARGE) for x in range(2_000, 4_001, 10)}
    assert len(panned) <= 2_000 // (1_280 // 4) + 2
    zoomed = {crop_for(view(5_000 - w / 2, 4_000 - w / 2, w, w), LARGE) for w in range(300, 900)}
    assert len(zoomed) <= 3


def test_a_long_narrow_image_is_cut_along_its_length() -> None:
    crop = crop_for(Box(5_000, 0, 5_500, 300), (300, 12_000))
    assert crop is not None
    assert (crop.y0, crop.y1) == (0, 300)
    assert crop.x1 - crop.x0 == 1024

"""Zoom and pan: what is under the cursor stays there, and the image cannot be lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.mask import Box
from segstudio.gui.canvas.view import FILLED, KEEP_IN_SIGHT, MAX_SCALE, MIN_SCALE, SPECK, View

sizes = st.tuples(st.integers(200, 20_000), st.integers(200, 20_000))
viewports = st.tuples(st.floats(300, 4000), st.floats(300, 4000))


@given(sizes, viewports)
def test_a_fitted_image_lies_whole_and_centred_in_the_viewport(
    size: tuple[int, int], viewport: tuple[float, float]
) -> None:
    view = View(size, viewport).fitted()
    left, top = view.to_screen(0, 0)
    right, bottom = view.to_screen(size[1], size[0])
    assert left == pytest.approx(viewport[0] - right)
    assert top == pytest.approx(viewport[1] - bottom)
    if view.scale > MIN_SCALE:
        assert left > 0
        assert top > 0


@given(sizes, viewports, st.floats(0.5, 2.0), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_the_pixel_under_the_cursor_stays_there_while_zooming(
    size: tuple[int, int], viewport: tuple[float, float], factor: float, fx: float, fy: float
) -> None:
    view = View(size, viewport).fitted()
    cursor = view.to_screen(fx * size[1], fy * size[0])
    before = view.to_image(*cursor)
    after = view.zoomed(factor, *cursor)
    if MIN_SCALE < after.scale < MAX_SCALE:
        assert after.to_image(*cursor) == pytest.approx(before, abs=0.01 + 1 / after.scale)


@given(sizes, viewports, st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))))
def test_some_of_the_image_stays_in_sight_however_far_it_is_dragged(
    size: tuple[int, int], viewport: tuple[float, float], drags: list[tuple[float, float]]
) -> None:
    view = View(size, viewport).fitted()
    for drag in drags:
        view = view.panned(*drag)
    x0, y0, x1, y1 = view.visible
    assert (x1 - x0) * view.scale >= min(KEEP_IN_SIGHT, size[1] * view.scale) - 1e-6
    assert (y1 - y0) * view.scale >= min(KEEP_IN_SIGHT, size[0] * view.scale) - 1e-6


def test_screen_and_image_positions_are_inverse() -> None:
    view = View((1000, 1500), (800.0, 600.0)).fitted().zoomed(3.3, 100, 200)
    assert view.to_image(*view.to_screen(12.5, 99.25)) == pytest.approx((12.5, 99.25))


def test_actual_size_is_one_screen_pixel_an_image_pixel() -> None:
    assert View((4000, 4000), (800.0, 600.0)).fitted().actual_size().scale == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("box", "scale"),
    [
        (Box(500, 300, 540, 330), 1.0),  # neither a speck nor too large: the scale stays
        (Box(500, 300, 502, 301), SPECK / 2),
        (Box(0, 0, 1000, 800), FILLED * 600 / 800),
    ],
)
def test_a_place_is_shown_in_the_middle_at_a_scale_that_suits_it(box: Box, scale: float) -> None:
    shown = View((800, 1000), (800.0, 600.0)).showing(box)
    assert shown.scale == pytest.approx(scale)
    assert shown.to_screen((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) == pytest.approx(
        (400.0, 300.0)
    )

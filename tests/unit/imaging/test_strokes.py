"""Discs and capsules cover just the pixels whose centres are near enough, once each."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from segstudio.core.patch import Patch
from segstudio.imaging.strokes import UNIT, Point, Stroke, capsule_rows

SIZE = (40, 60)
# Beside the image too, and many of them on and between pixel centres.
coordinates = st.integers(-20 * UNIT, 80 * UNIT).map(lambda n: n / UNIT) | st.integers(
    -20, 160
).map(lambda n: n / 2)
places = st.tuples(coordinates, coordinates)
radii = st.integers(0, 30 * UNIT).map(lambda n: n / UNIT) | st.integers(0, 40).map(lambda n: n / 2)


def distances(start: Point, end: Point, size: tuple[int, int]) -> np.ndarray:
    """(H, W) float64 distance of each pixel's centre from a segment."""
    y, x = np.indices(size) + 0.5
    dx, dy = end[0] - start[0], end[1] - start[1]
    square = dx * dx + dy * dy
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / square if square else np.zeros(size)
    along = np.clip(along, 0, 1)
    return np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)


def covered(start: Point, end: Point, radius: float, size: tuple[int, int]) -> np.ndarray:
    rows = capsule_rows(start, end, radius, size)
    array = np.zeros(size, dtype=bool)
    for row, (first, last) in enumerate(zip(rows.first, rows.last, strict=True), start=rows.top):
        array[row, first:last] = True
    return array


def exactly_near(start: Point, end: Point, radius: float, pixel: tuple[int, int]) -> bool:
    """The distance test without rounding."""
    (ax, ay), (bx, by) = ((Fraction(x), Fraction(y)) for x, y in (start, end))
    px, py = pixel[0] + Fraction(1, 2), pixel[1] + Fraction(1, 2)
    dx, dy = bx - ax, by - ay
    square = dx * dx + dy * dy
    along = ((px - ax) * dx + (py - ay) * dy) / square if square else Fraction(0)
    along = min(max(along, Fraction(0)), Fraction(1))
    x, y = px - ax - along * dx, py - ay - along * dy
    return x * x + y * y <= Fraction(radius) ** 2


@given(places, places, radii)
@example((10.5, 10.5), (10.5, 10.5), 3.0)
@example((5.0, 5.5), (30.0, 5.5), 2.0)
@example((8.5, 30.0), (8.5, 2.0), 0.5)
@example((3.5, 3.5), (33.5, 23.5), 0.5)
def test_a_capsule_is_what_the_distance_test_says(start: Point, end: Point, radius: float) -> None:
    away = distances(start, end, SIZE)
    found = covered(start, end, radius, SIZE)
    clear = np.abs(away - radius) > 1e-9
    assert np.array_equal(found[clear], away[clear] <= radius)
    for y, x in np.argwhere(~clear):  # where floats cannot tell, fractions do
        assert found[y, x] == exactly_near(start, end, radius, (int(x), int(y)))


@given(st.lists(places, min_size=1, max_size=6), radii)
def test_pieces_are_disjoint_and_make_up_the_stroke(path: list[Point], radius: float) -> None:
    stroke, times, wanted = Stroke(SIZE), np.zeros(SIZE, dtype=int), np.zeros(SIZE, dtype=bool)
    for start, end in zip([path[0], *path], path, strict=False):
        wanted |= covered(start, end, radius, SIZE)
        for piece in stroke.add(start, end, radius):
            x0, y0, x1, y1 = piece.box
            times[y0:y1, x0:x1] += piece.pixels
        assert np.array_equal(times, wanted)
    assert np.array_equal(stroke.mask().to_array(), wanted)


def test_a_stroke_over_many_tiles_is_whole_and_in_small_pieces() -> None:
    size = (700, 900)
    stroke, seen = Stroke(size), np.zeros(size, dtype=bool)
    for start, end in (((-5.0, 3.0), (890.0, 699.0)), ((890.0, 699.0), (255.90625, 256.09375))):
        for piece in stroke.add(start, end, 37.25):
            x0, y0, x1, y1 = piece.box
            assert x1 - x0 <= 256 and y1 - y0 <= 256
            assert not (seen[y0:y1, x0:x1] & piece.pixels).any()
            seen[y0:y1, x0:x1] |= piece.pixels
    one = distances((-5.0, 3.0), (890.0, 699.0), size) <= 37.25
    other = distances((890.0, 699.0), (255.90625, 256.09375), size) <= 37.25
    assert np.array_equal(seen, one | other)
    assert np.array_equal(stroke.mask().to_array(), seen)


def test_a_stroke_costs_what_it_covers_of_a_huge_image() -> None:
    stroke = Stroke((100_000, 100_000))
    stroke.add((10.0, 10.0), (500.0, 10.0), 4.0)
    stroke.add((99_990.0, 99_990.0), (99_995.0, 99_990.0), 4.0)
    assert sum(tile.nbytes for tile in stroke._tiles.values()) <= 3 * 256 * 256
    far = distances((10.0, 10.0), (500.0, 10.0), (50, 600)) <= 4
    end = distances((90.0, 90.0), (95.0, 90.0), (100, 100)) <= 4
    assert stroke.mask().area == far.sum() + end.sum()


def test_patches_join_a_stroke() -> None:
    stroke = Stroke((300, 600))
    pixels = np.random.default_rng(4).random((280, 500)) < 0.5
    seen = np.zeros((300, 600), dtype=bool)
    for _ in range(2):
        for piece in stroke.add_patch(Patch(pixels, (40, 15))):
            x0, y0, x1, y1 = piece.box
            seen[y0:y1, x0:x1] ^= piece.pixels
    assert np.array_equal(seen[15:295, 40:540], pixels) and seen.sum() == pixels.sum()
    assert np.array_equal(stroke.mask().to_array(), seen)


def test_nothing_is_covered_beside_the_image() -> None:
    stroke = Stroke(SIZE)
    assert stroke.add((-50.0, -50.0), (-10.0, 90.0), 5.0) == ()
    assert stroke.mask().area == 0

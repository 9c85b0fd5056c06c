"""Editable outlines: exact where nobody touched them, few vertices, and steady under the hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segstudio.core.mask import Mask
from segstudio.imaging.outline_tracing import editable_outline
from segstudio.imaging.outlines import At, Outline, moved, with_vertex, without_vertex

SIZE = (40, 60)


def disc(x: float, y: float, r: float, size: tuple[int, int] = SIZE) -> np.ndarray:
    rows, columns = np.indices(size) + 0.5
    return np.hypot(columns - x, rows - y) <= r


def blobs(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    array = np.zeros(SIZE, dtype=bool)
    for _ in range(random.integers(1, 6)):
        shape = disc(random.uniform(0, 60), random.uniform(0, 40), random.uniform(1, 14))
        array = array | shape if random.random() < 0.7 else array & ~shape
    speckled = random.random() < 0.3
    return array ^ (random.random(SIZE) < 0.05) if speckled else array


arrays = st.integers(0, 2**32 - 1).map(blobs)
places = st.tuples(st.integers(0, 240), st.integers(0, 160)).map(lambda p: (p[0] / 4, p[1] / 4))


def some_vertex(outline: Outline, number: int) -> At | None:
    found = [
        at._replace(vertex=index)
        for at, ring in outline.rings
        for index in range(len(ring.vertices))
    ]
    return found[number % len(found)] if found else None


def vertices(outline: Outline) -> list[tuple[float, float]]:
    return [vertex for _, ring in outline.rings for vertex in ring.vertices]


@given(arrays)
def test_an_outline_goes_exactly_around_its_mask(array: np.ndarray) -> None:
    outline = editable_outline(Mask.from_array(array))
    assert outline.mask() == Mask.from_array(array)
    assert all(len(ring.vertices) >= 3 for _, ring in outline.rings)


def test_a_hand_gets_few_vertices_near_the_border() -> None:
    ring = disc(400, 300, 250, (600, 800)) & ~disc(400, 300, 120, (600, 800))
    outline = editable_outline(Mask.from_array(ring))
    (outer,), (hole,) = ([r for at, r in outline.rings if at.ring == n] for n in (0, 1))
    assert len(outer.path) > 1000 and 8 <= len(outer.vertices) <= 40
    assert 8 <= len(hole.vertices) <= 40
    assert all(abs(np.hypot(x - 400, y - 300) - 250) < 2 for x, y in outer.vertices)
    square = np.zeros(SIZE, dtype=bool)
    square[5:25, 10:40] = True
    corners = {(10, 5), (40, 5), (40, 25), (10, 25)}
    assert set(vertices(editable_outline(Mask.from_array(square)))) == corners


@given(arrays, st.integers(0, 10**6), places)
def test_a_moved_vertex_changes_what_lies_between_old_and_new(
    array: np.ndarray, number: int, place: tuple[float, float]
) -> None:
    outline = editable_outline(Mask.from_array(array))
    at = some_vertex(outline, number)
    if at is None:
        return
    change = moved(outline, at, place)
    came, went = (mask.to_array() for mask in change.pixels())
    assert not (came & array).any() and not (went & ~array).any()
    assert np.array_equal((array | came) & ~went, change.after.mask().to_array())
    x0, y0, x1, y1 = change.box
    away = np.ones(SIZE, dtype=bool)
    away[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = False
    assert not ((came | went) & away).any()


@given(arrays, st.integers(0, 10**6))
def test_a_vertex_that_goes_joins_its_neighbours(array: np.ndarray, number: int) -> None:
    outline = editable_outline(Mask.from_array(array))
    at = some_vertex(outline, number)
    if at is None:
        return
    change = without_vertex(outline, at)
    came, went = (mask.to_array() for mask in change.pixels())
    assert np.array_equal((array | came) & ~went, change.after.mask().to_array())
    if len(outline.ring(at).vertices) > 3:
        assert len(vertices(change.after)) == len(vertices(outline)) - 1


@given(arrays, st.integers(0, 10**6), places)
def test_a_new_vertex_changes_no_pixel(
    array: np.ndarray, number: int, place: tuple[float, float]
) -> None:
    outline = editable_outline(Mask.from_array(array))
    at = some_vertex(outline, number)
    if at is None:
        return
    new, made = with_vertex(outline, at, place)
    assert new.mask() == outline.mask()
    assert len(vertices(new)) == len(vertices(outline)) + 1
    assert made == at._replace(vertex=at.vertex + 1)
    x, y = new.ring(made).vertices[made.vertex]
    edge = outline.ring(at).edge(at.vertex)
    nearest = np.hypot(*(edge - place).T).min()
    assert np.hypot(x - place[0], y - place[1]) <= nearest + 1e-9


def test_what_other_pieces_have_neither_comes_nor_goes() -> None:
    array = np.zeros(SIZE, dtype=bool)
    array[5:15, 5:15] = array[5:15, 25:35] = True
    outline = editable_outline(Mask.from_array(array))
    at = next(
        some_vertex(outline, n)
        for n in range(8)
        if vertices(outline)[n] == (15, 5)  # top right of the left one
    )
    over = moved(outline, at, (45.0, 5.0))  # across the right one
    came, went = over.pixels()
    assert not went.area and not (came.to_array() & array).any()
    back = moved(over.after, at, (15.0, 5.0))
    came_back, gone_back = back.pixels()
    assert not came_back.area and gone_back == came
    assert back.after.mask() == Mask.from_array(array)


def test_an_outer_ring_goes_with_its_holes_and_a_hole_alone() -> None:
    array = disc(20, 20, 12) & ~disc(20, 20, 2)
    outline = editable_outline(Mask.from_array(array))

    def shorn(at: At) -> Outline:
        left = outline
        while left.pieces[0].rings and len(left.pieces[0].rings) > at.ring:
            last_ring = len(left.pieces[0].rings)
            left = without_vertex(left, at).after
            if len(left.pieces[0].rings) < last_ring:
                break
        return left

    assert shorn(At(0, 1, 0)).mask() == Mask.from_array(disc(20, 20, 12) | disc(20, 20, 2))
    assert shorn(At(0, 0, 0)).mask().area == 0


@given(arrays, st.integers(0, 10**6), places)
def test_an_outline_that_fits_comes_back_as_it_is(
    array: np.ndarray, number: int, place: tuple[float, float]
) -> None:
    outline = editable_outline(Mask.from_array(array))
    at = some_vertex(outline, number)
    after = moved(outline, at, place).after if at is not None else outline
    assert editable_outline(after.mask(), after) is after


def test_what_a_stroke_does_not_touch_keeps_its_vertices_and_the_rest_most_of_them() -> None:
    array = disc(16, 20, 12) | disc(46, 20, 12)
    outline = editable_outline(Mask.from_array(array))
    at = some_vertex(outline, 3)
    assert at is not None
    after = moved(outline, at, (1.0, 1.0)).after
    x, y, r = 58, 8, 5  # beside the other piece
    painted = after.mask().to_array() | disc(x, y, r)
    again = editable_outline(Mask.from_array(painted), after)
    assert again.mask() == Mask.from_array(painted)
    assert after.pieces[at.piece] in again.pieces
    there = np.array(vertices(again))
    for vertex in after.pieces[1 - at.piece].rings[0].vertices:
        if np.hypot(vertex[0] - x, vertex[1] - y) > r + 1:
            assert np.hypot(*(there - vertex).T).min() == 0


@settings(max_examples=40)
@given(arrays, arrays)
def test_an_outline_like_another_goes_exactly_around_its_mask(
    array: np.ndarray, other: np.ndarray
) -> None:
    like = editable_outline(Mask.from_array(other))
    for wanted in (array, array | other, array & other):
        assert editable_outline(Mask.from_array(wanted), like).mask() == Mask.from_array(wanted)

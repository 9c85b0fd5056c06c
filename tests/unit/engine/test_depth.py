"""The order of annotations, against sorting a list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.engine.depth import at_depth, step_behind

DOT = Mask.empty((1, 1))


def stack(*levels: int) -> tuple[Annotation, ...]:
    """Annotations 1, 2, ... with these z orders, by depth."""
    return by_depth([Annotation(id_, 1, 1, DOT, z_order=z) for id_, z in enumerate(levels, 1)])


def by_depth(rows: list[Annotation]) -> tuple[Annotation, ...]:
    return tuple(sorted(rows, key=lambda row: (row.z_order, row.id)))


def moved(
    rows: tuple[Annotation, ...], before: tuple[Annotation, ...], after: tuple[Annotation, ...]
) -> tuple[Annotation, ...]:
    changed = {row.id: row for row in after}
    assert {row.id for row in before} == set(changed)
    assert all(row in rows and row != changed[row.id] for row in before)
    return by_depth([changed.get(row.id, row) for row in rows])


def ids(rows: tuple[Annotation, ...]) -> list[int]:
    return [row.id for row in rows]


@given(
    st.lists(st.integers(-3, 6), min_size=1, max_size=9),
    st.sets(st.integers(1, 9)),
    st.integers(-1, 10),
)
@settings(max_examples=400)
def test_the_moved_ones_lie_in_front_of_so_many_others_in_their_old_order(
    levels: list[int], chosen: set[int], behind: int
) -> None:
    rows = stack(*levels)
    new = moved(rows, *at_depth(rows, chosen, behind))
    others = [id_ for id_ in ids(rows) if id_ not in chosen]
    place = max(0, min(behind, len(others)))
    expected = [*others[:place], *(id_ for id_ in ids(rows) if id_ in chosen), *others[place:]]
    assert ids(new) == expected
    if expected == ids(rows):
        assert new == rows


def test_only_the_moved_one_changes_where_there_is_room() -> None:
    rows = stack(0, 10, 20, 30)
    before, after = at_depth(rows, {4}, 1)
    assert ids(before) == [4]
    assert 0 < after[0].z_order < 10


def test_where_there_is_no_room_those_that_are_passed_change_too_and_no_others() -> None:
    rows = stack(*range(1000))
    assert set(ids(at_depth(rows, {500}, 500)[0])) == {500, 501}
    assert set(ids(at_depth(rows, {500}, 497)[0])) == {498, 499, 500}
    assert ids(at_depth(rows, {500}, 999)[0]) == [500]
    assert ids(at_depth(rows, {500}, 0)[0]) == [500]


def test_where_many_are_passed_the_few_beyond_make_room() -> None:
    rows = stack(0, 1, 2, 3, 4, 5)
    assert ids(at_depth(rows, {1}, 4)[0]) == [1, 6]
    assert ids(at_depth(rows, {6}, 1)[0]) == [1, 6]


@given(st.lists(st.integers(0, 5), min_size=2, max_size=7), st.sets(st.integers(1, 7), min_size=1))
def test_steps_lead_to_the_front_and_all_the_way_back(levels: list[int], chosen: set[int]) -> None:
    rows = stack(*levels)
    chosen &= set(ids(rows))
    others = [id_ for id_ in ids(rows) if id_ not in chosen]
    mine = [id_ for id_ in ids(rows) if id_ in chosen]
    for forward, end in ((True, [*others, *mine]), (False, [*mine, *others])):
        for _ in range(len(rows)):
            behind = step_behind(rows, chosen, forward=forward)
            rows = moved(rows, *at_depth(rows, chosen, behind))
        assert ids(rows) == end


def test_one_step_passes_one_annotation() -> None:
    rows = stack(0, 1, 2, 3)
    forward = moved(rows, *at_depth(rows, {2}, step_behind(rows, {2}, forward=True)))
    assert ids(forward) == [1, 3, 2, 4]
    backward = moved(rows, *at_depth(rows, {2, 4}, step_behind(rows, {2, 4}, forward=False)))
    assert ids(backward) == [2, 4, 1, 3]

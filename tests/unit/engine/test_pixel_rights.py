"""Locks keep their pixels, and in partition mode a border has no gap and no overlap.

Checked against whole numpy arrays, for single cases and for random steps on random partitions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.engine.image_session import ImageSession
from segstudio.engine.mask_change import MaskChange, made_annotation
from segstudio.engine.partition import SETTING, Claim, without_gaps_and_overlaps
from segstudio.engine.pixel_rights import without_locked
from segstudio.store.project import NewImage, ProjectStore

SIZE = (24, 30)
Pixels = npt.NDArray[np.bool_]


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array)


def candidate(mask: Mask) -> Candidate:
    return Candidate(mask, predicted_iou=0.9, stability=0.9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with new_store(tmp_path) as opened:
        yield opened


def new_store(folder: Path) -> ProjectStore:
    store = ProjectStore.create(folder / "garden.segstudio", folder)
    store.add_images([NewImage("a.jpg", SIZE[1], SIZE[0], "a" * 64)])
    return store


def session_with(
    store: ProjectStore, masks: Sequence[Mask], *, partition: bool, locked: Sequence[int] = ()
) -> tuple[ImageSession, list[int]]:
    """A session with these masks as annotations, those at the indices `locked` locked."""
    session = ImageSession(store, 1)
    session.add_category("leaf")
    session.accept([candidate(mask) for mask in masks], 1, tool="test")
    ids = [row.id for row in session.annotations]
    if locked:
        session.set_locked([ids[index] for index in locked], True)
    store.set_setting(SETTING, partition)
    return session, ids


def change(session: ImageSession, masks: Mapping[int, Mask], *, gone: tuple[int, ...] = ()) -> None:
    session.change(lambda _: MaskChange("Change", masks=masks, gone=gone))


def mask_of(session: ImageSession, id_: int) -> Mask:
    return next(row.mask for row in session.annotations if row.id == id_)


LEFT, RIGHT = rectangle(0, 0, 10, 24), rectangle(10, 0, 30, 24)


MIDDLE = rectangle(10, 0, 20, 24)


class TestLocks:
    def test_what_a_locked_annotation_has_is_added_to_no_other(self, store: ProjectStore) -> None:
        small = rectangle(10, 0, 15, 10)
        session, (left, locked) = session_with(store, [LEFT, small], partition=False, locked=[1])
        session.change_mask(left, rectangle(0, 0, 15, 24))
        assert mask_of(session, left) == rectangle(0, 0, 15, 24).subtract(small)
        assert mask_of(session, locked) == small

    def test_an_overlap_from_before_the_lock_stays(self, store: ProjectStore) -> None:
        over = rectangle(5, 0, 15, 24)
        session, (left, _) = session_with(store, [LEFT, over], partition=False, locked=[1])
        session.change_mask(left, rectangle(0, 0, 10, 20))
        assert mask_of(session, left) == rectangle(0, 0, 10, 20)

    def test_accepting_goes_around_what_is_locked(self, store: ProjectStore) -> None:
        session, _ = session_with(store, [LEFT], partition=False, locked=[0])
        session.accept([candidate(rectangle(5, 5, 15, 15))], 1, tool="point")
        assert session.annotations[-1].mask == rectangle(10, 5, 15, 15)

    def test_a_mask_wholly_under_locked_ones_is_refused_in_a_sentence(
        self, store: ProjectStore
    ) -> None:
        session, _ = session_with(store, [LEFT, RIGHT], partition=False, locked=[0, 1])
        before = session.snapshot
        hidden = candidate(rectangle(5, 5, 15, 15))
        with pytest.raises(BadInputError, match="The mask lies wholly under locked annotations;"):
            session.accept([hidden], 1, tool="point")
        with pytest.raises(BadInputError, match="All 2 masks lie wholly under locked annotations;"):
            session.accept([hidden, hidden], 1, tool="everything")
        assert session.snapshot == before

    def test_of_several_masks_only_those_with_pixels_left_are_made(
        self, store: ProjectStore
    ) -> None:
        session, _ = session_with(store, [LEFT], partition=False, locked=[0])
        masks = [rectangle(0, 0, 5, 5), rectangle(8, 0, 12, 5)]
        edit = session.accept([candidate(mask) for mask in masks], 1, tool="everything")
        assert edit.text == "Accept mask"
        assert [row.mask for row in session.annotations[1:]] == [rectangle(10, 0, 12, 5)]

    def test_what_is_left_of_a_mask_beside_locked_ones_is_what_accepting_makes(
        self, store: ProjectStore
    ) -> None:
        session, _ = session_with(store, [LEFT, RIGHT], partition=False, locked=[0])
        mask = rectangle(5, 5, 15, 15)
        left = without_locked(mask, session.annotations)
        session.accept([candidate(mask)], 1, tool="point")
        assert session.annotations[-1].mask == left == rectangle(10, 5, 15, 15)

    def test_painting_over_nothing_but_locked_pixels_says_so(self, store: ProjectStore) -> None:
        session, (left, _) = session_with(store, [LEFT, RIGHT], partition=False, locked=[1])
        with pytest.raises(BadInputError, match="All those pixels belong to locked annotations"):
            session.change_mask(left, rectangle(0, 0, 15, 24))
        with pytest.raises(BadInputError, match="All those pixels belong to locked annotations"):
            change(session, {left: rectangle(12, 0, 15, 24)})
        assert mask_of(session, left) == LEFT


class TestPartition:
    def test_pixels_added_to_one_are_taken_from_the_other_in_one_undo_step(
        self, store: ProjectStore
    ) -> None:
        session, (left, right) = session_with(store, [LEFT, RIGHT], partition=True)
        edit = session.change_mask(left, rectangle(0, 0, 14, 24))
        assert edit is not None
        assert {row.id for row in edit.before.annotations} == {left, right}
        assert mask_of(session, right) == rectangle(14, 0, 30, 24)
        session.undo()
        assert [mask_of(session, id_) for id_ in (left, right)] == [LEFT, RIGHT]

    def test_pixels_removed_from_one_go_to_the_neighbour(self, store: ProjectStore) -> None:
        session, (left, right) = session_with(store, [LEFT, RIGHT], partition=True)
        change(session, {left: rectangle(0, 0, 7, 24)})
        assert mask_of(session, right) == rectangle(7, 0, 30, 24)

    def test_a_part_between_two_neighbours_goes_to_the_nearer(self, store: ProjectStore) -> None:
        far = rectangle(20, 0, 30, 24)
        session, (left, middle, right) = session_with(store, [LEFT, MIDDLE, far], partition=True)
        change(session, {middle: Mask.empty(SIZE)})
        assert [row.id for row in session.annotations] == [left, right]
        assert mask_of(session, left) == rectangle(0, 0, 15, 24)
        assert mask_of(session, right) == rectangle(15, 0, 30, 24)

    def test_a_part_at_the_edge_of_the_image_is_given_away_whole(self, store: ProjectStore) -> None:
        corner, bar = rectangle(0, 0, 1, 1), rectangle(1, 0, 30, 1)
        rest = Mask.from_array(np.ones(SIZE, dtype=bool)).subtract(corner).subtract(bar)
        session, (_, _, below) = session_with(store, [corner, bar, rest], partition=True)
        change(session, {below: Mask.empty(SIZE)})
        one, other = (row.mask for row in session.annotations)
        assert one.area + other.area == SIZE[0] * SIZE[1]
        assert other.area == 29 * 24

    def test_what_nobody_touches_becomes_unlabelled(self, store: ProjectStore) -> None:
        apart = rectangle(20, 0, 30, 24)
        session, (left, right) = session_with(store, [LEFT, apart], partition=True)
        change(session, {left: rectangle(0, 0, 7, 24)})
        assert mask_of(session, right) == apart

    def test_a_locked_neighbour_neither_gives_nor_takes(self, store: ProjectStore) -> None:
        far = rectangle(20, 0, 30, 24)
        session, (left, locked, right) = session_with(
            store, [LEFT, MIDDLE, far], partition=True, locked=[1]
        )
        change(session, {left: rectangle(0, 0, 25, 20)})
        assert mask_of(session, locked) == MIDDLE
        assert mask_of(session, left) == rectangle(0, 0, 10, 20).union(rectangle(20, 0, 25, 20))
        assert mask_of(session, right) == far.subtract(rectangle(20, 0, 25, 20))

    def test_an_annotation_that_is_wholly_covered_goes_and_undo_brings_it_back(
        self, store: ProjectStore
    ) -> None:
        small = rectangle(12, 2, 15, 5)
        session, (left, covered) = session_with(store, [LEFT, small], partition=True)
        change(session, {left: rectangle(0, 0, 20, 24)})
        assert [row.id for row in session.annotations] == [left]
        session.undo()
        assert mask_of(session, covered) == small

    def test_of_masks_accepted_together_the_smaller_lies_on_top(self, store: ProjectStore) -> None:
        session, _ = session_with(store, [LEFT], partition=True)
        whole, part = rectangle(5, 5, 25, 20), rectangle(12, 8, 16, 12)
        session.accept([candidate(part), candidate(whole)], 1, tool="everything")
        masks = [row.mask for row in session.annotations]
        assert masks == [LEFT.subtract(whole), part, whole.subtract(part)]

    def test_two_that_grow_into_each_other_keep_their_border(self, store: ProjectStore) -> None:
        session, (left, right) = session_with(store, [LEFT, MIDDLE], partition=True)
        change(session, {left: rectangle(0, 0, 12, 24), right: rectangle(8, 0, 22, 24)})
        assert mask_of(session, left) == LEFT
        assert mask_of(session, right) == rectangle(10, 0, 22, 24)

    def test_deleting_leaves_the_pixels_unlabelled(self, store: ProjectStore) -> None:
        session, (left, right) = session_with(store, [LEFT, RIGHT], partition=True)
        session.delete([left])
        assert mask_of(session, right) == RIGHT

    def test_erasing_two_at_once_gives_neither_the_pixels_of_the_other(
        self, store: ProjectStore
    ) -> None:
        session, (left, right) = session_with(store, [LEFT, RIGHT], partition=True)
        hole = rectangle(6, 6, 14, 14)
        change(session, {left: LEFT.subtract(hole), right: RIGHT.subtract(hole)})
        assert mask_of(session, left) == LEFT.subtract(hole)
        assert mask_of(session, right) == RIGHT.subtract(hole)

    def test_without_the_mode_masks_may_overlap(self, store: ProjectStore) -> None:
        session, (left, right) = session_with(store, [LEFT, RIGHT], partition=False)
        session.change_mask(left, rectangle(0, 0, 14, 24))
        assert mask_of(session, right) == RIGHT


# -- random steps --------------------------------------------------------------------------------


Place = tuple[int, int]
Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True)
class Story:
    """A partition by nearest seed, which of its cells are left out or locked, and steps."""

    seeds: list[Place]
    first: int  # the cells before it are left unlabelled
    locked: list[int]
    steps: list[tuple[str, int, list[Rectangle]]]

    @property
    def cells(self) -> list[Pixels]:
        seeds, (rows, columns) = np.array(self.seeds), np.indices(SIZE)
        distances = (rows[..., None] - seeds[:, 0]) ** 2 + (columns[..., None] - seeds[:, 1]) ** 2
        nearest = np.argmin(distances, axis=-1)
        return [nearest == index for index in range(self.first, len(seeds))]


def area_of(rectangles: Sequence[Rectangle]) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    for y, x, height, width in rectangles:
        array[y : y + height, x : x + width] = True
    return Mask.from_array(array)


PLACES = st.tuples(st.integers(0, SIZE[0] - 1), st.integers(0, SIZE[1] - 1))
SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
AREAS = st.lists(st.builds(lambda at, by: (*at, *by), PLACES, SIDES), min_size=1, max_size=2)
KINDS = st.sampled_from(["add", "erase", "make", "go", "add to one, erase another"])
STORIES = st.builds(
    Story,
    st.lists(PLACES, min_size=2, max_size=6, unique=True),
    st.integers(0, 1),
    st.lists(st.just(0), max_size=1),
    st.lists(st.tuples(KINDS, st.integers(0, 5), AREAS), min_size=1, max_size=4),
)


def wanted_change(session: ImageSession, kind: str, number: int, area: Mask) -> MaskChange:
    rows = session.annotations
    row, other = rows[number % len(rows)], rows[(number + 1) % len(rows)]
    if kind == "make":
        return MaskChange("Paint", made=(made_annotation(area, 1, "brush"),))
    if kind == "go":
        return MaskChange("Merge", gone=(row.id,))
    if kind == "erase":
        return MaskChange("Erase", masks={row.id: row.mask.subtract(area)})
    masks = {row.id: row.mask.union(area)}
    if kind != "add" and other.id != row.id:
        masks[other.id] = other.mask.subtract(area)
    return MaskChange("Paint", masks=masks)


def arrays(session: ImageSession) -> dict[int, Pixels]:
    return {row.id: row.mask.to_array() for row in session.annotations}


def check_step(
    old: Mapping[int, Pixels], new: Mapping[int, Pixels], wanted: MaskChange, locked: set[int]
) -> None:
    """What must hold of one step in partition mode, on whole arrays."""
    nothing = np.zeros(SIZE, dtype=bool)
    assert sum(new.values(), np.zeros(SIZE, dtype=int)).max(initial=0) <= 1, "an overlap"
    assert all(np.array_equal(new[id_], old[id_]) for id_ in locked)
    held = np.any([nothing, *(old[id_] for id_ in locked)], axis=0)
    asked = {id_: mask.to_array() for id_, mask in wanted.masks.items()}
    asked |= dict.fromkeys(wanted.gone, nothing)
    for id_, array in asked.items():
        had = old.get(id_, nothing)
        if id_ not in locked:
            missing = array & ~held & ~new.get(id_, nothing)
            assert not missing.any(), "the hand did not get what it may have"
            assert not (new.get(id_, nothing) & had & ~array).any(), "the hand kept what it gave"
    touched = np.any([nothing, *(array ^ old[id_] for id_, array in asked.items())], axis=0)
    touched |= np.any([nothing, *(row.mask.to_array() for row in wanted.made)], axis=0)
    for id_ in old.keys() | new.keys():
        changed = old.get(id_, nothing) ^ new.get(id_, nothing)
        assert not (changed & ~touched).any(), "a pixel changed that nobody touched"
    check_gaps(old, new, locked)


def check_gaps(old: Mapping[int, Pixels], new: Mapping[int, Pixels], locked: set[int]) -> None:
    """What is newly unlabelled has no neighbour that might have taken it."""
    nothing = np.zeros(SIZE, dtype=bool)
    gap = np.any([nothing, *old.values()], axis=0) & ~np.any([nothing, *new.values()], axis=0)
    labels, count = ndimage.label(gap, structure=np.ones((3, 3)))
    for label in range(1, count + 1):
        part = labels == label
        edge = ndimage.binary_dilation(part) & ~part
        for id_, array in new.items():
            lost = (old.get(id_, nothing) & part).any()
            assert id_ in locked or lost or not (array & edge).any(), "a gap beside a neighbour"


@settings(max_examples=60)
@given(STORIES)
def test_random_steps_leave_no_gap_and_no_overlap_and_undo_is_exact(story: Story) -> None:
    with tempfile.TemporaryDirectory() as folder, new_store(Path(folder)) as store:
        masks = [Mask.from_array(cell) for cell in story.cells]
        session, ids = session_with(store, masks, partition=True, locked=story.locked)
        locked, done = {ids[index] for index in story.locked}, [session.annotations]
        for kind, number, area in story.steps:
            if not session.annotations:
                break
            wanted = wanted_change(session, kind, number, area_of(area))
            old = arrays(session)
            try:
                edit = session.change(lambda _, wanted=wanted: wanted)  # type: ignore[misc]
            except BadInputError:
                assert session.annotations == done[-1]
                continue
            check_step(old, arrays(session), wanted, locked)
            if edit is not None:
                done.append(session.annotations)
        for before in reversed(done[:-1]):
            session.undo()
            assert session.annotations == before


@settings(max_examples=60)
@given(STORIES)
def test_an_erased_part_goes_pixel_by_pixel_to_the_nearest_that_touches_it(story: Story) -> None:
    cells, (_, number, rectangles) = story.cells, story.steps[0]
    area = area_of(rectangles).to_array()
    masks = {index + 1: Mask.from_array(cell) for index, cell in enumerate(cells)}
    target = number % len(cells) + 1
    old = cells[target - 1]
    claim = Claim(target, masks.pop(target), Mask.from_array(old & ~area), 0)
    given_to = without_gaps_and_overlaps([claim], masks, [])
    labels, count = ndimage.label(old & area, structure=np.ones((3, 3)))
    for label in range(1, count + 1):
        part = labels == label
        ring = ndimage.binary_dilation(part) & ~part
        rows, columns = np.nonzero(ring | part)
        window = (
            slice(rows.min(), rows.max() + 1),
            slice(columns.min(), columns.max() + 1),
        )
        touching = {
            id_: mask.to_array() for id_, mask in masks.items() if (mask.to_array() & ring).any()
        }
        far = {
            id_: ndimage.distance_transform_edt(~array[window]) for id_, array in touching.items()
        }
        for y, x in np.argwhere(part[window]):
            owners = [id_ for id_, mask in given_to.items() if mask.to_array()[window][y, x]]
            assert len(owners) == min(1, len(touching))
            if owners:
                nearest = min(distance[y, x] for distance in far.values())
                assert far[owners[0]][y, x] == pytest.approx(nearest)


def test_of_a_part_too_large_for_distances_the_longest_border_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("segstudio.engine.partition.NEAREST_PIXELS", 4)
    masks = {1: rectangle(0, 0, 10, 24), 2: rectangle(20, 0, 30, 10)}
    claim = Claim(3, MIDDLE, Mask.empty(SIZE), 0)
    assert without_gaps_and_overlaps([claim], masks, []) == {1: rectangle(0, 0, 20, 24)}

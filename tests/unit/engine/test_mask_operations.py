"""Operations on selected annotations, through a real session and its undo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate, Prompt
from segstudio.engine import mask_operations
from segstudio.engine.image_session import ImageSession
from segstudio.engine.mask_operations import (
    Plan,
    copied,
    duplicated,
    intersected,
    reshaped,
    snapped,
    split,
    subtracted,
    united,
)
from segstudio.engine.superpixel_map import SuperpixelMap
from segstudio.imaging.mask_parts import holes_filled
from segstudio.imaging.morphology import shrunk
from segstudio.store.project import NewImage, ProjectStore

SIZE = (20, 30)
fields = st.lists(
    arrays(np.bool_, SIZE).filter(lambda one: bool(one.any())), min_size=2, max_size=4
)
slow = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def box(x0: int, y0: int, x1: int, y1: int, size: tuple[int, int] = SIZE) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), dtype=bool), (x0, y0), size)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with ProjectStore.create(tmp_path / "p.segstudio", tmp_path) as store:
        store.add_images(
            [
                NewImage("a.jpg", SIZE[1], SIZE[0], "a" * 64),
                NewImage("b.jpg", SIZE[1], SIZE[0], "b" * 64),
                NewImage("c.jpg", 8, 9, "c" * 64),
            ]
        )
        yield store


@pytest.fixture
def session(store: ProjectStore) -> ImageSession:
    session = ImageSession(store, 1)
    session.add_category("leaf")
    return session


def accepted(session: ImageSession, *masks: Mask) -> tuple[int, ...]:
    candidates = [Candidate(mask, 0.9, 0.8) for mask in masks]
    category = session.categories[0].id
    edit = session.accept(
        candidates, category, tool="point", model_key="m", prompt=Prompt(), seconds=4.0
    )
    return tuple(row.id for row in edit.after.annotations)


def row(session: ImageSession, id_: int) -> Annotation:
    return next(row for row in session.annotations if row.id == id_)


def changes_and_comes_back(session: ImageSession, plan: Plan) -> None:
    """The plan is one step, which undo takes back whole and redo makes again."""
    before = session.annotations
    assert session.change(plan) is not None
    after = session.annotations
    session.undo()
    assert session.annotations == before
    session.redo()
    assert session.annotations == after


# -- several become one --------------------------------------------------------------------------


@given(arrays_=fields)
@slow
def test_unite_subtract_and_intersect_are_what_numpy_does_on_full_arrays(
    session: ImageSession, arrays_: list[np.ndarray]
) -> None:
    for make, operator in (
        (united, np.logical_or),
        (subtracted, lambda one, other: one & ~other),
        (intersected, np.logical_and),
    ):
        session.delete([row.id for row in session.annotations])
        ids = accepted(session, *(Mask.from_array(array) for array in arrays_))
        expected = reduce(operator, arrays_)
        old = session.annotations
        try:
            edit = session.change(make(ids))
        except BadInputError:
            assert not expected.any()
            assert session.annotations == old
            continue
        np.testing.assert_array_equal(row(session, ids[0]).mask.to_array(), expected)
        if make is subtracted:
            assert [one.mask for one in session.annotations[1:]] == [one.mask for one in old[1:]]
        else:
            assert [one.id for one in session.annotations] == [ids[0]]
        if edit is not None:
            session.undo()
            assert session.annotations == old


def test_the_one_selected_first_gets_the_result_wherever_it_lies(session: ImageSession) -> None:
    back, front = accepted(session, box(0, 0, 10, 10), box(5, 0, 15, 10))
    changes_and_comes_back(session, united((front, back)))
    (left,) = session.annotations
    assert left.id == front
    assert left.mask == box(0, 0, 15, 10)
    assert session.history.undo == "Unite 2 annotations"


def test_one_alone_is_not_united(session: ImageSession) -> None:
    ids = accepted(session, box(0, 0, 4, 4))
    with pytest.raises(BadInputError, match="Select two"):
        session.change(united(ids))


def test_a_locked_one_neither_takes_nor_goes(session: ImageSession) -> None:
    one, two, held = accepted(session, box(0, 0, 8, 8), box(4, 4, 12, 12), box(6, 0, 14, 8))
    session.set_locked([held], True)
    locked = row(session, held)
    with pytest.raises(BadInputError, match="first one selected is locked"):
        session.change(united((held, one)))
    with pytest.raises(BadInputError, match="All the others are locked"):
        session.change(united((one, held)))
    session.change(united((one, held, two)))
    # What the locked one covers of the second is not added to the first.
    added = box(4, 4, 12, 12).subtract(box(6, 0, 14, 8))
    assert row(session, one).mask == box(0, 0, 8, 8).union(added)
    assert [found.id for found in session.annotations] == [one, held]
    session.undo()
    session.change(subtracted((two, held)))
    assert row(session, two).mask == box(4, 4, 12, 12).subtract(locked.mask)
    session.change(intersected((one, held)))
    assert row(session, one).mask == box(6, 0, 8, 8)
    assert row(session, held) == locked


# -- one becomes several -------------------------------------------------------------------------


def test_parts_become_annotations_like_it_at_its_depth(session: ImageSession) -> None:
    apart = box(0, 0, 3, 3).union(box(10, 0, 16, 4)).union(box(20, 10, 22, 12))
    one, front = accepted(session, apart, box(0, 0, 30, 2))
    old = row(session, one)
    changes_and_comes_back(session, split((one, front)))
    parts = session.annotations[:3]
    assert [part.mask.area for part in parts] == [24, 9, 4]
    assert session.annotations[3].id == front
    assert parts[0].id == one
    for part in parts:
        same = replace(
            part, id=old.id, mask=old.mask, created_at=old.created_at, updated_at=old.updated_at
        )
        assert same == old
    assert session.change(split([part.id for part in parts])) is None


def test_dust_is_not_split(session: ImageSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_operations, "MOST_PARTS", 3)
    dust = Mask.from_array(np.indices(SIZE).sum(axis=0) % 4 == 0)
    checked = np.zeros(SIZE, dtype=bool)
    checked[::3, ::3] = True
    (one,) = accepted(session, dust.intersect(Mask.from_array(checked)))
    with pytest.raises(BadInputError, match="remove its crumbs"):
        session.change(split((one,)))


def test_a_duplicate_lies_in_front_and_took_nobodys_time(session: ImageSession) -> None:
    one, two = accepted(session, box(0, 0, 4, 4), box(8, 8, 9, 9))
    changes_and_comes_back(session, duplicated((one, two)))
    first, second = session.annotations[2:]
    assert (first.mask, second.mask) == (box(0, 0, 4, 4), box(8, 8, 9, 9))
    assert (first.seconds, first.model_key, first.predicted_iou) == (0, "m", 0.9)
    assert first.z_order > session.annotations[1].z_order


def test_the_pixels_of_a_locked_one_are_not_given_to_a_duplicate(session: ImageSession) -> None:
    one, two = accepted(session, box(0, 0, 4, 4), box(8, 8, 9, 9))
    session.set_locked([one], True)
    with pytest.raises(BadInputError, match="locked"):
        session.change(duplicated((one,)))
    session.change(duplicated((one, two)))
    assert [found.mask for found in session.annotations[2:]] == [box(8, 8, 9, 9)]


def test_copies_stand_in_the_other_images_history(
    session: ImageSession, store: ProjectStore
) -> None:
    ids = accepted(session, box(0, 0, 4, 4), box(8, 8, 9, 9))
    rows = session.snapshot.chosen(ids)
    other = ImageSession(store, 2)
    other.change(copied(rows, SIZE))
    assert [one.mask for one in other.annotations] == [one.mask for one in rows]
    assert all(one.image_id == 2 and one.prompt is None for one in other.annotations)
    assert not {one.id for one in other.annotations} & set(ids)
    assert other.history.undo == "Copy 2 annotations from another image"
    assert session.history.undo == "Accept 2 masks"
    other.undo()
    assert other.annotations == ()
    assert len(session.annotations) == 2


def test_nothing_is_copied_to_an_image_of_another_size(
    session: ImageSession, store: ProjectStore
) -> None:
    ids = accepted(session, box(0, 0, 4, 4))
    rows, other = session.snapshot.chosen(ids), ImageSession(store, 3)
    with pytest.raises(BadInputError, match=r"c\.jpg has 8 x 9 pixels .* 30 x 20"):
        other.change(copied(rows, SIZE))
    assert other.annotations == ()


# -- each by itself ------------------------------------------------------------------------------


def test_each_mask_is_reshaped_by_itself_in_one_step(session: ImageSession) -> None:
    ring = box(0, 0, 6, 6).subtract(box(2, 2, 4, 4))
    one, two = accepted(session, ring, box(10, 10, 14, 14))
    changes_and_comes_back(session, reshaped((one, two), "Fill holes", holes_filled))
    assert row(session, one).mask == box(0, 0, 6, 6)
    assert session.history.undo == "Fill holes"
    assert session.change(reshaped((one, two), "Fill holes", holes_filled)) is None


def test_what_would_vanish_stays_as_it_is(session: ImageSession) -> None:
    small, large = accepted(session, box(1, 1, 3, 3), box(10, 5, 20, 15))
    session.change(reshaped((small, large), "Shrink", lambda mask: shrunk(mask, 2)))
    assert row(session, small).mask == box(1, 1, 3, 3)
    assert row(session, large).mask == box(12, 7, 18, 13)
    with pytest.raises(BadInputError, match="Nothing would be left"):
        session.change(reshaped((small,), "Shrink", lambda mask: shrunk(mask, 2)))


def superpixels(step: int = 1) -> SuperpixelMap:
    """Squares of 5 pixels, times `step`."""
    rows, columns = np.indices((-(-SIZE[0] // step), -(-SIZE[1] // step))) // 5
    return SuperpixelMap((rows * 100 + columns).astype(np.uint16), SIZE, step)


@given(arrays(np.bool_, SIZE), st.sampled_from([1, 2]))
@settings(deadline=None)
def test_superpixels_with_at_least_half_of_their_pixels_make_the_mask(
    array: np.ndarray, step: int
) -> None:
    found = superpixels(step)
    every = found.crop((0, 0, SIZE[1], SIZE[0]))
    expected = np.zeros(SIZE, dtype=bool)
    for number in np.unique(every):
        if array[every == number].mean() >= 0.5:
            expected |= every == number
    assert snapped(Mask.from_array(array), found) == Mask.from_array(expected)


def test_superpixels_of_another_image_are_refused() -> None:
    with pytest.raises(BadInputError, match="another image"):
        snapped(box(0, 0, 2, 2, (9, 8)), superpixels())

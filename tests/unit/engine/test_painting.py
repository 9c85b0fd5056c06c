"""Strokes go to the right annotation, agree with numpy, and are one undo step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.engine.image_session import ImageSession
from segstudio.engine.painting import PaintedStroke, PaintTarget, fill, paint, painted
from segstudio.store.project import NewImage, ProjectStore

SIZE = (20, 30)


def box(x0: int, y0: int, x1: int, y1: int) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[ImageSession]:
    with ProjectStore.create(tmp_path / "p.segstudio", tmp_path) as store:
        store.add_images([NewImage("a.jpg", SIZE[1], SIZE[0], "a" * 64)])
        session = ImageSession(store, 1)
        session.add_category("leaf")
        yield session


def stroke(session: ImageSession, target: PaintTarget, **what: object) -> None:
    wanted = PaintedStroke(**what)  # type: ignore[arg-type]
    paint(session, wanted, target, session.categories[0].id, "brush")


def made(session: ImageSession, mask: Mask) -> int:
    stroke(session, PaintTarget(), add=mask)
    return session.annotations[-1].id


def masks(session: ImageSession) -> dict[int, Mask]:
    return {row.id: row.mask for row in session.annotations}


def test_without_a_selection_a_stroke_makes_one_and_the_next_goes_on(session: ImageSession) -> None:
    target = PaintTarget()
    stroke(session, target, add=box(0, 0, 5, 5))
    stroke(session, target, add=box(3, 3, 9, 9))
    (row,) = session.annotations
    assert row.mask == box(0, 0, 5, 5).union(box(3, 3, 9, 9)) and row.tool == "brush"
    assert target.selected == {row.id}
    session.undo()
    assert session.annotations[0].mask == box(0, 0, 5, 5)
    session.undo()
    assert session.annotations == () and session.image.state is ImageState.TODO
    stroke(session, target, add=box(1, 1, 2, 2))
    assert len(session.annotations) == 1, "what was undone is made anew"


def test_adding_goes_to_the_front_one_of_several_selected(session: ImageSession) -> None:
    ids = [made(session, box(x, 0, x + 3, 3)) for x in (0, 10, 20)]
    stroke(session, PaintTarget(ids[:2]), add=box(0, 8, 30, 9))
    assert masks(session) == {
        ids[0]: box(0, 0, 3, 3),
        ids[1]: box(10, 0, 13, 3).union(box(0, 8, 30, 9)),
        ids[2]: box(20, 0, 23, 3),
    }


def test_removing_takes_from_every_selected_one(session: ImageSession) -> None:
    ids = [made(session, box(x, 0, x + 3, 3)) for x in (0, 10, 20)]
    stroke(session, PaintTarget(ids[:2]), remove=box(0, 0, 30, 2), text="Erase")
    assert masks(session) == {
        ids[0]: box(0, 2, 3, 3),
        ids[1]: box(10, 2, 13, 3),
        ids[2]: box(20, 0, 23, 3),
    }
    assert session.history.undo == "Erase"
    session.undo()
    assert masks(session)[ids[0]] == box(0, 0, 3, 3)
    stroke(session, PaintTarget(ids[:1]), remove=box(0, 0, 30, 20))
    assert set(masks(session)) == set(ids[1:]), "what has no pixel left goes"


def test_removing_without_a_selection_takes_from_what_lies_in_front(session: ImageSession) -> None:
    back, front = made(session, box(0, 0, 9, 9)), made(session, box(3, 3, 12, 12))
    stroke(session, PaintTarget(), remove=box(5, 5, 6, 30 - 12), start=(5.5, 5.5))
    assert masks(session)[back] == box(0, 0, 9, 9)
    assert masks(session)[front] == box(3, 3, 12, 12).subtract(box(5, 5, 6, 18))
    stroke(session, PaintTarget(hidden=[front]), remove=box(8, 8, 9, 9), start=(8.5, 8.5))
    assert masks(session)[back] == box(0, 0, 9, 9).subtract(box(8, 8, 9, 9))
    before = masks(session)
    stroke(session, PaintTarget(), remove=box(0, 0, 30, 20), start=(25, 15))
    assert masks(session) == before, "nothing lies there"


def test_locked_ones_are_passed_over_and_alone_refused(session: ImageSession) -> None:
    back, front = made(session, box(0, 0, 9, 9)), made(session, box(10, 0, 19, 9))
    session.set_locked([front], True)
    stroke(session, PaintTarget([back, front]), add=box(0, 12, 9, 14))
    assert masks(session)[back].area == 99
    with pytest.raises(BadInputError, match="locked"):
        stroke(session, PaintTarget([front]), add=box(0, 16, 9, 18))
    with pytest.raises(BadInputError, match="locked"):
        stroke(session, PaintTarget(), remove=box(12, 0, 13, 9), start=(12.5, 2))


def test_a_stroke_may_name_the_one_that_changes(session: ImageSession) -> None:
    one, two = made(session, box(0, 0, 9, 9)), made(session, box(10, 0, 19, 9))
    both = {"add": box(0, 9, 9, 11), "remove": box(0, 0, 30, 1), "text": "Move the outline"}
    stroke(session, PaintTarget([two]), annotation_id=one, **both)
    assert masks(session) == {one: box(0, 1, 9, 11), two: box(10, 0, 19, 9)}
    session.undo()
    assert masks(session)[one] == box(0, 0, 9, 9)
    session.delete([one])
    stroke(session, PaintTarget([two]), annotation_id=one, **both)
    assert masks(session) == {two: box(10, 0, 19, 9)}, "what is gone does not come back"


def test_what_changes_nothing_is_no_step(session: ImageSession) -> None:
    one = made(session, box(0, 0, 9, 9))
    stroke(session, PaintTarget([one]), add=box(2, 2, 4, 4), text="In vain")
    stroke(session, PaintTarget([one]), remove=box(12, 2, 14, 4), text="In vain")
    assert session.history.undo == "Paint"


def frame(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return box(x0, y0, x1, y1).subtract(box(x0 + 1, y0 + 1, x1 - 1, y1 - 1))


def filled(session: ImageSession, target: PaintTarget, x: float, y: float) -> None:
    fill(session, (x, y), target, session.categories[0].id, adds=True)


def test_a_hole_of_the_selected_one_is_filled(session: ImageSession) -> None:
    one = made(session, frame(2, 2, 10, 10))
    filled(session, PaintTarget([one]), 5, 5)
    assert masks(session) == {one: box(2, 2, 10, 10)} and session.history.undo == "Fill"
    session.undo()
    assert masks(session) == {one: frame(2, 2, 10, 10)}


def test_a_gap_between_annotations_is_filled_and_only_the_gap(session: ImageSession) -> None:
    made(session, box(0, 8, 30, 9))
    inner = made(session, box(4, 2, 6, 4))
    target = PaintTarget()
    filled(session, target, 20, 3)
    new = session.annotations[-1]
    assert new.mask == box(0, 0, 30, 8).subtract(box(4, 2, 6, 4)) and new.tool == "fill"
    assert target.selected == {new.id}
    filled(session, target, 4.5, 2.5)
    assert session.annotations[-1].mask == box(0, 0, 30, 8), "on another one: the hole it is in"
    assert masks(session)[inner] == box(4, 2, 6, 4)


def test_what_nothing_encloses_is_not_filled(session: ImageSession) -> None:
    one = made(session, frame(2, 2, 10, 10))
    with pytest.raises(BadInputError, match="encloses"):
        filled(session, PaintTarget([one]), 15, 15)
    with pytest.raises(BadInputError, match="encloses"):
        filled(session, PaintTarget(hidden=[one]), 5, 5)
    with pytest.raises(BadInputError, match="select"):
        filled(session, PaintTarget(), 2, 2)
    filled(session, PaintTarget([one]), 2, 2)
    assert session.history.undo == "Paint", "there is nothing to fill on the mask itself"


def test_a_part_is_taken_away(session: ImageSession) -> None:
    one = made(session, box(0, 0, 3, 3).union(box(10, 0, 13, 3)))
    two = made(session, box(10, 0, 20, 3))
    for target in (PaintTarget([one]), PaintTarget(hidden=[two])):
        assert fill(session, (11.5, 1.5), target, 1, adds=False) is not None
        assert masks(session) == {one: box(0, 0, 3, 3), two: box(10, 0, 20, 3)}
        session.undo()
    fill(session, (11.5, 1.5), PaintTarget(), 1, adds=False)
    assert set(masks(session)) == {one}, "the front one, of which nothing is left"
    assert fill(session, (25, 15), PaintTarget(), 1, adds=False) is None


arrays = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random(SIZE) < (seed % 11) / 10
)


@given(arrays, arrays, arrays)
def test_painting_agrees_with_numpy(
    old: np.ndarray, added: np.ndarray, removed: np.ndarray
) -> None:
    mask, add, remove = (Mask.from_array(array) for array in (old, added, removed))
    assert painted(mask, PaintedStroke(add=add)) == Mask.from_array(old | added)
    assert painted(mask, PaintedStroke(remove=remove)) == Mask.from_array(old & ~removed)
    both = painted(mask, PaintedStroke(add=add, remove=remove))
    assert both == Mask.from_array((old | added) & ~removed)

"""Several masks change, come and go as one undo step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.engine.image_session import ImageSession
from segstudio.engine.mask_change import MaskChange, made_annotation
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


def painted(session: ImageSession, mask: Mask) -> int:
    made = made_annotation(mask, session.categories[0].id, "brush")
    edit = session.change(lambda _: MaskChange("Paint", made=(made,)))
    assert edit is not None
    return edit.after.annotations[0].id


def test_a_first_annotation_is_made_in_front_and_labels_the_image(session: ImageSession) -> None:
    one = painted(session, box(0, 0, 5, 5))
    two = painted(session, box(3, 3, 9, 9))
    assert [row.id for row in session.annotations] == [one, two]
    assert session.annotations[1].z_order > session.annotations[0].z_order
    assert session.annotations[0].tool == "brush" and session.annotations[0].created_at > 0
    assert session.image.state is ImageState.LABELLED
    session.undo(), session.undo()
    assert session.annotations == () and session.image.state is ImageState.TODO


def test_masks_change_come_and_go_as_one_step(session: ImageSession) -> None:
    one, two, three = (painted(session, box(x, 0, x + 4, 4)) for x in (0, 10, 20))
    before = session.annotations
    made = made_annotation(box(0, 10, 4, 14), session.categories[0].id, "split")
    edit = session.change(
        lambda _: MaskChange(
            "Rearrange",
            masks={one: box(0, 0, 9, 9), two: Mask.empty(SIZE)},
            made=(made,),
            gone=(three,),
        )
    )
    assert edit is not None and edit.text == "Rearrange"
    assert [row.mask for row in session.annotations] == [box(0, 0, 9, 9), made.mask]
    session.undo()
    assert session.annotations == before
    session.redo()
    assert len(session.annotations) == 2


def test_what_changes_nothing_is_no_step(session: ImageSession) -> None:
    one = painted(session, box(0, 0, 5, 5))
    assert session.change(lambda _: None) is None
    assert session.change(lambda _: MaskChange("Same", masks={one: box(0, 0, 5, 5)})) is None
    assert session.history.undo == "Paint"


def test_locked_ones_stay_and_only_locked_ones_are_refused(session: ImageSession) -> None:
    one, two = painted(session, box(0, 0, 5, 5)), painted(session, box(10, 0, 15, 5))
    session.set_locked([one], True)
    both = MaskChange("Grow", masks={one: box(0, 0, 8, 8), two: box(10, 0, 18, 8)})
    session.change(lambda _: both)
    masks = {row.id: row.mask for row in session.annotations}
    assert masks == {one: box(0, 0, 5, 5), two: box(10, 0, 18, 8)}
    with pytest.raises(BadInputError, match="locked"):
        session.change(lambda _: replace(both, masks={one: box(0, 0, 9, 9)}))


def test_a_mask_of_another_size_is_refused(session: ImageSession) -> None:
    one = painted(session, box(0, 0, 5, 5))
    with pytest.raises(BadInputError, match="size"):
        session.change(lambda _: MaskChange("Grow", masks={one: Mask.empty((3, 3))}))

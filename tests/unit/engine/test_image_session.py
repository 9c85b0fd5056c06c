"""Work on one image: every step is stored, undoable, and whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from skimage.draw import disk

from segstudio.core.annotation import Stage
from segstudio.core.category import OKABE_ITO
from segstudio.core.changes import HistoryState
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.image import ImageState
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Candidate, Prompt
from segstudio.engine.image_session import ImageSession
from segstudio.engine.refining import Refinement
from segstudio.store.project import NewImage, ProjectStore

SIZE = (60, 80)


def blob(x: float, y: float, radius: float = 9) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    array[disk((y, x), radius, shape=SIZE)] = True
    return Mask.from_array(array)


def candidate(x: float = 40, y: float = 30) -> Candidate:
    return Candidate(blob(x, y), predicted_iou=0.9, stability=0.8)


def new_store(folder: Path) -> ProjectStore:
    store = ProjectStore.create(folder / "garden.segstudio", folder)
    store.add_images([NewImage(f"{name}.jpg", SIZE[1], SIZE[0], name * 64) for name in "ab"])
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with new_store(tmp_path) as opened:
        yield opened


@pytest.fixture
def session(store: ProjectStore) -> ImageSession:
    made = ImageSession(store, 1)
    made.add_category("leaf")
    made.add_category("stone")
    return made


def category_id(session: ImageSession, name: str) -> int:
    return next(row.id for row in session.categories if row.name == name)


def as_stored(store: ProjectStore, image_id: int = 1) -> tuple[object, ...]:
    again = ImageSession(store, image_id)
    return again.image, again.annotations, again.categories, again.history


def as_seen(session: ImageSession) -> tuple[object, ...]:
    return session.image, session.annotations, session.categories, session.history


def test_accepting_two_masks_is_one_step_and_labels_the_image(
    session: ImageSession, store: ProjectStore
) -> None:
    prompt = Prompt(points=((40.5, 30.5),), labels=(1,), box=Box(30, 20, 50, 40))
    edit = session.accept(
        [candidate(20), candidate(60)],
        category_id(session, "leaf"),
        tool="point",
        model_key="mobile_sam",
        prompt=prompt,
        seconds=3.0,
        attributes={"occluded": True},
    )
    assert edit.text == "Accept 2 masks" and session.history == HistoryState(undo=edit.text)
    first, second = session.annotations
    assert (first.z_order, second.z_order) == (0, 1)
    assert first.mask == blob(20, 30) and second.mask == blob(60, 30)
    assert first.seconds + second.seconds == 3.0
    assert first.prompt == prompt and first.model_key == "mobile_sam" and first.tool == "point"
    assert first.stage is Stage.ASSISTED and first.predicted_iou == 0.9
    assert first.attributes == {"occluded": True} and first.created_at > 1e9
    assert session.image.state is ImageState.LABELLED
    assert as_stored(store) == as_seen(session)


def test_undo_takes_back_masks_and_state_and_redo_brings_them_again(
    session: ImageSession, store: ProjectStore
) -> None:
    edit = session.accept([candidate()], category_id(session, "leaf"), tool="point")
    accepted = as_seen(session)
    undone = session.undo()
    assert undone is not None and undone.before == edit.after and undone.after == edit.before
    assert session.annotations == () and session.image.state is ImageState.TODO
    assert session.history.redo == "Accept mask"
    redone = session.redo()
    assert redone == edit
    assert as_seen(session) == accepted == as_stored(store)
    assert session.redo() is None


def test_history_survives_a_restart(session: ImageSession, store: ProjectStore) -> None:
    session.accept([candidate()], category_id(session, "leaf"), tool="box")
    path = store.path
    store.close()
    with ProjectStore.open(path) as again:
        reopened = ImageSession(again, 1)
        assert len(reopened.annotations) == 1
        undone = reopened.undo()
        assert undone is not None and undone.text == "Accept mask"
        assert ImageSession(again, 1).annotations == ()


def test_deleting_the_last_annotation_makes_the_image_to_do_again(session: ImageSession) -> None:
    session.accept([candidate(20), candidate(60)], category_id(session, "leaf"), tool="point")
    first, second = session.annotations
    edit = session.delete([first.id])
    assert edit is not None and edit.text == "Delete annotation"
    assert session.image.state is ImageState.LABELLED
    session.delete([second.id])
    assert session.annotations == () and session.image.state is ImageState.TODO
    session.undo()
    assert session.annotations == (second,) and session.image.state is ImageState.LABELLED


def test_a_rejected_image_stays_rejected_whatever_is_drawn_on_it(session: ImageSession) -> None:
    session.set_state(ImageState.REJECTED)
    session.accept([candidate()], category_id(session, "leaf"), tool="point")
    assert session.image.state is ImageState.REJECTED
    session.delete([session.annotations[0].id])
    assert session.image.state is ImageState.REJECTED


def test_what_changes_nothing_is_no_step(session: ImageSession) -> None:
    leaf = category_id(session, "leaf")
    session.accept([candidate(20), candidate(60)], leaf, tool="point")
    back, front = session.annotations
    before = as_seen(session)
    assert session.delete([]) is None
    assert session.set_category([back.id, front.id], leaf) is None
    assert session.set_state(ImageState.LABELLED) is None
    assert session.reorder([front.id], to_front=True) is None
    assert session.reorder([back.id, front.id], to_front=False) is None
    assert session.reorder([], to_front=False) is None
    assert session.change_mask(back.id, back.mask) is None
    assert session.change_category(session.categories[0]) is None
    assert as_seen(session) == before


def test_another_category_is_given_to_those_that_had_not_got_it(
    session: ImageSession, store: ProjectStore
) -> None:
    leaf, stone = category_id(session, "leaf"), category_id(session, "stone")
    session.accept([candidate(20)], leaf, tool="point")
    session.accept([candidate(60)], stone, tool="point")
    edit = session.set_category([row.id for row in session.annotations], stone)
    assert edit is not None and len(edit.after.annotations) == 1
    assert edit.text == "Change category to stone"
    assert [row.category_id for row in session.annotations] == [stone, stone]
    assert as_stored(store) == as_seen(session)


def test_front_and_back_keep_the_order_of_those_moved(
    session: ImageSession, store: ProjectStore
) -> None:
    session.accept([candidate(x) for x in (12, 30, 48, 66)], session.categories[0].id, tool="point")
    a, b, c, d = (row.id for row in session.annotations)

    def order() -> list[int]:
        assert as_stored(store) == as_seen(session)
        return [row.id for row in session.annotations]

    session.reorder([c, a], to_front=True)
    assert order() == [b, d, a, c]
    session.reorder([c, d], to_front=False)
    assert order() == [d, c, b, a]
    session.undo()
    session.undo()
    assert order() == [a, b, c, d]
    session.accept([candidate()], session.categories[0].id, tool="point")
    assert order()[-1] not in (a, b, c, d), "the newest lies in front"


def test_a_mask_can_be_painted_over(session: ImageSession, store: ProjectStore) -> None:
    session.accept([candidate()], session.categories[0].id, tool="point")
    (old,) = session.annotations
    edit = session.change_mask(old.id, blob(20, 20))
    assert edit is not None and session.annotations[0].mask == blob(20, 20)
    assert as_stored(store) == as_seen(session)
    session.undo()
    assert session.annotations == (old,)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (Mask.empty(SIZE), "empty"),
        (Mask.from_array(np.ones((80, 60))), "60 x 80 pixels where the image is 80 x 60"),
    ],
)
def test_masks_that_cannot_be_are_refused(session: ImageSession, mask: Mask, sentence: str) -> None:
    before = as_seen(session)
    with pytest.raises(BadInputError, match=sentence):
        session.accept([Candidate(mask, 1.0, 1.0)], session.categories[0].id, tool="point")
    with pytest.raises(BadInputError, match="no mask"):
        session.accept([], session.categories[0].id, tool="point")
    assert as_seen(session) == before


def test_ids_of_nobody_are_refused(session: ImageSession) -> None:
    with pytest.raises(BadInputError, match="no longer in the project"):
        session.accept([candidate()], 99, tool="point")
    with pytest.raises(BadInputError, match="no longer on the image"):
        session.delete([99])
    with pytest.raises(BadInputError, match="no longer in the project"):
        session.delete_category(99)
    with pytest.raises(BadInputError, match="no image 7"):
        ImageSession(session._store, 7)


def test_a_refused_edit_changes_nothing_in_memory(
    session: ImageSession, store: ProjectStore
) -> None:
    session.accept([candidate()], session.categories[0].id, tool="point")
    other = ImageSession(store, 1)
    other.delete([other.annotations[0].id])
    before = as_seen(session)
    with pytest.raises(StorageError, match="changed meanwhile"):
        session.delete([session.annotations[0].id])
    assert as_seen(session) == before
    store.close()
    with pytest.raises(StorageError, match="closed"):
        session.set_state(ImageState.REVIEWED)
    assert as_seen(session) == before


def test_a_locked_annotation_is_neither_changed_nor_deleted(
    session: ImageSession, store: ProjectStore
) -> None:
    leaf, stone = (row.id for row in session.categories)
    session.accept([candidate(20), candidate(60)], leaf, tool="point")
    held, free = session.annotations
    edit = session.set_locked([held.id], True)
    assert edit is not None and edit.text == "Lock annotation"
    assert session.set_locked([held.id], True) is None
    locked = session.annotations[0]
    assert locked == replace(held, locked=True)
    for change in (
        lambda: session.delete([held.id]),
        lambda: session.set_category([held.id], stone),
        lambda: session.change_mask(held.id, blob(40, 30)),
        lambda: session.reorder([held.id], to_front=True),
    ):
        before = as_seen(session)
        with pytest.raises(BadInputError, match=r"^That annotation is locked; unlock it first\.$"):
            change()
        assert as_seen(session) == before
    session.set_category([held.id, free.id], stone)
    assert [row.category_id for row in session.annotations] == [leaf, stone]
    session.delete([held.id, free.id])
    assert session.annotations == (locked,) and session.image.state is ImageState.LABELLED
    assert as_stored(store) == as_seen(session)


def test_several_annotations_all_locked_are_refused_in_one_sentence(session: ImageSession) -> None:
    session.accept([candidate(20), candidate(60)], session.categories[0].id, tool="point")
    ids = [row.id for row in session.annotations]
    edit = session.set_locked(ids, True)
    assert edit is not None and edit.text == "Lock 2 annotations"
    with pytest.raises(BadInputError, match="All 2 of those annotations are locked; unlock them"):
        session.delete(ids)


def test_undo_and_redo_keep_the_very_rows_that_they_do_not_change(session: ImageSession) -> None:
    session.accept(
        [candidate(), candidate(20, 20)], 1, tool="point", prompt=Prompt(((1, 2),), (1,))
    )
    one, two = session.annotations
    session.set_category([two.id], 2)
    for step in (session.undo, session.redo):
        step()
        assert session.annotations[0] is one
        assert session.annotations[1].mask is two.mask
    assert session.annotations[1].category_id == 2
    session.change_mask(two.id, blob(60, 40))
    session.undo()
    assert session.annotations[1].mask == two.mask


def test_undo_passes_through_the_unlocked_state(session: ImageSession, store: ProjectStore) -> None:
    session.accept([candidate()], session.categories[0].id, tool="point")
    (made,) = session.annotations
    session.set_locked([made.id], True)
    assert ImageSession(store, 1).annotations[0].locked
    session.undo()
    assert session.annotations == (made,)
    session.undo()
    assert session.annotations == ()
    session.redo()
    session.redo()
    assert session.annotations[0].locked
    edit = session.set_locked([made.id], False)
    assert edit is not None and edit.text == "Unlock annotation"
    assert session.annotations == (made,) and as_stored(store) == as_seen(session)


def test_a_refined_mask_tells_how_it_was_refined_and_by_what_it_was_made(
    session: ImageSession, store: ProjectStore
) -> None:
    session.accept(
        [candidate()],
        session.categories[0].id,
        tool="everything",
        stage=Stage.AUTOMATIC,
        seconds=1.5,
        attributes={"occluded": True},
    )
    (old,) = session.annotations
    prompt = Prompt(((10.5, 12.5),), (1,), prior=old.mask)
    better = Candidate(blob(42, 30), 0.7, 0.6)
    how = Refinement(better, prompt, "graph_cut-2", seconds=2.0, attributes={"candidate": 1})
    edit = session.change_mask(old.id, better.mask, how)
    assert edit is not None and edit.text == "Refine mask"
    (new,) = session.annotations
    assert new.mask == better.mask and new.prompt == prompt and new.tool == "everything"
    assert (new.model_key, new.predicted_iou, new.stability) == ("graph_cut-2", 0.7, 0.6)
    assert new.stage is Stage.ASSISTED and new.seconds == 3.5
    assert new.attributes == {"occluded": True, "candidate": 1}
    assert (new.id, new.category_id, new.z_order) == (old.id, old.category_id, old.z_order)
    assert as_stored(store) == as_seen(session)
    session.undo()
    assert session.annotations == (old,)


def test_new_categories_get_free_colours_and_digits(session: ImageSession) -> None:
    leaf, stone = session.categories
    assert (leaf.colour, leaf.key) == (OKABE_ITO[0], "1")
    assert (stone.colour, stone.key) == (OKABE_ITO[1], "2")
    session.delete_category(leaf.id)
    session.add_category("  tall   grass ", isthing=False, supercategory="plant")
    grass = session.categories[-1]
    assert (grass.name, grass.colour, grass.key) == ("tall grass", OKABE_ITO[0], "1")
    assert not grass.isthing and grass.supercategory == "plant" and grass.id > stone.id
    for number in range(9):
        session.add_category(f"more {number}")
    assert [row.key for row in session.categories][-3:] == ["9", "", ""]
    assert len({row.colour for row in session.categories}) == len(session.categories)


def test_category_names_and_colours_that_cannot_be_are_refused(session: ImageSession) -> None:
    for name, colour, sentence in (
        (" ", None, "needs a name"),
        ("leaf", None, "already a category leaf"),
        ("moss", "green", "#rrggbb"),
        ("moss", "#12345g", "#rrggbb"),
    ):
        with pytest.raises(BadInputError, match=sentence):
            session.add_category(name, colour)
    with pytest.raises(BadInputError, match="digits"):
        session.change_category(replace(session.categories[0], key="x"))
    assert [row.name for row in session.categories] == ["leaf", "stone"]


def test_taking_anothers_digit_swaps_them_and_undo_swaps_back(
    session: ImageSession, store: ProjectStore
) -> None:
    leaf, stone = session.categories
    session.change_category(replace(stone, key="1", name="pebble", colour="#ABCDEF"))
    assert [(row.name, row.key) for row in session.categories] == [("leaf", "2"), ("pebble", "1")]
    assert session.categories[1].colour == "#abcdef"
    assert as_stored(store) == as_seen(session)
    session.undo()
    assert session.categories == (leaf, stone)


def test_a_category_in_use_on_any_image_is_kept(session: ImageSession, store: ProjectStore) -> None:
    leaf = session.categories[0]
    other = ImageSession(store, 2)
    other.accept([candidate()], leaf.id, tool="point")
    with pytest.raises(BadInputError, match="1 annotation has the category leaf"):
        session.delete_category(leaf.id)
    session.undo()  # "stone"
    with pytest.raises(StorageError, match="still used"):
        session.undo()  # "leaf", which the other image needs
    assert session.categories == (leaf,)
    assert as_stored(store) == as_seen(session)


class AnyWork(RuleBasedStateMachine):
    """Whatever is done, memory equals the file, and undoing all leads back to the start."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.store = new_store(Path(self.directory.name))
        self.session = ImageSession(self.store, 1)
        self.session.add_category("leaf")
        self.session.add_category("stone")
        self.origin = as_seen(self.session)[:3]
        self.steps = 0

    def teardown(self) -> None:
        try:
            assert as_stored(self.store) == as_seen(self.session)
            for _ in range(self.steps):
                assert self.session.undo() is not None
            assert as_seen(self.session)[:3] == self.origin
            assert as_stored(self.store) == as_seen(self.session)
        finally:
            self.store.close()
            self.directory.cleanup()

    def ids(self, data: st.DataObject) -> list[int]:
        known = [row.id for row in self.session.annotations]
        return data.draw(st.lists(st.sampled_from(known), min_size=1, unique=True))

    def try_on(self, ids: list[int], change: Callable[[list[int]], object]) -> None:
        """Make a change, refused where all are locked; what is locked is the same after it."""
        locked = {row.id: row for row in self.session.annotations if row.locked}
        if set(ids) <= set(locked):
            with pytest.raises(BadInputError, match="locked"):
                change(ids)
        else:
            self.note(change(ids))
        now = {row.id: row for row in self.session.annotations}
        assert all(now[number] == row for number, row in locked.items())

    def note(self, edit: object) -> None:
        self.steps += edit is not None

    @rule(xs=st.lists(st.integers(10, 69), min_size=1, max_size=3), which=st.integers(0, 1))
    def accept(self, xs: list[int], which: int) -> None:
        chosen = self.session.categories[which].id
        self.note(self.session.accept([candidate(x) for x in xs], chosen, tool="point"))

    @precondition(lambda self: self.session.annotations)
    @rule(data=st.data(), which=st.integers(0, 1))
    def change_category(self, data: st.DataObject, which: int) -> None:
        chosen = self.session.categories[which].id
        self.try_on(self.ids(data), lambda ids: self.session.set_category(ids, chosen))

    @precondition(lambda self: self.session.annotations)
    @rule(data=st.data(), to_front=st.booleans())
    def reorder(self, data: st.DataObject, to_front: bool) -> None:
        self.try_on(self.ids(data), lambda ids: self.session.reorder(ids, to_front))

    @precondition(lambda self: self.session.annotations)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.try_on(self.ids(data), self.session.delete)

    @precondition(lambda self: self.session.annotations)
    @rule(data=st.data(), locked=st.booleans())
    def lock(self, data: st.DataObject, locked: bool) -> None:
        self.note(self.session.set_locked(self.ids(data), locked))

    @rule(state=st.sampled_from(ImageState))
    def set_state(self, state: ImageState) -> None:
        self.note(self.session.set_state(state))

    @precondition(lambda self: self.steps)
    @rule()
    def undo(self) -> None:
        assert self.session.undo() is not None
        self.steps -= 1

    @rule()
    def redo(self) -> None:
        self.note(self.session.redo())


TestAnyWork = AnyWork.TestCase
TestAnyWork.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)

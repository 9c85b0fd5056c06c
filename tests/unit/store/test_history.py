"""Whatever is done, undone, redone and restarted, a project is what a plain model says."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, HistoryState, Records
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.store.lock import user_name
from segstudio.store.project import NewImage, ProjectStore

SIZE = (12, 17)

places = st.integers(0, 1)
picks = st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.just("accept"), places, picks),
    st.tuples(st.just("replace"), places, picks),
    st.tuples(st.just("delete"), places, picks),
    st.tuples(st.just("state"), places, st.sampled_from(ImageState)),
    st.tuples(st.just("rename"), st.just(2), picks),
    st.tuples(st.just("undo"), st.integers(0, 2), st.none()),
    st.tuples(st.just("redo"), st.integers(0, 2), st.none()),
    st.tuples(st.just("go"), st.integers(0, 2), picks),
    st.tuples(st.just("restart"), st.just(0), st.none()),
)


class Model:
    """Dictionaries and lists: what a project means, without files."""

    def __init__(self, images: list[ImageRecord]) -> None:
        self.images = {record.id: record for record in images}
        self.categories: dict[int, Category] = {}
        self.annotations: dict[int, Annotation] = {}
        self.done: dict[int, list[Edit]] = {0: [], **{number: [] for number in self.images}}
        self.undone: dict[int, list[Edit]] = {number: [] for number in self.done}
        self.numbers: dict[int, list[int]] = {number: [] for number in self.done}
        self.made: dict[int, int] = dict.fromkeys(self.done, 0)

    def _apply(self, before: Records, after: Records) -> None:
        for record in before.annotations:
            del self.annotations[record.id]
        for gone in before.categories:
            del self.categories[gone.id]
        self.annotations |= {record.id: record for record in after.annotations}
        self.categories |= {record.id: record for record in after.categories}
        self.images |= {record.id: record for record in after.images}

    def commit(self, edit: Edit) -> None:
        self._apply(edit.before, edit.after)
        done = self.done[edit.image_id]
        del self.numbers[edit.image_id][len(done) :]
        done.append(edit)
        self.undone[edit.image_id].clear()
        self.made[edit.image_id] += 1
        self.numbers[edit.image_id].append(self.made[edit.image_id])

    def undo(self, image_id: int) -> Edit | None:
        if not self.done[image_id]:
            return None
        edit = self.done[image_id].pop()
        self.undone[image_id].append(edit)
        self._apply(edit.after, edit.before)
        return edit.inverted()

    def redo(self, image_id: int) -> Edit | None:
        if not self.undone[image_id]:
            return None
        edit = self.undone[image_id].pop()
        self.done[image_id].append(edit)
        self._apply(edit.before, edit.after)
        return edit

    def line(self, image_id: int) -> tuple[list[tuple[int, str]], int]:
        """Sequence and text of the living steps, and the sequence of the last one done."""
        done, undone = self.done[image_id], self.undone[image_id]
        texts = [edit.text for edit in (*done, *reversed(undone))]
        numbers = self.numbers[image_id]
        return list(zip(numbers, texts, strict=True)), numbers[len(done) - 1] if done else 0

    def go_to(self, image_id: int, sequence: int) -> bool:
        """Step by step; whether there was any step to take."""
        wanted = self.numbers[image_id].index(sequence) + 1 if sequence else 0
        here = len(self.done[image_id])
        for _ in range(abs(wanted - here)):
            if wanted < here:
                self.undo(image_id)
            else:
                self.redo(image_id)
        return wanted != here

    def history(self, image_id: int) -> HistoryState:
        done, undone = self.done[image_id], self.undone[image_id]
        return HistoryState(done[-1].text if done else None, undone[-1].text if undone else None)

    def on(self, image_id: int) -> list[Annotation]:
        mine = [a for a in self.annotations.values() if a.image_id == image_id]
        return sorted(mine, key=lambda a: (a.z_order, a.id))


def next_edit(store: ProjectStore, model: Model, what: str, where: int, pick: Any) -> Edit | None:
    """The edit that a step means here, or None where there is nothing to do it to."""
    if what == "rename":
        [old] = model.categories.values()
        new = replace(old, name=f"name {pick}", colour=f"#00000{pick}")
        return Edit("Rename", 0, Records(categories=(old,)), Records(categories=(new,)))
    image = list(model.images.values())[where]
    if what == "state":
        new_image = replace(image, state=pick)
        return Edit("State", image.id, Records(images=(image,)), Records(images=(new_image,)))
    mask = Mask.from_array(np.random.default_rng(pick).random(SIZE) < pick / 9)
    if what == "accept":
        number, category = store.new_annotation_id(), next(iter(model.categories))
        assert number not in model.annotations
        new = Annotation(number, image.id, category, mask, z_order=pick % 3)
        return Edit(f"Accept {number}", image.id, Records(), Records(annotations=(new,)))
    there = model.on(image.id)
    if not there:
        return None
    old_one = there[pick % len(there)]
    if what == "delete":
        return Edit("Delete", image.id, Records(annotations=(old_one,)), Records())
    changed = replace(old_one, mask=mask, z_order=pick)
    return Edit(
        "Replace", image.id, Records(annotations=(old_one,)), Records(annotations=(changed,))
    )


def require_equal(store: ProjectStore, model: Model) -> None:
    assert {record.id: record for record in store.images()} == model.images
    assert {record.id: record for record in store.categories()} == model.categories
    for number in model.images:
        assert store.annotations(number) == model.on(number)
    for number in model.done:
        assert store.history(number) == model.history(number)
        line = store.history_line(number)
        found = [(step.sequence, step.text) for step in line.steps], line.at
        assert found == model.line(number)


def require_true_change(
    edit: Edit, before: tuple[list[ImageRecord], list[Annotation]], store: ProjectStore
) -> None:
    """The edit that came back names exactly the rows that differ, as they were and are."""
    old = {("image", row.id): row for row in before[0]}
    old_ones = {("annotation", row.id): row for row in before[1]}
    new = {("image", row.id): row for row in store.images()}
    new_ones = {("annotation", row.id): row for row in store.all_annotations()}
    assert {row.id for row in edit.after.images} == {k[1] for k in new if new[k] != old[k]}
    changed = {key[1] for key in {**old_ones, **new_ones} if old_ones.get(key) != new_ones.get(key)}
    named = {row.id for row in (*edit.before.annotations, *edit.after.annotations)}
    assert named == changed
    for row in edit.before.annotations:
        assert old_ones["annotation", row.id] == row
    for row in edit.after.annotations:
        assert new_ones["annotation", row.id] == row


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=25))
def test_any_sequence_of_steps_gives_what_a_plain_model_gives(sequence: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.segstudio"
        store = ProjectStore.create(path, path.parent)
        try:
            model = Model(store.add_images([NewImage(f"{n}.png", 17, 12, "") for n in (1, 2)]))
            start = Category(store.new_category_id(), "thing", "#ffffff")
            first = Edit("Add category", 0, Records(), Records(categories=(start,)))
            model.commit(first)
            store.commit(first)
            given_ids: set[int] = set()
            for what, where, pick in sequence:
                if what == "restart":
                    store.close()
                    store = ProjectStore.open(path)
                elif what in ("undo", "redo"):
                    place = [*model.images, 0][where]
                    if what == "undo" and place == 0 and len(model.done[0]) == 1:
                        continue  # the category may be in use
                    assert getattr(store, what)(place) == getattr(model, what)(place)
                elif what == "go":
                    place = [*model.images, 0][where]
                    places = [0, *model.numbers[place]]
                    target = places[pick % len(places)]
                    if place == 0:
                        target = max(target, 1)  # the category may be in use
                    before = store.images(), list(store.all_annotations())
                    moved = store.go_to(place, target)
                    assert (moved is not None) == model.go_to(place, target)
                    if moved is not None and place:
                        require_true_change(moved, before, store)
                elif edit := next_edit(store, model, what, where, pick):
                    new = {a.id for a in edit.after.annotations} - set(model.annotations)
                    assert not new & given_ids
                    given_ids |= new
                    model.commit(edit)
                    assert store.commit(edit) == model.history(edit.image_id)
                require_equal(store, model)
            assert store.integrity() == []
        finally:
            store.close()


def accepted(desk: Any, count: int) -> list[Annotation]:
    return [desk.accept(seed) for seed in range(count)]


def test_a_step_that_was_overtaken_is_kept_in_the_ledger_and_left_by_the_line(desk: Any) -> None:
    image = desk.images[0].id
    accepted(desk, 3)
    assert desk.store.go_to(image, 1) is not None
    assert desk.store.history_line(image).at == 1
    assert len(desk.store.history_line(image).steps) == 3
    desk.accept(9)
    line = desk.store.history_line(image)
    assert [(step.sequence, step.text) for step in line.steps] == [
        (1, "Accept mask 0"),
        (4, "Accept mask 9"),
    ]
    assert line.at == 4
    with pytest.raises(BadInputError, match="other work took its place"):
        desk.store.go_to(image, 2)
    with pytest.raises(BadInputError, match="other work took its place"):
        desk.store.go_to(image, 99)
    later = desk.store.history_line(image, after=1)
    assert ([step.sequence for step in later.steps], later.at, later.total) == ([4], 4, 2)
    with sqlite3.connect(desk.store.path) as file:
        states = file.execute(
            "SELECT state FROM edit WHERE image_id = ? ORDER BY sequence", [image]
        )
        assert [row[0] for row in states] == ["done", "dropped", "dropped", "done"]


def test_steps_say_who_and_when(desk: Any) -> None:
    before = time.time()
    accepted(desk, 2)
    steps = desk.store.history_line(desk.images[0].id).steps
    assert before <= steps[0].made_at <= steps[1].made_at <= time.time()
    assert {step.user for step in steps} == {user_name()}


def test_going_far_back_is_one_change_of_the_records_and_one_transaction(desk: Any) -> None:
    image = desk.images[0].id
    [first] = accepted(desk, 1)
    for seed in range(1, 40):
        changed = replace(first, mask=desk.mask(seed), z_order=seed)
        edit = Edit("Paint", image, Records((first,)), Records((changed,)))
        desk.store.commit(edit)
        first = changed
    statements: list[str] = []
    engine = desk.store._file.engine
    event.listen(engine, "before_cursor_execute", lambda _c, _k, sql, *_: statements.append(sql))
    ends: list[object] = []
    event.listen(engine, "commit", ends.append)
    moved = desk.store.go_to(image, 1)
    assert moved is not None
    assert [row.z_order for row in moved.before.annotations] == [39]
    assert [row.z_order for row in moved.after.annotations] == [0]
    assert sum(sql.startswith("UPDATE annotation") for sql in statements) == 1
    assert sum(sql.startswith("UPDATE edit") for sql in statements) == 1
    assert len(ends) == 1


def test_a_refused_journey_leaves_everything_where_it_was(desk: Any) -> None:
    """Between here and there lies the making of a category that the other image uses."""
    image, other = (record.id for record in desk.images)
    desk.accept(0)
    new = Category(desk.store.new_category_id(), "late", "#112233")
    desk.store.commit(Edit("Add category", image, Records(), Records(categories=(new,))))
    desk.accept(1)
    there = desk.annotation(2, image=1, category_id=new.id)
    desk.store.commit(Edit("Accept", other, Records(), Records((there,))))
    before = desk.everything(), desk.store.history_line(image)
    with pytest.raises(StorageError, match="still used by 1 annotation"):
        desk.store.go_to(image, 0)
    assert (desk.everything(), desk.store.history_line(image)) == before
    assert desk.store.go_to(image, 2) is not None


def test_going_back_past_a_moved_file_leaves_it_where_it_is_now(desk: Any) -> None:
    image = desk.images[0]
    first = replace(image, state=ImageState.LABELLED)
    desk.store.commit(Edit("State", image.id, Records(images=(image,)), Records(images=(first,))))
    with sqlite3.connect(desk.store.path) as file:
        file.execute("UPDATE image SET path = 'moved.jpg' WHERE id = ?", [image.id])
    moved = desk.store.image(image.id)
    second = replace(moved, state=ImageState.REVIEWED)
    desk.store.commit(Edit("State", image.id, Records(images=(moved,)), Records(images=(second,))))
    desk.store.go_to(image.id, 0)
    assert desk.store.image(image.id) == replace(image, path="moved.jpg")
    desk.store.go_to(image.id, 2)
    assert desk.store.image(image.id) == second


def test_a_read_only_project_lists_its_history_and_goes_nowhere(desk: Any) -> None:
    image = desk.images[0].id
    accepted(desk, 2)
    desk.store.close()
    with ProjectStore.open(desk.store.path, read_only=True) as store:
        assert len(store.history_line(image).steps) == 2
        with pytest.raises(StorageError, match="read-only"):
            store.go_to(image, 0)

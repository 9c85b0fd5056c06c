"""Whatever is done, undone, redone and restarted, a project is what a plain model says."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, HistoryState, Records
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
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
        self.done[edit.image_id].append(edit)
        self.undone[edit.image_id].clear()

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

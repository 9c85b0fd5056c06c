"""Runs on many images: all or nothing, one undo, and taken back whatever came after."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, Cancelled, StorageError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.progress import CancelToken
from segstudio.store import sqlite_file
from segstudio.store.project import NewImage, ProjectStore
from segstudio.store.runs import RunStep

SIZE = (9, 11)
MASK = Mask.from_array(np.eye(*SIZE))


def make(folder: Path, images: int = 4) -> ProjectStore:
    store = ProjectStore.create(folder / "p.segstudio", folder)
    store.add_images([NewImage(f"{n}.jpg", SIZE[1], SIZE[0], f"{n}") for n in range(images)])
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with make(tmp_path) as opened:
        yield opened


def import_steps(
    store: ProjectStore, images: list[ImageRecord], each: int = 2
) -> Iterator[RunStep]:
    """A new category, then some annotations, a split and a state for each image."""
    number = store.new_category_id()
    category = Category(number, f"category {number}", "#112233")
    yield RunStep(
        Edit("Import", 0, Records(), Records(categories=(category,))),
        {
            (OriginKind.CATEGORY, number): Origin("coco", "17", {"x": [1]}),
            (OriginKind.PROJECT, 0): Origin("coco", "", {"info": "é"}),
        },
    )
    for image in images:
        rows = tuple(
            Annotation(store.new_annotation_id(), image.id, number, MASK, z_order=n)
            for n in range(each)
        )
        after = replace(image, split=image.split or "train", state=ImageState.LABELLED)
        origins = {(OriginKind.IMAGE, image.id): Origin("coco", f"i{image.id}", {"id": image.id})}
        origins |= {
            (OriginKind.ANNOTATION, row.id): Origin("coco", f"a{row.id}", {}, mask_key(row.mask))
            for row in rows
        }
        edit = Edit("Import", image.id, Records(images=(image,)), Records(rows, images=(after,)))
        yield RunStep(edit, origins)


def bring(store: ProjectStore, images: list[ImageRecord] | None = None) -> int:
    chosen = store.images() if images is None else images
    return store.carry_out("import", {"file": "a"}, import_steps(store, chosen), CancelToken())


def content(store: ProjectStore) -> tuple[Any, ...]:
    return store.images(), store.categories(), list(store.all_annotations())


def test_a_run_is_carried_out_undone_and_redone_as_one(store: ProjectStore) -> None:
    before = content(store)
    run_id = bring(store)
    after = content(store)
    assert len(after[2]) == 8 and store.last_run("import") == store.runs("import")[0]
    assert store.history(3).undo == "Import (4 images)" == store.history(0).undo
    undone = store.undo(2)
    assert undone is not None and undone.run_id == run_id
    assert {row.image_id for row in undone.before.annotations} == {2}
    assert content(store) == before and store.last_run("import") is None
    assert store.history(1).redo == "Import (4 images)" and store.history(1).undo is None
    redone = store.redo(0)
    assert redone is not None and redone.run_id == run_id
    assert content(store) == after and store.integrity() == []


def test_where_one_history_has_gone_on_only_the_asked_part_is_undone(store: ProjectStore) -> None:
    bring(store)
    [first, _] = store.annotations(1)
    store.commit(Edit("Delete", 1, Records((first,)), Records()))
    assert store.history(2).undo == "Import"
    undone = store.undo(2)
    assert undone is not None and undone.run_id == 0
    assert store.annotation_counts() == {1: 1, 2: 0, 3: 2, 4: 2}
    redone = store.redo(2)
    assert redone is not None and redone.run_id == 0
    store.undo(1)  # the deletion: now nothing has gone on any more
    assert store.history(2).undo == "Import (4 images)"
    store.undo(4)
    assert set(store.annotation_counts().values()) == {0}


def test_a_category_that_others_use_keeps_a_run_from_being_undone_whole(
    store: ProjectStore,
) -> None:
    bring(store, store.images()[:3])
    [category] = store.categories()
    row = Annotation(store.new_annotation_id(), 4, category.id, MASK)
    store.commit(Edit("Accept", 4, Records(), Records((row,))))
    undone = store.undo(1)
    assert undone is not None and undone.run_id == 0
    assert store.annotation_counts() == {1: 0, 2: 2, 3: 2, 4: 1}


def test_categories_come_back_with_a_part_that_is_redone_alone(store: ProjectStore) -> None:
    bring(store)
    [category] = store.categories()
    after = store.annotations(3)
    store.undo(1)
    twin = replace(category, id=store.new_category_id())
    store.commit(Edit("Add category", 0, Records(), Records(categories=(twin,))))
    store.redo(3)
    assert store.annotations(3) == after and len(list(store.all_annotations())) == 8
    names = {row.id: row.name for row in store.categories()}
    assert names == {category.id: f"{category.name} (2)", twin.id: twin.name}
    assert store.integrity() == []
    store.undo(2)
    assert store.categories() == [twin] and list(store.all_annotations()) == []


def test_going_to_a_step_moves_one_image_of_a_run(store: ProjectStore) -> None:
    bring(store)
    store.go_to(2, 0)
    assert store.annotation_counts() == {1: 2, 2: 0, 3: 2, 4: 2}
    store.undo(1)  # the rest of it
    assert store.categories() == []
    store.go_to(2, 1)
    assert store.annotation_counts() == {1: 0, 2: 2, 3: 0, 4: 0}
    assert len(store.categories()) == 1 and store.integrity() == []


def test_a_run_is_taken_back_after_work_went_on_and_what_people_made_stays(
    store: ProjectStore,
) -> None:
    images = store.images()
    run_id = bring(store)
    [changed, plain] = store.annotations(1)
    [category] = store.categories()
    better = replace(changed, mask=Mask.from_array(np.ones(SIZE)))
    moved = replace(plain, z_order=9)
    store.commit(Edit("Refine", 1, Records((changed, plain)), Records((better, moved))))
    own = Annotation(store.new_annotation_id(), 2, category.id, MASK)
    store.commit(Edit("Accept", 2, Records(), Records((own,))))
    before = content(store)

    taken = store.take_back(run_id, CancelToken())
    assert taken.kept == (better.id,) and taken.kept_categories == (category.name,)
    assert (taken.images, taken.removed) == (4, 7)
    assert store.annotations(1) == [better] and store.annotations(2) == [own]
    after = {image.id: image for image in store.images()}
    assert after[3] == images[2] and after[4] == images[3]  # as if nothing had been
    assert {after[n].state for n in (1, 2)} == {ImageState.LABELLED}  # there is work on them
    assert {after[n].split for n in (1, 2)} == {""}
    assert store.last_run("import") is None and store.integrity() == []
    with pytest.raises(BadInputError, match="already"):
        store.take_back(run_id, CancelToken())

    undone = store.undo(4)  # taking back is a run itself
    assert undone is not None and undone.run_id == taken.run_id
    assert content(store) == before
    assert store.last_run("import") is not None and store.integrity() == []


def test_a_run_after_which_nothing_came_is_taken_back_by_undoing_it(store: ProjectStore) -> None:
    before = content(store)
    run_id = bring(store)
    after = content(store)
    taken = store.take_back(run_id, CancelToken())
    assert (taken.run_id, taken.images, taken.removed, taken.kept) == (0, 4, 8, ())
    assert content(store) == before
    store.redo(1)
    assert content(store) == after
    with pytest.raises(BadInputError, match="no run 77"):
        store.take_back(77, CancelToken())


def test_taking_back_can_be_cancelled(store: ProjectStore) -> None:
    run_id = bring(store)
    for gone_on in (False, True):
        if gone_on:
            row = store.annotations(1)[0]
            store.commit(Edit("Delete", 1, Records((row,)), Records()))
        before, token = content(store), CancelToken()
        with pytest.raises(Cancelled):
            store.take_back(
                run_id, token, lambda step, t=token: t.cancel() if step.done >= 2 else None
            )
        assert content(store) == before and store.runs("take-back") == []


# -- all or nothing ------------------------------------------------------------------------------


def test_a_run_that_fails_or_is_cancelled_leaves_nothing(store: ProjectStore) -> None:
    before = content(store)
    token = CancelToken()

    def cancelled() -> Iterator[RunStep]:
        for index, step in enumerate(import_steps(store, store.images())):
            if index == 3:
                token.cancel()
            yield step

    def broken() -> Iterator[RunStep]:
        yield from import_steps(store, store.images())
        raise OSError("the source went away")

    def unfit() -> Iterator[RunStep]:
        yield from import_steps(store, store.images())
        wrong = Annotation(store.new_annotation_id(), 1, 999, MASK)
        yield RunStep(Edit("Import", 1, Records(), Records((wrong,))))

    with pytest.raises(Cancelled):
        store.carry_out("import", {}, cancelled(), token)
    with pytest.raises(OSError, match="the source went away"):
        store.carry_out("import", {}, broken(), CancelToken())
    with pytest.raises(StorageError):
        store.carry_out("import", {}, unfit(), CancelToken())
    with pytest.raises(StorageError, match="cannot be stored"):
        store.carry_out("import", {}, import_steps(store, store.images()), CancelToken(), object)
    assert store.carry_out("import", {}, iter(()), CancelToken()) == 0
    assert content(store) == before and store.runs() == [] and store.history(0).undo is None
    assert store.integrity() == []
    first = store.new_annotation_id()
    bring(store)
    assert min(row.id for row in store.all_annotations()) > first


def test_others_read_what_was_there_while_a_run_is_carried_out(store: ProjectStore) -> None:
    half, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[RunStep]:
        for index, step in enumerate(import_steps(store, store.images())):
            assert store.annotations(1) == []  # the steps read, too
            if index == 3:
                half.set()
                assert go_on.wait(20)
            yield step

    before = content(store)
    worker = threading.Thread(
        target=lambda: store.carry_out("import", {}, slow(), CancelToken()), daemon=True
    )
    worker.start()
    assert half.wait(20)
    assert content(store) == before
    go_on.set()
    worker.join(20)
    assert len(list(store.all_annotations())) == 8


def test_readers_are_served_where_the_disk_cannot_keep_a_log_either(store: ProjectStore) -> None:
    with store._file.engine.connect() as connection:
        mode = sqlite_file.driver(connection).execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    assert mode == "delete"
    images = store.images()

    def steps() -> Iterator[RunStep]:
        for step in import_steps(store, images, each=100):
            assert store.annotation_counts() == dict.fromkeys(range(1, 5), 0)
            yield step

    store.carry_out("import", {}, steps(), CancelToken())
    assert sum(store.annotation_counts().values()) == 400 and store.integrity() == []


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_runs import CancelToken, ProjectStore, import_steps
store = ProjectStore.open(Path(sys.argv[1]))

def steps():
    for number, step in enumerate(import_steps(store, store.images())):
        yield step
        if number == int(sys.argv[3]):
            print("in the middle", flush=True)
            sys.stdin.read()

store.carry_out("import", {}, steps(), CancelToken())
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("step", "said", "runs"), [(350, "in the middle", 0), (999, "done", 1)])
def test_a_killed_process_leaves_a_whole_run_or_none(
    step: int, said: str, runs: int, tmp_path: Path
) -> None:
    with make(tmp_path, 400) as store:
        path = store.path
    command = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent), str(step)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == f"{said}\n"
        process.send_signal(signal.SIGKILL)
    with ProjectStore.open(path) as store:
        assert store.integrity() == [] and len(store.runs()) == runs
        assert len(list(store.all_annotations())) == 800 * runs
        if runs:
            store.undo(1)
            assert len(store.runs()) == 1 and not list(store.all_annotations())


def test_a_full_disk_leaves_nothing_of_a_run(small_disk: Any) -> None:
    with make(small_disk.path, 30) as store:
        before = content(store)
        small_disk.fill()
        with pytest.raises(StorageError, match="The disk is full"):
            bring(store)
        assert content(store) == before and store.runs() == []
        small_disk.empty()
        bring(store)
        assert len(list(store.all_annotations())) == 60 and store.integrity() == []


# -- origins -------------------------------------------------------------------------------------


def test_origins_count_while_what_brought_them_is_done(store: ProjectStore) -> None:
    def known() -> list[dict[int, Origin]]:
        ids = [row.id for row in store.all_annotations()]
        return [
            store.origins(OriginKind.PROJECT, [0], "coco"),
            store.origins(OriginKind.CATEGORY, range(5), "coco"),
            store.origins(OriginKind.IMAGE, range(9), "coco"),
            store.origins(OriginKind.ANNOTATION, ids, "coco"),
        ]

    run_id = bring(store, store.images()[:2])
    project, categories, images, annotations = known()
    assert project == {0: Origin("coco", "", {"info": "é"})}
    assert list(categories.values()) == [Origin("coco", "17", {"x": [1]})]
    assert images == {n: Origin("coco", f"i{n}", {"id": n}) for n in (1, 2)}
    assert {row.key for row in annotations.values()} == {f"a{number}" for number in annotations}
    assert {row.mask for row in annotations.values()} == {mask_key(MASK)} and len(annotations) == 4
    assert store.origins(OriginKind.IMAGE, [1], "voc") == {}
    store.undo(1)
    assert known() == [{}, {}, {}, {}]
    store.redo(1)
    assert known() == [project, categories, images, annotations]

    kept = store.annotations(1)[0]
    store.commit(Edit("Move", 1, Records((kept,)), Records((replace(kept, review="good"),))))
    again = store.carry_out(
        "import",
        {},
        [
            RunStep(
                Edit("Import", 1, Records(), Records()),
                {(OriginKind.IMAGE, 1): Origin("coco", "z")},
            )
        ],
        CancelToken(),
    )
    assert store.origins(OriginKind.IMAGE, [1], "coco")[1].key == "z"  # the latest
    store.take_back(again, CancelToken())
    store.take_back(run_id, CancelToken())
    gone = [{}, {}, {}, {kept.id: annotations[kept.id]}]
    assert known() == gone
    store.undo(2)
    assert known() == [project, categories, images, annotations]
    with sqlite3.connect(store.path) as plain:
        plain.execute("UPDATE origin SET record = '[]' WHERE kind = 'project'")
    plain.close()
    assert [fault for fault in store.integrity() if "origin" in fault]


# -- whatever is done ----------------------------------------------------------------------------

spots = st.integers(0, 3)
acts = st.one_of(
    st.tuples(st.just("run"), st.sets(st.integers(1, 3), min_size=1)),
    st.tuples(st.just("accept"), spots),
    st.tuples(st.just("delete"), spots),
    st.tuples(st.just("category"), spots),
    st.tuples(st.just("undo"), spots),
    st.tuples(st.just("redo"), spots),
    st.tuples(st.just("go"), st.tuples(st.integers(1, 3), st.integers(0, 4))),
    st.tuples(st.just("take back"), spots),
    st.tuples(st.just("restart"), spots),
)


def act(store: ProjectStore, what: str, where: Any) -> None:
    """One step of a person; what does not make sense there is refused or does nothing."""
    images = store.images()
    if what == "run":
        bring(store, [image for image in images if image.id in where])
    elif what == "category":
        number = store.new_category_id()
        added = Category(number, f"category {number}", "#445566")
        store.commit(Edit("Add", 0, Records(), Records(categories=(added,))))
    elif what == "accept" and where and (known := store.categories()):
        row = Annotation(store.new_annotation_id(), where, known[-1].id, MASK)
        store.commit(Edit("Accept", where, Records(), Records((row,))))
    elif what == "delete" and where and (rows := store.annotations(where)):
        store.commit(Edit("Delete", where, Records((rows[0],)), Records()))
    elif what == "redo":
        store.redo(where)
    elif what == "go":
        image_id, sequence = where
        store.go_to(image_id, sequence)
    elif what == "take back":
        runs = store.runs()
        if where < len(runs):
            store.take_back(runs[where].id, CancelToken())


@given(st.lists(acts, max_size=12))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_done_nothing_breaks_and_redo_undoes_undo(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = make(Path(folder), 3)
        try:
            for what, where in steps:
                before = content(store)
                if what == "restart":
                    store.close()
                    store = ProjectStore.open(store.path)
                    assert content(store) == before
                    continue
                try:
                    if what == "undo":
                        done = store.undo(where)
                        if done is not None:
                            after = content(store)
                            store.redo(where)
                            assert content(store) == before
                            store.undo(where)
                            assert content(store) == after
                    else:
                        act(store, what, where)
                except (BadInputError, StorageError):
                    assert content(store) == before
            assert store.integrity() == []
        finally:
            store.close()

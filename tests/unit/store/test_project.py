"""A project keeps what was put into it, and finds its images again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pycocotools import mask as coco_mask

from segstudio.core.category import Category
from segstudio.core.changes import Edit, HistoryState, Records
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.store.project import NewImage, ProjectStore


def reopened(desk: Any) -> ProjectStore:
    desk.store.close()
    desk.store = ProjectStore.open(desk.store.path)
    return desk.store


def test_every_field_of_every_record_is_the_same_after_a_restart(desk: Any) -> None:
    first, second = desk.accept(5), desk.accept(1)
    plain = replace(
        desk.annotation(2), prompt=None, predicted_iou=None, stability=None, attributes={}
    )
    desk.store.commit(Edit("Accept", plain.image_id, Records(), Records(annotations=(plain,))))
    store = reopened(desk)
    assert store.annotations(desk.images[0].id) == [second, plain, first]  # by depth
    assert store.categories() == [desk.category]
    assert store.images() == desk.images
    assert store.image(desk.images[1].id) == desk.images[1]
    assert list(store.all_annotations()) == [second, plain, first]
    assert store.name == "zoo"
    assert store.integrity() == []


def test_masks_lie_in_the_file_as_the_bytes_that_pycocotools_writes(desk: Any) -> None:
    record = desk.accept(7)
    desk.store.close()
    with sqlite3.connect(desk.store.path) as plain:
        height, width, counts, area, *bbox = plain.execute(
            "SELECT mask_height, mask_width, counts, area, bbox_x, bbox_y, bbox_w, bbox_h"
            " FROM annotation"
        ).fetchone()
    encoded = {"size": [height, width], "counts": counts}
    assert (coco_mask.decode(encoded).astype(bool) == record.mask.to_array()).all()
    assert area == int(coco_mask.area(encoded))
    assert bbox == coco_mask.toBbox(encoded).tolist()


def test_undo_and_redo_go_through_a_restart(desk: Any) -> None:
    image = desk.images[0]
    first, second = desk.accept(1), desk.accept(2)
    undone = desk.store.undo(image.id)
    assert undone is not None and undone.before.annotations == (second,)
    store = reopened(desk)
    assert store.history(image.id) == HistoryState("Accept mask 1", "Accept mask 2")
    redone = store.redo(image.id)
    assert redone is not None and redone.after.annotations == (second,)
    assert store.annotations(image.id) == [first, second]
    assert store.redo(image.id) is None
    assert store.undo(image.id) and store.undo(image.id)
    assert store.undo(image.id) is None
    assert store.annotations(image.id) == []
    assert store.history(image.id) == HistoryState(None, "Accept mask 1")


def test_a_new_edit_drops_what_was_undone_but_the_ledger_keeps_it(desk: Any) -> None:
    image = desk.images[0]
    desk.accept(1)
    desk.store.undo(image.id)
    assert desk.store.history(image.id).redo == "Accept mask 1"
    desk.accept(2)
    assert desk.store.redo(image.id) is None
    desk.store.close()
    with sqlite3.connect(desk.store.path) as plain:
        ledger = plain.execute(
            "SELECT sequence, text, state, user <> '', made_at > 1.7e9, state_user <> ''"
            " FROM edit WHERE image_id = ? ORDER BY sequence",
            (image.id,),
        ).fetchall()
    assert ledger == [
        (1, "Accept mask 1", "dropped", 1, 1, 1),
        (2, "Accept mask 2", "done", 1, 1, None),
    ]


def test_histories_of_images_do_not_mix(desk: Any) -> None:
    one, two = desk.accept(1, image=0), desk.accept(2, image=1)
    desk.store.undo(one.image_id)
    assert list(desk.store.all_annotations()) == [two]
    assert desk.store.history(two.image_id) == HistoryState("Accept mask 2", None)


def test_one_edit_replaces_deletes_and_adds_at_once(desk: Any) -> None:
    image = desk.images[0]
    moved, gone = desk.accept(1), desk.accept(2)
    other = Category(desk.store.new_category_id(), "gnu", "#123456", isthing=False)
    came = replace(desk.annotation(3), category_id=other.id)
    edit = Edit(
        "Rework",
        image.id,
        before=Records((moved, gone), (), (image,)),
        after=Records(
            (replace(moved, z_order=9, category_id=other.id), came),
            (other,),
            (replace(image, state=ImageState.LABELLED, split="val"),),
        ),
    )
    desk.store.commit(edit)
    assert desk.store.annotations(image.id) == [came, edit.after.annotations[0]]
    assert desk.store.image(image.id).state is ImageState.LABELLED
    assert desk.store.undo(image.id) == edit.inverted()
    assert desk.store.annotations(image.id) == [moved, gone]
    assert desk.store.categories() == [desk.category]
    assert desk.store.image(image.id) == image


def test_ids_are_never_given_out_twice(desk: Any) -> None:
    given = [desk.accept(1).id, desk.accept(2).id]
    desk.store.undo(desk.images[0].id)
    given += [desk.store.new_annotation_id(), reopened(desk).new_annotation_id()]
    desk.store.undo(desk.images[0].id)
    given += [reopened(desk).new_annotation_id(), desk.store.new_annotation_id()]
    assert len(set(given)) == len(given)
    categories = [desk.category.id, desk.store.new_category_id()]
    assert desk.store.undo(0) is not None
    categories.append(reopened(desk).new_category_id())
    assert len(set(categories)) == 3


def test_an_edit_whose_ground_has_changed_is_refused_whole(desk: Any) -> None:
    record = desk.accept(1)
    seen = desk.everything()
    stale = replace(record, z_order=77)
    for before, after in (
        (Records((stale,)), Records()),  # deletes what is not so any more
        (Records((stale,)), Records((record,))),  # takes back a depth that is not there
        (Records(), Records((record,))),  # adds what is there
        (Records((desk.annotation(4),)), Records()),  # deletes what is not there
    ):
        also_new = replace(desk.annotation(5))
        edit = Edit(
            "Move",
            record.image_id,
            before,
            replace(after, annotations=(*after.annotations, also_new)),
        )
        with pytest.raises(StorageError, match="changed meanwhile"):
            desk.store.commit(edit)
    assert desk.everything() == seen


def test_undo_does_not_take_back_what_another_history_changed(desk: Any) -> None:
    record = desk.accept(1, image=0)
    other = desk.images[1].id
    deeper = replace(record, z_order=5)
    desk.store.commit(Edit("Reorder", other, Records((record,)), Records((deeper,))))
    with pytest.raises(StorageError, match="changed meanwhile"):
        desk.store.undo(record.image_id)
    assert desk.store.annotations(record.image_id) == [deeper]
    desk.store.undo(other)
    assert desk.store.undo(record.image_id) is not None


def test_a_change_of_one_column_leaves_the_others_as_another_history_made_them(desk: Any) -> None:
    image = desk.images[0]
    labelled = replace(image, state=ImageState.LABELLED)
    desk.store.commit(
        Edit("Accept", image.id, Records(images=(image,)), Records(images=(labelled,)))
    )
    split = replace(labelled, split="train")
    desk.store.commit(Edit("Split", 0, Records(images=(labelled,)), Records(images=(split,))))
    desk.store.undo(image.id)
    assert desk.store.image(image.id) == replace(image, split="train")


def test_a_category_in_use_cannot_be_deleted(desk: Any) -> None:
    desk.accept(1)
    edit = Edit("Delete category", 0, Records(categories=(desk.category,)), Records())
    with pytest.raises(StorageError, match=r"“zebra” is still used by 1 annotation;"):
        desk.store.commit(edit)
    with pytest.raises(StorageError, match="“zebra” is still used"):
        desk.store.undo(0)
    assert desk.store.categories() == [desk.category]


def test_what_does_not_fit_its_image_or_the_file_is_refused(desk: Any) -> None:
    seen = desk.everything()
    wrong = [
        desk.annotation(1, mask=Mask.empty((10, 10))),
        desk.annotation(1, image_id=99),
        desk.annotation(1, category_id=99),
        desk.annotation(1, predicted_iou=float("nan")),
        desk.annotation(1, attributes={"x": object()}),
        desk.annotation(1, review="\udce9"),
    ]
    for record in wrong:
        with pytest.raises(StorageError) as caught:
            desk.store.commit(
                Edit("Accept", desk.images[0].id, Records(), Records(annotations=(record,)))
            )
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert desk.everything() == seen
    with pytest.raises(ValueError, match="never adds or deletes images"):
        desk.store.commit(Edit("Lose", 0, Records(images=(desk.images[0],)), Records()))


def test_images_are_added_all_or_none(desk: Any) -> None:
    again = NewImage(desk.images[0].path, 1, 1, "x")
    with pytest.raises(StorageError):
        desk.store.add_images([NewImage("new.jpg", 5, 4, "x"), again])
    assert desk.store.images() == desk.images
    [added] = desk.store.add_images([NewImage("new.jpg", 5, 4, "x", split="test")])
    assert added == ImageRecord(added.id, "new.jpg", 5, 4, "x", ImageState.TODO, "test")
    assert desk.store.add_images([]) == []
    assert reopened(desk).images() == [*desk.images, added]


@pytest.mark.parametrize("path", ["../x.jpg", "a/../../x.jpg", "/etc/passwd", "", ".", "a\0b"])
def test_image_paths_stay_in_the_image_folder(desk: Any, path: str) -> None:
    with pytest.raises(BadInputError, match="leaves the project's image folder"):
        desk.store.image_path(replace(desk.images[0], path=path))
    with pytest.raises(BadInputError, match="leaves the project's image folder"):
        desk.store.add_images([NewImage(path, 1, 1, "")])
    assert desk.store.images() == desk.images


def test_a_folder_that_is_moved_with_its_images_finds_them(desk: Any, tmp_path: Path) -> None:
    desk.store.close()
    target = tmp_path.parent / (tmp_path.name + " moved")
    shutil.move(tmp_path, target)
    with ProjectStore.open(target / "zoo.segstudio") as store:
        assert store.images_dir == target / "photos"
        assert store.image_path(desk.images[0]) == target / "photos" / "day 1" / "é1.jpg"
    shutil.move(target, tmp_path)


def test_images_far_away_are_kept_by_their_whole_path(tmp_path: Path) -> None:
    far = tmp_path / "archive" / "photos"
    home = tmp_path / "a" / "b" / "c" / "d"
    with ProjectStore.create(home / "p.segstudio", far) as store:
        assert store.images_dir == far
    moved = shutil.move(home, tmp_path / "elsewhere")
    with ProjectStore.open(Path(moved) / "p.segstudio") as store:
        assert store.images_dir == far
        store.set_images_dir(tmp_path / "elsewhere" / "here")
    with ProjectStore.open(Path(moved) / "p.segstudio") as store:
        assert store.images_dir == tmp_path / "elsewhere" / "here"


def test_a_copy_is_whole_and_finds_the_same_images(desk: Any, tmp_path: Path) -> None:
    record = desk.accept(1)
    target = tmp_path / "deep" / "er"
    target.mkdir(parents=True)
    desk.store.save_copy(target / "copy.segstudio")
    desk.accept(2)  # work goes on
    with ProjectStore.open(target / "copy.segstudio") as copy:
        assert list(copy.all_annotations()) == [record]
        assert copy.images_dir == desk.store.images_dir
        assert copy.history(record.image_id).undo == "Accept mask 1"
        assert copy.integrity() == []
    names = {path.name for path in target.iterdir()}
    assert names == {"copy.segstudio", ".copy.segstudio.lock"}
    with pytest.raises(StorageError, match="exists already"):
        desk.store.save_copy(target / "copy.segstudio")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        desk.store.save_copy(tmp_path / "file" / "copy.segstudio")


def test_a_closed_project_is_one_file_and_says_that_it_is_closed(desk: Any, tmp_path: Path) -> None:
    desk.accept(1)
    desk.store.close()
    desk.store.close()
    shown = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert shown == {"zoo.segstudio"}
    with pytest.raises(StorageError, match="is closed"):
        desk.store.images()
    with pytest.raises(StorageError, match="is closed"):
        desk.accept(2)


def test_counts_settings_and_runs_are_kept(desk: Any) -> None:
    desk.accept(1), desk.accept(2)
    store, (first, second) = desk.store, desk.images
    assert store.annotation_counts() == {first.id: 2, second.id: 0}
    other = Category(store.new_category_id(), "gnu", "#123456")
    store.commit(Edit("Add category", 0, Records(), Records(categories=(other,))))
    assert store.category_counts() == {desk.category.id: 2, other.id: 0}
    store.set_setting("overlay", {"opacity": 0.5})
    store.set_setting("overlay", {"opacity": 0.25})
    export = store.start_run("export", {"format": "coco"})
    batch = store.start_run("batch", {"images": 7})
    store.save_run_progress(batch, {"done": 3})
    store.finish_run(export, {"files": 2})
    with pytest.raises(StorageError, match="no run 99"):
        store.finish_run(99, None)
    store = reopened(desk)
    assert store.setting("overlay") == {"opacity": 0.25}
    assert store.setting("absent", [1]) == [1]
    [done] = store.runs("export")
    assert (done.parameters, done.result) == ({"format": "coco"}, {"files": 2})
    assert done.finished_at is not None and done.finished_at >= done.started_at
    [open_run] = store.runs("batch")
    assert (open_run.progress, open_run.finished_at) == ({"done": 3}, None)


def test_the_time_of_the_last_commit_is_known_also_after_a_restart(desk: Any) -> None:
    before = desk.store.last_commit_at
    desk.accept(1)
    assert desk.store.last_commit_at > before > 1.7e9
    last = desk.store.last_commit_at
    assert reopened(desk).last_commit_at == last


def test_threads_may_share_a_project(desk: Any) -> None:
    errors: list[BaseException] = []

    def work(image: int) -> None:
        try:
            for seed in range(15):
                desk.accept(seed, image)
                desk.store.annotations(desk.images[image].id)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert desk.store.annotation_counts() == {image.id: 30 for image in desk.images}
    assert desk.store.integrity() == []


def test_integrity_names_what_was_damaged_by_others(desk: Any) -> None:
    records = [desk.accept(seed) for seed in range(4)]
    desk.store.close()
    with sqlite3.connect(desk.store.path) as plain:
        change = "UPDATE annotation SET {} WHERE id = ?"
        plain.execute(change.format("counts = x'30'"), (records[0].id,))
        plain.execute(change.format("area = area + 1"), (records[1].id,))
        plain.execute(change.format("category_id = 55"), (records[2].id,))
        plain.execute(change.format("attributes = '{'"), (records[3].id,))
        plain.execute("UPDATE image SET state = 'odd' WHERE id = ?", (desk.images[1].id,))
        plain.execute("UPDATE edit SET after = '[]' WHERE id = 2")
        plain.execute("INSERT INTO meta VALUES ('setting:odd', ?)", (json.dumps("fine")[:-1],))
    plain.close()
    with ProjectStore.open(desk.store.path) as store:
        faults = "\n".join(store.integrity())
        for expected in (
            f"annotation {records[0].id} cannot be read",
            f"The area or box of annotation {records[1].id}",
            "of annotation refers to a missing row of category",
            f"annotation {records[3].id} cannot be read",
            f"image {desk.images[1].id} cannot be read",
            "edit 2 cannot be read",
        ):
            assert expected in faults
        for read in (
            store.images,
            lambda: store.annotations(desk.images[0].id),
            lambda: store.setting("odd"),
        ):
            with pytest.raises(StorageError, match="damaged"):
                read()

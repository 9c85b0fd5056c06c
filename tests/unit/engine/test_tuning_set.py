"""A project's annotations as scenes: which images learn, which measure, and what is no label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_project import add_category, add_image, annotate, training_project

from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine import tuning_set
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.tuning_set import Written, write_scenes
from segstudio.engine.tuning_source import Shared, Source, folder_source, project_source, shared
from segstudio.models.prompt_training.scene import read_scene, scene_lines
from segstudio.store.project import ProjectStore

CHOICES = SetChoices()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with training_project(tmp_path / "p", count=5) as made:
        yield made


def source_of(store: ProjectStore) -> Source:
    return project_source(store, "shapes", ignore_progress, CancelToken())


def written(source: Source, parts: Shared, folder: Path) -> Written:
    return write_scenes(source, parts, folder, None, ignore_progress, CancelToken())


def test_scenes_hold_the_annotated_masks_and_no_image_is_in_both_parts(
    store: ProjectStore, tmp_path: Path
) -> None:
    source = source_of(store)
    parts = shared(source, CHOICES, teacher=False)
    assert (len(parts.train), len(parts.held_out)) == (4, 1)
    made = written(source, parts, tmp_path / "scenes")
    lines = list(scene_lines(tmp_path / "scenes"))
    assert (made.train, made.held_out) == (4, ["000000"])
    images = [*parts.held_out, *parts.train]
    for line in lines:
        scene = read_scene(tmp_path / "scenes", line)
        one = images[int(line.name)]
        wanted = [row.mask.to_array() for row in one.labels]
        found = [scene.mask(target) for target in line.targets]
        assert all(any(np.array_equal(mask, other) for other in wanted) for mask in found)
    assert made.objects + made.small >= 8


def test_masks_of_large_images_shrink_with_them(
    store: ProjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_set, "LONGEST", 32)
    source = source_of(store)
    made = written(source, shared(source, CHOICES, teacher=False), tmp_path / "scenes")
    assert made.train == 4
    for line in scene_lines(tmp_path / "scenes"):
        assert read_scene(tmp_path / "scenes", line).ids.shape == (24, 32)


def test_crowds_rejected_and_changed_images_do_not_count(store: ProjectStore) -> None:
    category = store.categories()[0]
    pixels = np.full((48, 64, 3), 90, np.uint8)
    square = np.zeros((48, 64), bool)
    square[10:30, 10:30] = True
    crowd = add_image(store, "crowd.png", pixels)
    annotate(store, crowd, category, square, iscrowd=True)
    rejected = add_image(store, "rejected.png", pixels + 1, ImageState.REJECTED)
    annotate(store, rejected, category, square)
    changed = add_image(store, "changed.png", pixels + 2)
    annotate(store, changed, category, square)
    Image.fromarray(pixels[:20]).save(store.images_dir / "changed.png")
    source = source_of(store)
    assert "64 x 48" in source.left_out["changed.png"] or "20" in source.left_out["changed.png"]
    parts = shared(source, CHOICES, teacher=False)
    names = {one.record.path for one in (*parts.train, *parts.held_out)}
    assert names == {f"{number}.png" for number in range(5)}


def test_the_projects_own_splits_are_kept_and_copies_stay_together(store: ProjectStore) -> None:
    category = store.categories()[0]
    square = np.zeros((48, 64), bool)
    square[10:30, 10:30] = True
    held = []
    for number, split in enumerate(("val", "val", "test")):
        pixels = np.full((48, 64, 3), 200 + number // 2, np.uint8)  # the first two are copies
        image = add_image(store, f"{split}{number}.png", pixels, split=split)
        annotate(store, image, category, square)
        held.append(image)
    parts = shared(source_of(store), CHOICES, teacher=False)
    measured = {one.record.id for one in parts.held_out}
    assert set(held[:2]) <= measured
    assert held[2] not in measured | {one.record.id for one in parts.train}


def test_unlabelled_images_learn_from_a_teacher_and_labelled_ones_measure(
    store: ProjectStore,
) -> None:
    bare = add_image(store, "bare.png", np.full((48, 64, 3), 9, np.uint8), ImageState.TODO)
    parts = shared(source_of(store), CHOICES, teacher=True)
    assert bare in {one.record.id for one in parts.train}
    assert all(one.labels for one in parts.held_out)


def test_too_little_to_learn_from_is_said_with_the_remedy(tmp_path: Path) -> None:
    for count, sentence in ((1, "Only one image has annotations"), (0, "label a few images first")):
        with (
            training_project(tmp_path / str(count), count=count) as store,
            pytest.raises(BadInputError, match=sentence),
        ):
            shared(source_of(store), CHOICES, teacher=False)
    folder = tmp_path / "1" / "photos"
    source = folder_source(folder, ignore_progress, CancelToken())
    assert [one.labels for one in source.images] == [()]
    with pytest.raises(BadInputError, match="two or more"):
        shared(source, CHOICES, teacher=True)


def test_masks_that_nobody_could_click_are_left_out_and_counted(tmp_path: Path) -> None:
    with training_project(tmp_path / "p", count=0) as store:
        category = add_category(store, "speck")
        for number in range(3):
            pixels = np.full((64, 64, 3), number, np.uint8)
            image = add_image(store, f"{number}.png", pixels)
            speck, whole = np.zeros((64, 64), bool), np.ones((64, 64), bool)
            speck[4, 4] = True
            annotate(store, image, category, speck)
            annotate(store, image, category, whole)
        source = source_of(store)
        parts = shared(source, CHOICES, teacher=False)
        with pytest.raises(BadInputError, match="6 are too small"):
            written(source, parts, tmp_path / "scenes")
    assert not (tmp_path / "scenes" / "scenes.jsonl").exists()

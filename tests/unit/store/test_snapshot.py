"""A snapshot stays as the project was, while the project goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.mask import Mask
from segstudio.core.origin import OriginKind
from segstudio.store.project import NewImage, ProjectStore
from segstudio.store.snapshot import ProjectSnapshot

SIZE = (12, 20)


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    store = ProjectStore.create(tmp_path / "p.segstudio", tmp_path, name="Photos")
    store.add_images([NewImage("a.jpg", SIZE[1], SIZE[0], "")])
    add(store, Category(store.new_category_id(), "cat", "#ff0000"))
    return store


def add(store: ProjectStore, *categories: Category) -> None:
    mask = Mask.from_array(np.ones(SIZE, dtype=bool))
    row = Annotation(store.new_annotation_id(), 1, 1, mask)
    store.commit(Edit("Add", 1, Records(), Records((row,), categories)))


def test_it_shows_one_moment_of_a_project_that_goes_on(store: ProjectStore) -> None:
    with store, ProjectSnapshot.take(store.path) as still:
        first = still.annotations(1)
        add(store, Category(store.new_category_id(), "dog", "#00ff00"))
        store.add_images([NewImage("b.jpg", SIZE[1], SIZE[0], "")])
        assert (still.annotations(1), len(still.categories()), len(still.images())) == (first, 1, 1)
        assert still.origins(OriginKind.ANNOTATION, [1], "coco") == {}
        assert still.name == "Photos"
        assert (len(store.annotations(1)), len(store.categories()), len(store.images())) == (
            2,
            2,
            2,
        )
        with ProjectSnapshot.take(store.path) as later:
            assert later.annotations(1) == store.annotations(1)


def test_the_moment_is_that_of_the_taking_and_not_of_the_first_question(
    store: ProjectStore,
) -> None:
    with store, ProjectSnapshot.take(store.path) as still:
        add(store)
        assert len(still.annotations(1)) == 1


def test_the_project_can_be_closed_before_its_snapshot(store: ProjectStore) -> None:
    with ProjectSnapshot.take(store.path) as still:
        add(store)
        store.close()
        assert len(still.annotations(1)) == 1
    with ProjectStore.open(store.path) as again:
        assert len(again.annotations(1)) == 2
        assert again.integrity() == []


def test_a_closed_snapshot_says_so_and_closes_twice(store: ProjectStore) -> None:
    with store:
        still = ProjectSnapshot.take(store.path)
        still.close()
        still.close()
        with pytest.raises(StorageError, match="closed"):
            still.images()


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.segstudio").write_text("no")
    with pytest.raises(BadInputError, match="not a SegStudio project"):
        ProjectSnapshot.take(tmp_path / "x.segstudio")

"""The label sets of a project: which there are, and what each says of an image."""

from __future__ import annotations

import numpy as np
import pytest
from labelled_project import SIZE, LabelledProject, working_as

from segstudio.core.annotation import Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.core.progress import CancelToken
from segstudio.engine.label_sets import AnnotationFilter, annotation_set, label_sets


@pytest.fixture
def project(tmp_path):
    made = LabelledProject.make(tmp_path / "p.segstudio", images=3)
    yield made
    made.store.close()


def read(project, at=0, **filters):
    """Labels of an image in the set of these filters; None where it says nothing."""
    found = annotation_set(project.store, AnnotationFilter(**filters))
    with found.opened(CancelToken()) as opened:
        image = next((row for row in opened.images if row.image_id == project.image(at).id), None)
        return None if image is None else opened.read(image)


def test_a_project_offers_what_may_be_told_apart(project, monkeypatch):
    working_as(monkeypatch, "ann")
    project.draw(0, "car", (0, 0, 5, 5), tool="box")
    assert [(row.kind, row.key, row.count) for row in label_sets(project.store)] == [("all", "", 1)]
    working_as(monkeypatch, "bob")
    rows = [
        project.annotation(
            0, "road", (0, 9, 9, 20), stage=Stage.AUTOMATIC, tool="semantic", model_key="unet,1"
        )
    ]
    run = project.run("predict", {0: rows})
    found = {row.key: row for row in label_sets(project.store)}
    assert list(found) == [
        "",
        "stage=assisted",
        "stage=automatic",
        "model=unet,1",
        "tool=box",
        "tool=semantic",
        f"run={run}",
        "user=ann",
        "user=bob",
    ]
    assert found["model=unet,1"].count == 1
    assert (found["user=bob"].kind, found["user=bob"].value) == ("user", "bob")
    assert found[f"run={run}"].title.startswith("Prediction of 2")
    # Each says what its key says.
    for key, row in found.items():
        assert AnnotationFilter.read(key).key == key
        with row.opened(CancelToken()) as opened:
            (image,) = opened.images
            objects = opened.read(image).objects
        assert len(objects) == {"": 2}.get(key, 1)
        if key.startswith(("model", f"run={run}", "user=bob", "tool=semantic", "stage=auto")):
            assert opened.categories[objects[0].category].name == "road"


def test_what_lies_in_front_covers_what_is_behind(project):
    project.draw(0, "road", (0, 0, 30, 30), z_order=1)
    project.draw(0, "car", (10, 10, 20, 20), z_order=2, predicted_iou=0.7, stability=0.9)
    project.draw(0, "car", (40, 0, 45, 5), z_order=3, stability=0.9, iscrowd=True)
    found = read(project)
    expected = np.full(SIZE, 255)
    expected[:30, :30] = 1
    expected[10:20, 10:20] = 0
    expected[:5, 40:45] = 0
    assert np.array_equal(found.labels, expected)
    assert [item.score for item in found.objects] == [1.0, 0.7, 0.9]
    assert [item.iscrowd for item in found.objects] == [False, False, True]
    assert [found.ids[0, 0], found.ids[15, 15], found.ids[0, 40], found.ids[39, 59]] == [1, 2, 3, 0]


def test_images_without_a_word_are_in_no_set(project):
    project.draw(0, "car", (0, 0, 5, 5))
    project.mark(1, ImageState.LABELLED)
    assert read(project, 1).objects == ()  # somebody said: nothing there
    assert read(project, 2) is None
    assert read(project, 1, stage="assisted") is None
    assert read(project, 0, stage="automatic") is None
    project.mark(0, ImageState.REJECTED)
    assert read(project, 0) is None


def test_sets_may_be_of_one_split(project):
    project.mark(0, ImageState.LABELLED, "test")
    project.mark(1, ImageState.LABELLED, "train")
    assert read(project, 0, split="test") is not None
    assert read(project, 1, split="test") is None


def test_a_set_stays_as_it_was_opened_while_work_goes_on(project):
    project.draw(0, "car", (0, 0, 5, 5))
    with annotation_set(project.store, AnnotationFilter()).opened(CancelToken()) as opened:
        project.draw(0, "road", (20, 20, 30, 30))
        (image,) = opened.images
        assert len(opened.read(image).objects) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour=red", "chooses no annotations"),
        ("stage=finished", "no stage"),
        ("run=last", "by its number"),
        ("stage=assisted,stage=automatic", "once for each"),
        ("stage=", "chooses no annotations"),
    ],
)
def test_filters_that_there_are_not_are_refused_in_a_sentence(text, words):
    with pytest.raises(BadInputError, match=words):
        AnnotationFilter.read(text)


def test_filters_combine_and_values_may_have_commas():
    found = AnnotationFilter.read("model=a,b,user=c,d=e,split=x")
    assert (found.model, found.user, found.split) == ("a,b", "c,d=e", "x")
    assert (found.kind, found.value, found.of_makers) == ("some", "", True)
    assert not AnnotationFilter.read("split=x").of_annotations


def test_more_categories_than_a_label_map_holds_are_refused(project):
    rows = tuple(
        Category(project.store.new_category_id(), f"c{number}", "#000000") for number in range(254)
    )
    project.store.commit(Edit("Add categories", 0, Records(), Records(categories=rows)))
    with (
        pytest.raises(BadInputError, match="256 categories"),
        annotation_set(project.store, AnnotationFilter()).opened(CancelToken()),
    ):
        pass

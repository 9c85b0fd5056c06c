"""Whose work annotations are, from real edits by several people."""

from __future__ import annotations

import pytest
from labelled_project import LabelledProject, box_mask, working_as
from sqlalchemy import text

from segstudio.core.annotation import Stage
from segstudio.core.errors import StorageError
from segstudio.store.project import ProjectStore
from segstudio.store.provenance import AnnotationKind, Maker


@pytest.fixture
def project(tmp_path):
    made = LabelledProject.make(tmp_path / "p.segstudio")
    yield made
    made.store.close()


def test_annotations_are_counted_by_how_they_came_to_be(project):
    project.draw(0, "car", (0, 0, 5, 5), tool="box")
    project.draw(0, "car", (5, 5, 9, 9), tool="box")
    automatic = {"stage": Stage.AUTOMATIC, "tool": "semantic", "model_key": "unet-1"}
    project.draw(1, "road", (0, 0, 9, 9), **automatic)
    assert project.store.annotation_kinds() == [
        AnnotationKind("assisted", "box", "", 2),
        AnnotationKind("automatic", "semantic", "unet-1", 1),
    ]


def test_the_maker_is_who_drew_last_and_the_run_is_the_one_that_brought_it(project, monkeypatch):
    working_as(monkeypatch, "ann")
    drawn = project.draw(0, "car", (0, 0, 5, 5))
    kept = project.draw(0, "car", (9, 9, 15, 15))
    brought = project.annotation(0, "road", (20, 20, 30, 30))
    run = project.run("import", {0: [brought]})
    working_as(monkeypatch, "bob")
    project.change(drawn, mask=box_mask((0, 0, 6, 6)))
    project.change(kept, locked=True)  # looked at, not drawn
    project.change(brought, category_id=project.categories["car"].id)
    image = project.image(0).id
    assert project.store.annotation_makers(image) == {
        drawn.id: Maker("bob"),
        kept.id: Maker("ann"),
        brought.id: Maker("bob", run),
    }
    project.store.undo(image)
    assert project.store.annotation_makers(image)[brought.id] == Maker("ann", run)
    assert project.store.editors() == ["ann", "bob"]
    ((number, kind, user, began),) = project.store.runs_on_images()
    assert (number, kind, user) == (run, "import", "ann")
    assert began > 1.7e9
    assert project.store.annotation_makers(project.image(1).id) == {}


def test_a_run_that_was_taken_back_is_not_to_be_chosen(project):
    project.run("predict", {0: [project.annotation(0, "car", (0, 0, 5, 5))]})
    assert len(project.store.runs_on_images()) == 1
    project.store.undo(project.image(0).id)
    assert project.store.runs_on_images() == []


def test_an_edit_that_cannot_be_read_is_said_to_be_damaged(project):
    project.draw(0, "car", (0, 0, 5, 5))
    with project.store._writing() as connection:
        connection.execute(text("UPDATE edit SET after = '{\"annotations\": 7}'"))
    with pytest.raises(StorageError, match="damaged"):
        project.store.annotation_makers(project.image(0).id)
    assert isinstance(project.store, ProjectStore)

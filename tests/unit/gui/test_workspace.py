"""The workspace after runs: what other images became is read, and nothing is shown twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from colour_model import ColourModel, scene_store
from PySide6.QtWidgets import QApplication

from segstudio.config.settings import Settings
from segstudio.core.changes import Edit
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.image_session import ImageSession
from segstudio.engine.label_map_parts import LabelMapOptions
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.semantic_run import Predicting, carry_out, predict_images
from segstudio.gui.panels.categories import COUNT, NAME, CategoriesPanel
from segstudio.gui.workspace import ProjectContents, Workspace
from segstudio.models.semantic.contract import PredictSettings
from segstudio.store.project import ProjectStore


class AtOnce:
    """A job runner that does what it is asked while it is asked."""

    def submit(self, _lane: object, _text: str, work: Any, **how: Any) -> None:
        how["on_done"](work(CancelToken(), ignore_progress))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with scene_store(tmp_path, "a.png", "b.png") as opened:
        yield opened


@pytest.fixture
def workspace(qapp: QApplication, store: ProjectStore) -> Workspace:
    del qapp
    made = Workspace(AtOnce(), Settings())  # type: ignore[arg-type]
    made.store = store
    made._take(ProjectContents.of(store))
    made.set_image(ImageSession(store, 1), None, None)
    return made


def run(store: ProjectStore) -> int:
    predicting = Predicting(ColourModel(), PredictSettings(), PredictionCache(None, 0))
    options = LabelMapOptions(least_area=5)
    with predict_images(store, [1, 2], predicting, options) as found:
        return carry_out(found, store).added


def test_a_run_is_shown_once_when_it_comes_and_once_when_it_is_undone(
    workspace: Workspace, store: ProjectStore
) -> None:
    edits: list[Edit] = []
    categories: list[int] = []
    workspace.edited.connect(edits.append)
    workspace.categories_changed.connect(lambda: categories.append(len(workspace.categories)))
    assert run(store) == 8
    workspace.renew()
    assert [len(edits), len(workspace.annotations)] == [1, 4]
    assert dict(workspace.image_counts) == {1: 4, 2: 4}
    workspace.renew()  # nothing came
    assert len(edits) == 1
    workspace.edit("undo", lambda session: session.undo())
    assert [len(edits), len(workspace.annotations)] == [2, 0]
    assert sum(workspace.image_counts.values()) == 0
    workspace.edit("redo", lambda session: session.redo())
    assert [len(edits), len(workspace.annotations)] == [3, 4]
    assert categories == [3, 0, 3]


def test_the_categories_panel_keeps_rows_that_stay_and_counts_what_runs_bring(
    workspace: Workspace, store: ProjectStore
) -> None:
    panel = CategoriesPanel(workspace)
    run(store)
    workspace.renew()
    tree = panel._tree

    def rows() -> list[tuple[str, str]]:
        return [(item.text(NAME), item.text(COUNT)) for item in panel._items()]

    assert rows() == [("sky", "2"), ("car", "4"), ("pole", "2")]
    first = tree.topLevelItem(0)
    workspace.edit("add", lambda session: session.add_category("tree"))
    assert tree.topLevelItem(0) is first
    assert rows()[3] == ("tree", "0")
    assert first is not None
    first.setText(NAME, "  ")  # refused: a category has a name
    assert rows()[0] == ("sky", "2")
    tree.topLevelItem(1).setText(NAME, "pole")  # as is another's
    workspace.categories_changed.emit()
    assert [name for name, _ in rows()] == ["sky", "car", "pole", "tree"]
    store.take_back(1, CancelToken())
    workspace.renew()
    assert {name for name, _ in rows()} == {"tree"}

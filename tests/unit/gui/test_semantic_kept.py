"""What is kept of each semantic model with a project, on a real project file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colour_model import scene_store
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.engine.folder_sync import ScanReport
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget
from segstudio.engine.jobs import JobRunner
from segstudio.engine.label_map_parts import Former, LabelMapOptions
from segstudio.engine.project_session import OpenedProject
from segstudio.gui.canvas.label_map_look import LabelMapLook
from segstudio.gui.desks.semantic_kept import SETTING, KeptBesideModels
from segstudio.gui.workspace import Workspace
from segstudio.models.semantic.contract import CrfSettings, PredictSettings
from segstudio.store.project import ProjectStore

LOOK = LabelMapLook(
    opacity=0.3, thresholds={"car": 0.5}, opacities={"sky": 0.25},
    hidden=frozenset({"pole"}), shown=frozenset({"nothing"}),
)  # fmt: skip
ASKED = PredictSettings(tile=768, scales=(0.5, 1.0), flip=True, temperature=1.5, crf=CrfSettings())
TURNED = LabelMapOptions(
    targets={"car": CategoryTarget(3), "bus": CategoryTarget(0, "coach"), "sky": LEFT_OUT},
    least_area=40, former=Former.SAME_MODEL,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    store = scene_store(tmp_path, "a.png")
    yield store
    store.close()


def opened(store: ProjectStore) -> KeptBesideModels:
    """On a workspace that has just opened the project."""
    workspace = Workspace(JobRunner(), Settings())
    kept = KeptBesideModels(workspace)
    workspace.set_project(OpenedProject(store, None, ScanReport()), None)
    assert workspace.runner.wait_idle(10)
    return kept


def written(kept: KeptBesideModels) -> None:
    kept.write()
    assert kept._workspace.runner.wait_idle(10)


def test_what_is_kept_of_a_model_is_there_when_the_project_opens_again(
    qtbot: QtBot, store: ProjectStore
) -> None:
    kept = opened(store)
    kept.keep_look("streets", LOOK)
    kept.keep_asked("streets", ASKED)
    kept.keep_turning("streets", TURNED)
    written(kept)
    again = opened(store)
    assert again.look("streets", LabelMapLook(opacity=0.3)) == LOOK
    assert again.asked("streets") == ASKED
    assert again.asked("streets").key == ASKED.key, "what the cache has is found"
    assert again.turning("streets", {"car": 0.5}) == replace(TURNED, thresholds={"car": 0.5})
    assert again.look("rooms", LabelMapLook()) == LabelMapLook()
    again.keep_asked("rooms", PredictSettings(flip=True))
    written(again)
    assert opened(store).asked("streets") == ASKED, "models that were left alone stay as they are"


@pytest.mark.parametrize(
    "value",
    [
        ["a list"],
        {"streets": {"thresholds": {"car": "much"}}},
        {"streets": {"opacities": {"car": 7.0}}},
        {"streets": {"asked": {"scales": 1}}},
        {"streets": {"turning": {"targets": {"car": 3}}}},
        {"streets": None},
    ],
)
def test_what_means_nothing_is_as_if_it_were_not_there(
    qtbot: QtBot, store: ProjectStore, value: Any
) -> None:
    store.set_setting(SETTING, value)
    kept = opened(store)
    assert kept.look("streets", LabelMapLook()) == LabelMapLook()
    assert kept.asked("streets") == PredictSettings()
    kept.keep_look("streets", LOOK)
    written(kept)
    assert opened(store).look("streets", LOOK) == LOOK

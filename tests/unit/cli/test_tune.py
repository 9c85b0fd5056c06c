"""`segstudio tune`: measured before and after, kept beside the base, stopped and gone on with."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import tuning_stand_in
from training_project import training_project

from segstudio.__main__ import main
from segstudio.cli import tune
from segstudio.engine import prompt_tuning
from segstudio.engine.prompt_tuning import tuning_dir
from segstudio.models.registry import PROMPT_MODELS, prompt_model, prompt_models
from segstudio.models.training.events import Event, Started
from segstudio.models.weights import file_sha256, find


class Place:
    """A project, a base, and a process that stands in for the training."""

    def __init__(self, folder: Path) -> None:
        with training_project(folder / "project", count=4) as store:
            self.project = str(store.path)
        base = find(prompt_model("segstudio_nano"))
        assert base is not None, "it is in the box"
        self.base = base
        self.folder = folder
        self.gain(0.1)

    def gain(self, value: float) -> None:
        (self.folder / tuning_stand_in.GAIN).write_text(str(value))

    def tune(self, *more: str) -> int:
        return main(["tune", self.project, "--json", *more])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(prompt_tuning, "_COMMAND", (sys.executable, tuning_stand_in.__file__))
    monkeypatch.setenv("TUNING_STAND_IN", str(tmp_path))
    return Place(tmp_path)


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_better_model_is_a_card_beside_its_base(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.tune("--title", "Shapes") == 0
    data = said(capsys)
    assert data["before"] == tuning_stand_in.BEFORE
    assert data["after"]["3"] == pytest.approx(0.5)
    assert (data["better"], data["model"], data["held_out_images"]) == (True, "shapes", 1)
    assert data["base_sha256"] == file_sha256(place.base)
    assert prompt_model("shapes").title == "Shapes"
    assert prompt_models()[:-1] == PROMPT_MODELS
    assert main(["models", "list", "--kind", "prompt", "--json"]) == 0
    rows = {row["key"]: row for row in said(capsys)["models"]}
    assert rows["shapes"]["state"] == "here"
    assert "tuned on 3 images" in rows["shapes"]["description"]
    assert place.tune("--title", "Shapes") == 0  # it is done: nothing is done again
    assert said(capsys)["model"] == "shapes"
    assert len(list(tuning_dir().iterdir())) == 1


def test_a_worse_model_is_said_and_kept_only_where_that_is_wanted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.gain(-0.05)
    assert main(["tune", place.project]) == 0
    text = capsys.readouterr().out
    assert "did not get better" in text
    assert "--keep" in text
    assert prompt_models() == PROMPT_MODELS
    assert place.tune("--keep") == 0
    assert said(capsys)["model"] == prompt_models()[-1].key


def test_ctrl_c_saves_and_the_same_command_goes_on(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = place.folder / tuning_stand_in.WAITING
    waiting.touch()

    def press(_: object, event: Event) -> None:
        if isinstance(event, Started):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as pressing:
        pressing.setattr(tune._Telling, "take", press)
        assert place.tune() == 130
    data = said(capsys)
    assert (data["done"], data["model"], data["after"]) == (False, None, {})
    waiting.unlink()
    assert place.tune() == 0
    again = said(capsys)
    assert (again["done"], again["folder"]) == (True, data["folder"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--steps", "0"], "at least one step"),
        (["--side", "100"], "multiple of 32"),
        (["--rate", "nan"], "learning rate"),
        (["--val-share", "1"], "cannot be kept to check with"),
        (["--composed", "nowhere"], "no folder nowhere"),
        (["--teacher", "sam_vit_z"], "no prompt model"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert place.tune(*arguments) == 1
    assert sentence in capsys.readouterr().err
    assert not tuning_dir().exists()


def test_only_nano_can_be_tuned_and_photos_need_a_teacher(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", place.project, "--model", "graph_cut"]) == 1
    assert "nothing that can be tuned" in capsys.readouterr().err
    photos = place.folder / "bare"
    photos.mkdir()
    assert main(["tune", str(photos)]) == 1
    assert "--teacher mobile_sam" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_half_made(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prompt_tuning, "put_by", full)
    assert place.tune() == 1
    assert "is full; make room" in capsys.readouterr().err
    assert list(tuning_dir().iterdir()) == []

"""`segstudio train`: every setting is a flag, one command starts and goes on, Ctrl-C saves."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import training_stand_in
from training_project import training_project

from segstudio.__main__ import main
from segstudio.cli import train
from segstudio.cli.training_options import add_settings, chosen_settings
from segstudio.core.image import ImageRecord
from segstudio.engine import training_process
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_defaults import fitting
from segstudio.engine.training_folder import RunFolder, RunState
from segstudio.engine.training_run import TrainingRun, training_dir
from segstudio.engine.training_survey import SetSurvey, SurveyedImage
from segstudio.models.semantic import registry
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.training.settings import Augmentation, Loss, TrainingSettings
from segstudio.store.project import ProjectStore

SHORT = ["--arch", "unet", "--encoder", "mobilenet_v2", "--no-pretrained", "--epochs", "4",
         "--side", "64"]  # fmt: skip
EMPTY = ["--unlabelled", "background"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(training_process, "COMMAND", training_stand_in.COMMAND)
    with training_project(tmp_path / "project") as store:
        path = store.path
    yield path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    """The JSON of a command."""
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


# -- flags ---------------------------------------------------------------------------------------


def parsed(*arguments: str) -> TrainingSettings:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    return chosen_settings(parser.parse_args(arguments))


def other_value(kind: Any, default: Any) -> tuple[list[str], Any]:
    """Words for another value than the default, and that value; none for a switch."""
    if kind is bool:
        return [], not default
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        value = next(member for member in kind if member != default)
        return [str(value)], value
    if kind is int:
        return [str(default + 3)], default + 3
    if kind is float:
        return [str(default + 0.25)], default + 0.25
    if kind is str:
        return ["another"], "another"
    return ["0.75,1.5"], (0.75, 1.5)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        *((TrainingSettings, field.name) for field in dataclasses.fields(TrainingSettings)),
        *((Augmentation, field.name) for field in dataclasses.fields(Augmentation)),
    ],
)
def test_every_field_of_a_trainings_settings_is_a_flag(record: type, name: str) -> None:
    if name in {"augmentation", "options"}:
        return
    kind = get_type_hints(record)[name]
    default = getattr(record(), name)
    words, value = other_value(kind, default)
    flag = f"--{'augment-' * (record is Augmentation)}{name.replace('_', '-')}"
    if kind is bool and default:
        flag = flag.replace("--", "--no-", 1)
    found = parsed(flag, *words)
    part = found.augmentation if record is Augmentation else found
    assert getattr(part, name) == value
    assert type(getattr(part, name)) is type(default)
    assert parsed() == TrainingSettings()


def test_options_of_an_architecture_are_read_as_what_they_are() -> None:
    found = parsed("--option", "deep=true", "--option", "width=64", "--option", "drop=0.5",
                   "--option", "norm=group", "--lr", "0.1", "--loss", "focal")  # fmt: skip
    assert found.options == {"deep": True, "width": 64, "drop": 0.5, "norm": "group"}
    assert found.options["deep"] is True
    assert isinstance(found.options["width"], int)
    assert (found.learning_rate, found.loss) == (0.1, Loss.FOCAL)


def test_what_no_flag_says_is_what_suits_the_images_and_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    assert "by the machine and the images" in parser.format_help()
    record = ImageRecord(1, "a.jpg", 200, 150, "")
    made = SetSurvey(SetChoices(), train=(SurveyedImage(record, Path(), "", {}),) * 8)

    def settings(*flags: str) -> TrainingSettings:
        return train._settings(parser.parse_args(["p", "--device", "cpu", *flags]), made)

    assert settings() == replace(fitting([record] * 8, "cpu"), device="cpu")
    assert settings("--side", "96", "--seed", "3").side == 96
    lite = settings()
    assert settings("--arch", "unetplusplus").encoder == lite.encoder
    assert settings("--arch", "lraspp").encoder == ""  # it takes none of the small ones
    fully = ["--arch", "fpn", "--encoder", "resnet34", "--side", "64", "--epochs", "3"]
    assert settings(*fully) == TrainingSettings(
        architecture="fpn", encoder="resnet34", side=64, epochs=3, device="cpu"
    )
    spec = NetworkSpec("linknet", "resnet34", 3, {"deep": 1})
    card = SemanticCard("mine", "Mine", "", spec, (), "")
    monkeypatch.setattr(registry, "semantic_card", {"mine": card}.__getitem__)
    took = settings("--start", "mine")
    assert (took.architecture, took.encoder) == ("linknet", "resnet34")
    assert took.options == {"deep": 1}


def test_help_needs_neither_torch_nor_the_store() -> None:
    code = (
        "import sys\nfrom segstudio.cli import main\n"
        "try: main(['train', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'sqlalchemy', 'numba') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stdout.splitlines()[-1] == "[]"


# -- training ------------------------------------------------------------------------------------


def test_a_training_is_started_listed_and_deleted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = said(capsys, "train", str(project), *SHORT, *EMPTY, "--title", "One")
    assert (data["state"], data["title"], data["step"], data["run"]) == ("done", "One", 4, 1)
    assert data["miou"] == pytest.approx(0.8)
    assert data["iou"] == {"background": 0.5, "square": 0.5, "disc": 0.5}
    assert (data["train_images"], data["val_images"]) == (4, 1)
    (row,) = said(capsys, "train", str(project), "--list")["runs"]
    assert row == data
    with ProjectStore.open(project, read_only=True) as store:
        assert store.runs("training")[0].result["state"] == "done"
    assert main(["train", str(project), "--list"]) == 0
    assert "One: 4 + 1 images, 4 of 4 steps" in capsys.readouterr().out
    said(capsys, "train", str(project), "--delete", "1")
    assert said(capsys, "train", str(project), "--list") == {"runs": []}
    assert list(training_dir().iterdir()) == []


def test_what_is_trained_on_is_told_without_training(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = said(capsys, "train", str(project), "--dry-run", "--map", "disc=round",
                "--background", "square", "--val-share", "0.4")  # fmt: skip
    assert [row["name"] for row in data["categories"]] == ["background", "round"]
    assert (len(data["train_images"]), len(data["val_images"])) == (3, 2)
    assert data["categories"][0]["train_pixels"] > data["categories"][1]["train_pixels"] > 0
    assert not training_dir().exists()
    assert main(["train", str(project), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "4 training and 1 validation images." in text
    assert "square" in text


def test_the_command_that_puts_a_model_to_use_can_be_pasted(tmp_path: Path) -> None:
    run = TrainingRun(3, RunFolder(tmp_path), RunState.DONE, "one", 0.0, has_model=True)
    last = train._ending(run, Path("my project.segstudio"), interrupted=False).splitlines()[-1]
    words = shlex.split(last.removeprefix("Use its model: "))
    assert words == ["segstudio", "train", "my project.segstudio", "--use", "3"]


def test_faults_are_one_sentence(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, part in (
        (["--map", "bird=animal"], "no category 'bird'; its categories are: square, disc."),
        (["--ignore", "square", "--ignore", "disc"], "There is no category to learn"),
        (["--map", "disc=square"], "Every pixel that counts is “square”"),
        (["--arch", "nothing"], "There is no architecture 'nothing'"),
        (["--option", "deep"], "--option takes NAME=VALUE"),
        (["--encoder", "resnet18"], "--no-pretrained begins without it"),
        (["--resume", "7"], "no training '7'"),
        (["--use", "7"], "no training '7'"),
    ):
        assert main(["train", str(project), *arguments]) == 1
        captured = capsys.readouterr()
        assert part in captured.err
        assert len(captured.err.strip().splitlines()) == 1
        assert not captured.out


def test_a_training_that_fails_says_so_and_the_same_command_goes_on(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_STAND_IN", "die")
    data = said(capsys, "train", str(project), *SHORT, *EMPTY, status=1)
    assert (data["state"], data["step"]) == ("failed", 3)
    monkeypatch.setenv("TRAINING_STAND_IN", "")
    assert main(["train", str(project), *SHORT, *EMPTY]) == 0
    captured = capsys.readouterr()
    assert "Going on with the training 1, 3 of 4 steps" in captured.err
    assert "4 steps, 3 of them done" in captured.err
    assert "epoch 4: validation loss 0.250, mIoU 80.0%, the best so far" in captured.err
    assert len(said(capsys, "train", str(project), "--list")["runs"]) == 1
    assert said(capsys, "train", str(project), *SHORT, *EMPTY)["run"] == 2


def test_ctrl_c_saves_and_the_same_command_goes_on(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_STAND_IN", "slow")

    def interrupt() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if any(
                b'"step":2' in path.read_bytes() for path in training_dir().glob("*/events.jsonl")
            ):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=interrupt)
    thread.start()
    data = said(capsys, "train", str(project), *SHORT, *EMPTY, status=130)
    thread.join()
    assert (data["state"], data["step"]) == ("stopped", 2)
    monkeypatch.setenv("TRAINING_STAND_IN", "")
    data = said(capsys, "train", str(project), *SHORT, *EMPTY)
    assert (data["run"], data["state"], data["step"]) == (1, "done", 4)
    monkeypatch.setenv("TRAINING_STAND_IN", "die")
    assert said(capsys, "train", str(project), *SHORT, *EMPTY, "--seed", "1", status=1)["run"] == 2
    monkeypatch.setenv("TRAINING_STAND_IN", "")
    assert said(capsys, "train", str(project), *SHORT, *EMPTY, "--seed", "1", "--anew")["run"] == 3
    assert said(capsys, "train", str(project), "--resume", "2")["state"] == "done"


def test_a_project_that_is_open_elsewhere_is_trained(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProjectStore.open(project) as store:
        assert main(["train", str(project), *SHORT, *EMPTY, "--json"]) == 0
        captured = capsys.readouterr()
        assert "is open in another program" in captured.err
        assert captured.err.count("is open in another program") == 1
        assert json.loads(captured.out)["run"] is None
        assert store.runs("training") == []
    assert said(capsys, "train", str(project), "--list")["runs"][0]["run"] == 1

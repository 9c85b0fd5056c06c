"""A tuning in its folder: measured, stopped, gone on with, and of the form of its base."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from made_data import write_scenes
from safetensors import safe_open
from safetensors.torch import load_file
from seeded_nano import write_nano

from segstudio.models.prompt.nano import built_as
from segstudio.models.prompt_training.loop import SETTINGS, WEIGHTS
from segstudio.models.prompt_training.scores import DATA, Scores, read_scores
from segstudio.models.prompt_training.settings import NanoSettings, Stage
from segstudio.models.prompt_training.streams import scene_stream
from segstudio.models.prompt_training.tuning_run import run
from segstudio.models.registry import prompt_model
from segstudio.models.training.control import STOP, Control
from segstudio.models.training.events import Event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_scenes(tmp_path / DATA, "photos", ["000000", "000001"])
    base = write_nano(tmp_path / "base.safetensors", 32)
    settings = NanoSettings(
        steps=2, width=32, stages=(Stage(2, 64),), images=1, targets=1, warmup=1, rate=1e-3,
        validate_every=3, held_out=("000000",), start=str(base), labelled=True, device="cpu",
    )  # fmt: skip
    (tmp_path / SETTINGS).write_bytes(msgspec.json.encode(settings))
    return tmp_path


def test_a_tuning_is_measured_stopped_gone_on_with_and_leaves_a_model(folder: Path) -> None:
    control, told = Control(), []

    def stop(event: Event) -> None:
        told.append(event)
        control.tell(STOP)

    assert run(folder, control, stop).reason == "stopped"
    told.clear()
    assert run(folder, Control(), told.append).reason == "done"
    scores = read_scores(folder)
    assert scores is not None
    assert set(scores.before) == set(scores.after) == {"1", "3", "5", "box"}
    before, after = (load_file(folder / name) for name in ("base.safetensors", WEIGHTS))
    assert {name: one.shape for name, one in after.items()} == {
        name: one.shape for name, one in before.items()
    }
    assert any(not one.equal(before[name]) for name, one in after.items())
    assert all(one.dtype == before[name].dtype for name, one in after.items())
    assert built_as(folder / WEIGHTS) == (32, True)
    with safe_open(folder / WEIGHTS, "pt") as file:
        assert file.metadata()["step"] == "2"
    prompt_model("segstudio_nano").load(folder / WEIGHTS, "cpu")


def test_what_cannot_be_tuned_is_said_in_a_sentence(folder: Path) -> None:
    (folder / "base.safetensors").write_bytes(b"nothing")
    ended = run(folder, Control(), lambda event: None)
    assert ended.reason == "failed"
    assert "does not hold the weights of segstudio_nano" in ended.message


def test_a_share_of_composed_data_comes_among_the_own_scenes(tmp_path: Path) -> None:
    write_scenes(tmp_path / "own", "photos", ["000"])
    write_scenes(tmp_path / "other", "photos", ["000"])
    settings = NanoSettings(
        steps=1, labelled=True, composed=str(tmp_path / "other"), composed_share=0.5
    )
    mixed = scene_stream(tmp_path / "own", settings)
    mixed.begin(1)
    first = [mixed.sample(64, 64).image.tobytes() for _ in range(6)]
    alone = scene_stream(tmp_path / "own", msgspec.structs.replace(settings, composed=""))
    alone.begin(1)
    own = {alone.sample(64, 64).image.tobytes() for _ in range(6)}
    assert own & set(first)
    assert set(first) - own
    mixed.begin(1)
    assert [mixed.sample(64, 64).image.tobytes() for _ in range(6)] == first


def test_the_gain_is_the_mean_of_all_prompts() -> None:
    before = {"1": 0.2, "3": 0.4}
    assert Scores(before, {"1": 0.4, "3": 0.5}).gain == pytest.approx(0.15)
    assert Scores(before).gain == 0.0

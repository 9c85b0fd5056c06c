"""A training of nano: the same batches for the same seed, and the same weights after a break."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from segstudio.core.progress import CancelToken
from segstudio.models.prompt_training.batches import UNKNOWN, borders, make_block
from segstudio.models.prompt_training.composing import Composer
from segstudio.models.prompt_training.loop import LOG, WEIGHTS, Run
from segstudio.models.prompt_training.scene import SceneLine, Target, read_scene, scene_lines
from segstudio.models.prompt_training.settings import NanoSettings, Stage

SETTINGS = NanoSettings(
    steps=4,
    width=32,
    pretrained=False,
    stages=(Stage(until=2, side=64), Stage(until=4, side=96)),
    images=2,
    targets=2,
    warmup=1,
    held_out=("held",),
    validate_every=4,
    save_every=2,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of discs, one of them held out."""
    folder = tmp_path_factory.mktemp("data") / "scenes_photos"
    draw = np.random.default_rng(0)
    lines = []
    for part in ("images", "ids"):
        (folder / part).mkdir(parents=True)
    for name in ("one", "two", "held"):
        image = np.full((100, 120, 3), draw.integers(0, 255, 3), np.uint8)
        ids = np.zeros((100, 120), np.uint16)
        for number in (1, 2, 3):
            at = 30 * number, int(draw.integers(30, 70))
            cv2.circle(image, at, 14, tuple(int(v) for v in draw.integers(0, 255, 3)), -1)
            cv2.circle(ids, at, 14, number, -1)
        cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
        cv2.imwrite(str(folder / "ids" / f"{name}.png"), ids)
        targets = tuple(Target((number,)) for number in (1, 2, 3))
        lines.append(msgspec.json.encode(SceneLine(name, "test", targets)))
    (folder / "scenes.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return folder.parent


def test_a_block_of_batches_depends_on_its_number_and_the_seed_alone(data: Path):
    def block(number: int, begun_with: int) -> list[np.ndarray]:
        composer = Composer(data, SETTINGS.seed, without=SETTINGS.held_out)
        list(make_block(composer, SETTINGS, begun_with))
        return [one.images for one in make_block(composer, SETTINGS, number)]

    for one, other in zip(block(1, 0), block(1, 3), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(block(1, 0)[0], block(2, 0)[0])


def test_batches_hold_masks_of_what_is_seen(data: Path):
    composer = Composer(data, 0)
    for batch in list(make_block(composer, SETTINGS, 0))[:2]:
        assert batch.images.shape == (2, 64, 64, 3)
        assert batch.masks.shape == (2, 2, 32, 32)
        assert ((batch.masks > 127).sum((2, 3)) >= 12).all()


def test_a_training_that_was_broken_off_ends_with_the_weights_of_one_that_was_not(
    data: Path, tmp_path: Path
):
    held_out = [read_scene(data / "scenes_photos", line) for line in scene_lines_of(data)]
    whole = Run(tmp_path / "whole", data, SETTINGS, "cpu")
    whole.go(held_out, CancelToken())
    Run(tmp_path / "broken", data, SETTINGS, "cpu").go([], CancelToken(), stop_at=3)
    again = Run(tmp_path / "broken", data, SETTINGS, "cpu")
    assert again.step == 3
    again.go([], CancelToken())
    one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "broken"))
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=0)
    rows = [json.loads(line) for line in (tmp_path / "whole" / LOG).read_text().splitlines()]
    assert set(rows[-1]["held_out"]) == {"1", "3", "5", "box"}


def scene_lines_of(data: Path) -> list[SceneLine]:
    return [line for line in scene_lines(data / "scenes_photos") if line.name == "held"]


def test_the_rate_rises_stays_and_falls_to_nothing():
    settings = NanoSettings(steps=100, warmup=10, decay_from=60)
    shares = [settings.rate_share(step) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9] == shares[59] == 1
    assert shares[80] == pytest.approx(0.5)
    assert shares[100] == 0


def test_mixed_windows_cost_about_the_same_and_hold_fewer_images_the_larger_they_are():
    mixed = (64, 96, 192)
    settings = NanoSettings(steps=60, images=6, stages=(Stage(60, 64, mixed),))
    drawn = {settings.side(step): settings.images_at(step) for step in range(60)}
    assert drawn == {64: 6, 96: 3, 192: 1}
    assert [settings.side(step) for step in range(60)] == [settings.side(n) for n in range(60)]


def test_borders_are_where_things_meet_and_unknown_where_nothing_is_named():
    ids = np.zeros((16, 24), np.uint16)
    ids[:, 9:18] = 3
    ids[8:, 9:18] = 4
    found = borders(ids)
    expected = np.full((4, 6), UNKNOWN)
    expected[:, 2], expected[:, 3], expected[:, 4] = 1, 0, 1
    expected[1:3, 3] = 1
    np.testing.assert_array_equal(found, expected)

"""Learning from a teacher: what is drawn to what, from where, and that the student stays nano."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from segstudio.core.errors import BadInputError
from segstudio.models.nets.nano import Nano
from segstudio.models.prompt_training.batches import UNKNOWN, Batch
from segstudio.models.prompt_training.distilling import (
    DistillingLearner,
    TeacherGrids,
    unlikeness,
)
from segstudio.models.prompt_training.scores import GRIDS
from segstudio.models.prompt_training.settings import NanoSettings, Stage

SETTINGS = NanoSettings(
    steps=6, width=32, images=1, targets=1, stages=(Stage(6, 64),), rate=2e-2, warmup=1,
    likeness=1.0,
)  # fmt: skip


@pytest.fixture
def grids(tmp_path: Path) -> Path:
    """A photo of 512 x 256 whose red and green say where its pixels lie, and a grid that does."""
    (tmp_path / GRIDS).mkdir()
    (tmp_path / "images").mkdir()
    y, x = np.mgrid[:256, :512]
    image = np.stack([x // 2, y, np.zeros_like(x)], 2).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "one.jpg"), image[..., ::-1])
    rows, columns = np.mgrid[:64, :64].astype(np.float16)
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(6, 64, 64)).astype(np.float16)
    np.save(tmp_path / GRIDS / "one.npy", np.concatenate([[columns, rows], noise]))
    return tmp_path


def test_a_window_and_its_embedding_are_of_one_place(grids: Path) -> None:
    draw = np.random.default_rng(3)
    windows = TeacherGrids(grids).draw(draw, 6, 64)
    assert windows.seen.all()
    for image, grid in zip(windows.images, windows.grids, strict=True):
        cells = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA).astype(float)
        np.testing.assert_allclose(cells[..., 0], 4 * grid[0] + 1.75, atol=6)
        np.testing.assert_allclose(cells[..., 1], 8 * grid[1] + 3.5, atol=6)
    corners = {(grid[0, 0, 0], grid[1, 0, 0]) for grid in windows.grids}
    assert len(corners) > 3


def test_what_lies_beside_the_image_is_not_seen(grids: Path) -> None:
    windows = TeacherGrids(grids).draw(np.random.default_rng(0), 1, 512)
    assert windows.seen[0].sum() == 32 * 64
    assert windows.seen[0, :32].all()
    assert (windows.images[0, 256:] == 127).all()


def test_held_out_images_teach_nothing(grids: Path) -> None:
    with pytest.raises(BadInputError, match="no embedding"):
        TeacherGrids(grids, without=("one",))


def test_unlikeness_is_of_direction_and_of_seen_places_alone() -> None:
    made = torch.randn(1, 5, 4, 4, generator=torch.manual_seed(0))
    wanted = 3 * made
    wanted[..., 2:] *= -1
    seen = torch.zeros(1, 4, 4, dtype=torch.bool)
    seen[..., :2] = True
    assert unlikeness(made, wanted, seen) == pytest.approx(0, abs=1e-6)
    assert unlikeness(made, wanted, ~seen) == pytest.approx(2, abs=1e-6)
    assert unlikeness(made, wanted, torch.zeros_like(seen)) == 0


def test_tokens_come_closer_to_the_teacher_and_the_student_stays_as_it_was(grids: Path) -> None:
    torch.manual_seed(0)
    network = Nano(SETTINGS.width)
    names = {name: one.shape for name, one in network.state_dict().items()}
    learner = DistillingLearner(network, SETTINGS, "cpu", TeacherGrids(grids))
    learner.train_mode()
    mask = np.zeros((1, 1, 32, 32), np.uint8)
    mask[..., 8:20, 8:24] = 255
    unknown = np.full((1, 16, 16), UNKNOWN, np.uint8)
    batch = Batch(np.full((1, 64, 64, 3), 90, np.uint8), mask, unknown)

    def far() -> float:
        with torch.no_grad():
            return float(learner.unlikeness(np.random.default_rng(1), batch))

    before, head = far(), learner.more_state()["weight"].clone()
    for number in range(SETTINGS.steps):
        learner.step(number, batch)
    assert far() < 0.9 * before
    assert {name: one.shape for name, one in network.state_dict().items()} == names
    assert {name: one.shape for name, one in learner.average.items()} == names
    taught = learner.more_state()
    assert not torch.equal(taught["weight"], head)
    again = DistillingLearner(network, SETTINGS, "cpu", TeacherGrids(grids))
    again.take_more(taught)
    assert torch.equal(again.head.weight, learner.head.weight)

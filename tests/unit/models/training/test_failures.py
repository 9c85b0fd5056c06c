"""What cannot be trained is told in one sentence, and nothing is lost."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import CATEGORIES, scene, settings, write_image, write_training

from segstudio.core.prediction import ModelCategory
from segstudio.models.training import checkpoint, failures
from segstudio.models.training import folder as training_folder
from segstudio.models.training.control import Control
from segstudio.models.training.events import Ended, Event, Started, Stepped, Validated
from segstudio.models.training.learner import Learner
from segstudio.models.training.settings import (
    Augmentation,
    Precision,
    TrainingSet,
    TrainingSettings,
)

Train = Callable[..., list[Event]]
Curve = Callable[[list[Event]], list[tuple[object, ...]]]


def failed(events: list[Event]) -> str:
    """The sentence of a training that failed."""
    last = events[-1]
    assert isinstance(last, Ended)
    assert last.reason == "failed"
    assert last.message.endswith(".")
    assert "\n" not in last.message
    return last.message


def rewritten(folder: Path, data: TrainingSet, chosen: TrainingSettings) -> None:
    training_folder.write(folder, chosen, data)


def test_a_category_without_pixels_is_told_before_it_starts(tmp_path: Path, train: Train) -> None:
    data = write_training(tmp_path, settings(epochs=1))
    more = (*CATEGORIES, ModelCategory("moose", "#885522"))
    rewritten(tmp_path, replace(data, categories=more), settings(epochs=1))
    events = train(tmp_path)
    assert events[0].notes == ("No training image shows “moose”; the model will not find it.",)
    assert events[-1].reason == "done"


def test_one_image_trains_and_is_told_to_be_too_few(tmp_path: Path, train: Train) -> None:
    write_training(tmp_path, settings(epochs=2), sizes=[(40, 40)], val=0)
    events = train(tmp_path)
    assert "label more images" in events[0].notes[0]
    assert events[-1].reason == "done"
    assert any(isinstance(event, Validated) for event in events)


def test_images_without_labels_are_left_out_and_named(tmp_path: Path, train: Train) -> None:
    data = write_training(tmp_path, settings(epochs=1))
    for one in (data.train[1], data.train[4], data.val[0]):
        Image.fromarray(np.full((40, 48), 255, np.uint8)).save(tmp_path / one.labels)
    events = train(tmp_path)
    assert events[0].notes == ("Left out, as no pixel is labelled: “scene1”, “scene4”, “scene6”.",)
    assert events[-1].step == 1  # of the four images left, one batch
    assert [one.name for one in events[2].worst] == ["scene7"]


def test_a_set_without_labels_or_images_is_refused(tmp_path: Path, train: Train) -> None:
    data = write_training(tmp_path, settings(), sizes=[(40, 48)] * 2, val=1)
    Image.fromarray(np.full((40, 48), 255, np.uint8)).save(tmp_path / data.train[0].labels)
    assert "No training image has a labelled pixel" in failed(train(tmp_path))
    rewritten(tmp_path, replace(data, train=()), settings())
    assert "There is no training image" in failed(train(tmp_path))
    rewritten(tmp_path, replace(data, categories=CATEGORIES[:1]), settings())
    assert "at least two categories" in failed(train(tmp_path))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((40, 47), np.uint8), "47 x 40 pixels and its image 48 x 40"),
        (np.full((40, 48), 3, np.uint8), "the value 3, but there are 3 categories"),
        (np.zeros((40, 48, 3), np.uint8), "has colours (mode RGB)"),
    ],
)
def test_a_label_map_that_does_not_fit_is_named(
    tmp_path: Path, train: Train, labels: np.ndarray, words: str
) -> None:
    data = write_training(tmp_path, settings())
    Image.fromarray(labels).save(tmp_path / data.train[2].labels)
    message = failed(train(tmp_path))
    assert "scene2_labels.png" in message
    assert words in message


@pytest.mark.parametrize("what", ["image", "labels"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_goes_while_it_trains_is_named(
    tmp_path: Path, train: Train, what: str, workers: int
) -> None:
    data = write_training(tmp_path, settings(epochs=1000, workers=workers))

    def heard(event: Event, _: Control) -> None:
        if isinstance(event, Stepped) and event.step == 1:
            (tmp_path / getattr(data.train[0], what)).write_bytes(b"")

    assert getattr(data.train[0], what) in failed(train(tmp_path, heard))


def test_settings_that_cannot_be_are_told(tmp_path: Path, train: Train) -> None:
    for changes, words in (
        ({"side": 8}, "The side of a training is at least 32"),
        ({"side": 100_000}, "The side of a training is at most 8192"),
        ({"seed": -5}, "The seed of a training is at least 0"),
        ({"weight_decay": float("nan")}, "settings.json"),  # JSON has no such number
        ({"augmentation": Augmentation(flip=7.0)}, "The chance of mirroring of a training is at"),
        ({"architecture": "castle"}, "There is no architecture 'castle'"),
        ({"device": "abacus"}, "There is no device 'abacus'"),
        ({"start": "nobody"}, "There is no semantic model 'nobody'"),
    ):
        write_training(tmp_path, settings(**changes))
        assert words in failed(train(tmp_path))
    (tmp_path / "settings.json").write_text('{"side": "wide"}')
    assert "settings.json" in failed(train(tmp_path))


def test_a_checkpoint_of_another_network_is_told(tmp_path: Path, train: Train) -> None:
    data = write_training(tmp_path, settings(epochs=1))
    train(tmp_path)
    more = (*CATEGORIES, ModelCategory("moose", "#885522"))
    rewritten(tmp_path, replace(data, categories=more), settings(epochs=2))
    assert "of another network or other categories" in failed(train(tmp_path))


def break_steps(monkeypatch: pytest.MonkeyPatch, broken: Callable[[int], bool]) -> None:
    """Pixels of infinity, as a broken device gives them, in those steps (from 1) that it takes."""
    real, taken = Learner.step, []

    def step(learner: Learner, images: torch.Tensor, labels: torch.Tensor, factor: float) -> float:
        taken.append(factor)
        if broken(len(taken)):
            images = images.float() * torch.inf
        return real(learner, images, labels, factor)

    monkeypatch.setattr(Learner, "step", step)


def rates(events: list[Event]) -> dict[int, float]:
    return {event.step: event.rate for event in events if isinstance(event, Stepped)}


def test_after_a_loss_that_is_no_number_it_goes_on_from_its_best_state_more_slowly(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sound", "broken"):
        write_training(tmp_path / name, settings(epochs=6))
    sound = rates(train(tmp_path / "sound"))
    break_steps(monkeypatch, lambda step: step == 8)
    events = train(tmp_path / "broken")
    first, second = (event for event in events if isinstance(event, Started))
    before = events[: events.index(second)]
    best = max((one for one in before if isinstance(one, Validated)), key=lambda one: one.miou)
    assert first.notes == ()
    assert second.step == best.step
    assert second.notes == (
        "The loss was no number any more at step 8; it goes on from its best state (mIoU "
        f"{best.miou:.3f}, step {best.step}) with half the learning rate (0.01).",
    )
    assert (events[-1].reason, events[-1].step) == ("done", 12)
    after = rates(events[events.index(second) :])
    assert list(after) == list(range(best.step + 1, 13))
    assert all(after[step] == sound[step] / 2 for step in after)


def test_killed_after_that_it_stays_as_slow(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_training(tmp_path, settings(epochs=6))
    break_steps(monkeypatch, lambda step: step == 8)

    def heard(event: Event, control: Control) -> None:
        if isinstance(event, Started) and event.notes:
            control.tell("stop")

    assert train(tmp_path, heard)[-1].reason == "stopped"
    monkeypatch.undo()
    events = train(tmp_path)
    first = next(event for event in events if isinstance(event, Stepped))
    assert first.rate < 0.01  # the falling half of 0.02
    assert events[-1].reason == "done"


def test_one_that_is_broken_for_good_ends_at_its_best_state_with_a_remedy(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_training(tmp_path, settings(epochs=6))
    break_steps(monkeypatch, lambda step: step >= 8)
    events = train(tmp_path)
    message = failed(events)
    best = max((one for one in events if isinstance(one, Validated)), key=lambda one: one.miou)
    assert sum(isinstance(event, Started) for event in events) == 4
    assert f"with a learning rate of {0.02 / 8:g} too" in message
    assert f"it is back at its best state (mIoU {best.miou:.3f}, step {best.step})" in message
    assert "start another training with a learning rate of 0.00025 (--lr 0.00025)." in message
    monkeypatch.undo()
    again = train(tmp_path)
    assert isinstance(again[0], Started)
    assert again[0].step == best.step
    assert again[-1].reason == "done"


def test_a_learning_rate_that_is_far_too_high_ends_with_a_remedy(
    tmp_path: Path, train: Train
) -> None:
    wild = settings(epochs=50, learning_rate=1e9, clip=0.0, optimiser="sgd", warmup=0)
    write_training(tmp_path, wild)
    message = failed(train(tmp_path))
    assert "with a learning rate of 1.25e+08 too" in message
    assert "(--lr 1.25e+07) or gradient clipping" in message


def test_one_that_is_broken_from_the_start_begins_anew_some_times(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_training(tmp_path, settings())
    break_steps(monkeypatch, lambda _: True)
    events = train(tmp_path)
    started = [event for event in events if isinstance(event, Started)]
    assert [event.step for event in started] == [0, 0, 0, 0]
    assert "goes on from the start with half the learning rate (0.005)" in started[2].notes[0]
    assert "there is no better state to go back to" in failed(events)


def test_one_that_begins_anew_begins_as_one_with_half_the_learning_rate(
    tmp_path: Path, train: Train, curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_training(tmp_path / "slow", settings(learning_rate=0.01))
    expected = curve(train(tmp_path / "slow"))
    write_training(tmp_path / "fast", settings())
    break_steps(monkeypatch, lambda step: step == 2)
    assert curve(train(tmp_path / "fast")) == expected


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: the system refuses as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_leaves_the_last_whole_checkpoint(tmp_path: Path, train: Train) -> None:
    write_training(tmp_path, settings(epochs=3))

    def heard(event: Event, _: Control) -> None:
        if isinstance(event, Stepped) and event.step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))

    with files_up_to(resource.RLIM_INFINITY):
        message = failed(train(tmp_path, heard))
    assert "the disk is full" in message
    assert "make room and resume" in message
    kept = checkpoint.load(tmp_path / "checkpoint")
    assert kept is not None
    assert '"step":2' in kept.state
    assert not list((tmp_path / "checkpoint").glob("*.part"))
    events = train(tmp_path)
    assert (events[0].step, events[-1].step, events[-1].reason) == (2, 6, "done")


def test_memory_that_runs_out_names_batch_and_side(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for more than any machine has; the allocator's own error."""
    write_training(tmp_path, settings())
    real = Learner.step

    def greedy(learner: Learner, images: torch.Tensor, labels: torch.Tensor, factor: float):
        torch.empty(1 << 55, dtype=torch.uint8)
        return real(learner, images, labels, factor)

    monkeypatch.setattr(Learner, "step", greedy)
    message = failed(train(tmp_path))
    assert "4 squares of 32 pixels" in message
    assert "smaller batch" in message


def test_cudas_own_error_names_batch_and_side_too() -> None:
    lost = RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [::1]:152")
    assert "Another process of this training was ended" in failures.sentence(lost, settings())
    full = failures.sentence(OSError(28, "No space left on device"), settings())
    assert full.startswith("The training cannot write or read its files (No space left on device);")
    told = failures.sentence(torch.OutOfMemoryError("CUDA out of memory."), settings(batch=7))
    assert "7 squares of 32 pixels" in told


def test_with_16_bits_other_precisions_are_advised() -> None:
    told = failures.diverged(settings(precision=Precision.HALF), 3, "", 0.01)
    assert "32-bit or bf16 precision" in told


def test_an_image_of_one_pixel_trains(tmp_path: Path, train: Train) -> None:
    data = write_training(tmp_path, settings(epochs=1))
    tiny = write_image(tmp_path, "dot", *(part[:1, :1] for part in scene((40, 48), 0)))
    rewritten(tmp_path, replace(data, train=(tiny,), val=(tiny,)), settings(epochs=1))
    assert train(tmp_path)[-1].reason == "done"

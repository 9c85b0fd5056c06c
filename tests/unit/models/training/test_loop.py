"""Whole trainings of a tiny network: they learn, repeat themselves, stop, pause and go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import CATEGORIES, scene, settings, write_training
from torch.nn import functional

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.metrics.confusion import ConfusionMatrix
from segstudio.models.semantic import library
from segstudio.models.semantic.contract import PredictSettings
from segstudio.models.training import folder as training_folder
from segstudio.models.training import loop, progress, validating
from segstudio.models.training.control import Control
from segstudio.models.training.data import Squares, joined
from segstudio.models.training.event_log import read_events
from segstudio.models.training.events import Ended, Event, Paused, Started, Stepped, Validated
from segstudio.models.training.learner import Learner
from segstudio.models.training.settings import Loss, Optimiser, Schedule
from segstudio.models.training.validation import Validator

Train = Callable[..., list[Event]]
Curve = Callable[[list[Event]], list[tuple[object, ...]]]


def validations(events: list[Event]) -> list[Validated]:
    return [event for event in events if isinstance(event, Validated)]


def test_it_learns_and_its_best_model_predicts_as_well_as_it_told(
    tmp_path: Path, train: Train
) -> None:
    chosen = settings(epochs=12, learning_rate=0.03)
    write_training(tmp_path, chosen, sizes=((40, 48),) * 16, val=4)
    events = train(tmp_path)
    best = max(validations(events), key=lambda event: event.miou)
    assert events[-1] == Ended("done", 36, "", best.miou, events[-1].details)
    assert best.miou > 0.9
    card = library.read(tmp_path / "best")
    assert card.scores["miou"] == best.miou
    assert card.categories == CATEGORIES
    assert msgspec.convert(card.settings, type(chosen)) == chosen
    model = card.load(None, "cpu")
    counts = ConfusionMatrix(len(CATEGORIES))
    for seed in range(12, 16):
        pixels, truth = scene((40, 48), seed)
        told = model.predict(RgbImage(pixels), PredictSettings(), ignore_progress, CancelToken())
        counts.add(truth, told.labels)
    assert counts.mean_iou() == pytest.approx(best.miou, abs=1e-6)


def test_equal_seeds_give_equal_curves_and_others_do_not(
    tmp_path: Path, train: Train, curve: Curve
) -> None:
    curves = []
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        write_training(tmp_path / name, settings(seed=seed))
        curves.append(curve(train(tmp_path / name)))
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


def test_reading_processes_change_nothing(tmp_path: Path, train: Train, curve: Curve) -> None:
    for name, workers in (("none", 0), ("two", 2)):
        write_training(tmp_path / name, settings(workers=workers, epochs=2))
    assert curve(train(tmp_path / "two")) == curve(train(tmp_path / "none"))


@pytest.mark.parametrize("word", ["stop", "pause"])
def test_stopped_or_paused_anywhere_it_goes_on_to_the_same_curve(
    tmp_path: Path, train: Train, curve: Curve, word: str
) -> None:
    chosen = settings(validate_every=2, epochs=4)
    write_training(tmp_path / "whole", chosen)
    expected = curve(train(tmp_path / "whole"))
    write_training(tmp_path / "parts", chosen)

    def heard(event: Event, control: Control) -> None:
        if isinstance(event, Stepped) and event.step == 3:
            control.tell(word)
        elif isinstance(event, Paused):
            assert (tmp_path / "parts" / "checkpoint" / "last.safetensors").exists()
            control.tell("resume")

    first = train(tmp_path / "parts", heard)
    if word == "stop":
        assert first[-1].reason == "stopped"
        assert first[-1].step == 3
        second = train(tmp_path / "parts")
        assert isinstance(second[0], Started)
        assert second[0].step == 3
    else:
        assert [event.step for event in first if isinstance(event, Paused | Started)] == [0, 3, 3]
        assert first[-1].reason == "done"
    assert curve(list(read_events(tmp_path / "parts"))) == expected


def test_a_stop_within_a_validation_lets_the_next_session_validate(
    tmp_path: Path, train: Train, curve: Curve, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_training(tmp_path / "whole", settings())
    expected = curve(train(tmp_path / "whole"))
    write_training(tmp_path / "parts", settings())

    def heard(event: Event, control: Control) -> None:
        if isinstance(event, Stepped) and event.step == 4:  # the last step of an epoch
            control.tell("stop")

    first = train(tmp_path / "parts", heard)
    assert [event.step for event in validations(first)] == [2]
    second = train(tmp_path / "parts")
    assert isinstance(second[1], Validated)
    assert second[1].step == 4
    assert curve(first + second) == expected


def test_a_stopped_training_can_be_made_longer(tmp_path: Path, train: Train) -> None:
    write_training(tmp_path, settings(epochs=2))
    assert train(tmp_path)[-1].step == 4
    _, data = training_folder.read(tmp_path)
    training_folder.write(tmp_path, settings(epochs=3), data)
    events = train(tmp_path)
    assert (events[0].step, events[-1].step, events[-1].reason) == (4, 6, "done")


def test_it_ends_early_when_nothing_gets_better(tmp_path: Path, train: Train) -> None:
    write_training(tmp_path, settings(epochs=50, patience=2, learning_rate=1e-9))
    events = train(tmp_path)
    mious = [event.miou for event in validations(events)]
    assert events[-1].reason == "early"
    assert len(mious) < 50
    assert max(mious[-2:]) <= max(mious)
    assert events[-1].miou == max(mious)


def test_it_ends_in_time_with_a_validation_and_a_rate_that_fell(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = count()
    clock = SimpleNamespace(monotonic=lambda: 0.05 * next(ticks))  # seconds, at each look
    monkeypatch.setattr(progress, "time", clock)
    write_training(tmp_path, settings(epochs=1000, minutes=0.2, validate_every=500))
    events = train(tmp_path)
    assert events[-1].reason == "time"
    assert validations(events)[-1].step == events[-1].step
    rates = [event.rate for event in events if isinstance(event, Stepped)]
    assert 10 < len(rates) < 500
    assert rates[-1] < 0.1 * max(rates)


def test_its_minutes_hold_the_last_validation_too(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock of its own: a step takes a second, and each validation image four."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    for module in (progress, loop, validating):
        monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), **vars(clock)}))
    step, look = Learner.step, Validator.look

    def lasting(seconds: float, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            now[0] += seconds
            return real(*arguments)

        return call

    monkeypatch.setattr(Learner, "step", lasting(1.0, step))
    monkeypatch.setattr(Validator, "look", lasting(4.0, look))
    sizes = ((40, 48),) * 6 + ((132, 132),) * 2  # 17 steps' pixels to look at
    for name, every in (("often", 10), ("at the end", 500)):
        chosen = settings(epochs=1000, minutes=1.0, validate_every=every, batch=2)
        write_training(tmp_path / name, chosen, sizes=sizes)
        events = train(tmp_path / name)
        seconds = events[-1].details["seconds"]
        assert events[-1].reason == "time"
        assert validations(events)[-1].step == events[-1].step
        assert 60 - 2 * 10 < seconds <= 60


def test_few_images_are_validated_after_steps_and_not_after_each_epoch(
    tmp_path: Path, train: Train
) -> None:
    write_training(tmp_path, settings(epochs=7, validate_steps=5, validate_every=2))
    events = train(tmp_path)  # of 2 steps an epoch
    assert [(one.step, one.epoch) for one in validations(events)] == [(8, 4), (14, 7)]


def test_batch_norms_of_a_model_know_it_as_it_is_and_not_as_it_was(
    tmp_path: Path, train: Train
) -> None:
    chosen = settings(epochs=1, batch=3)
    data = write_training(tmp_path, chosen)
    assert train(tmp_path)[-1].step == 2
    state = library_state(tmp_path)
    wanted = library.read(tmp_path / "best").normalisation
    squares = Squares(tmp_path, data, chosen, 6)
    rows = [joined([squares[3 * n + k] for k in range(3)])[0].float() / 255 for n in range(5)]
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (wanted.mean, wanted.std))
    name = "body.stem.0"
    before = [
        functional.conv2d((one - mean) / std, state[f"{name}.weight"], state[f"{name}.bias"], 2, 1)
        for one in (functional.pad(row, (0, 2, 0, 2), mode="replicate") for row in rows)
    ]
    means = torch.stack([one.mean((0, 2, 3)) for one in before]).mean(0)
    variances = torch.stack([one.var((0, 2, 3)) for one in before]).mean(0)
    torch.testing.assert_close(state["body.stem.1.running_mean"], means)
    torch.testing.assert_close(state["body.stem.1.running_var"], variances)
    assert int(state["body.stem.1.num_batches_tracked"]) == 2  # those that it learnt from


def test_patience_is_of_epochs_however_seldom_it_validates(tmp_path: Path, train: Train) -> None:
    chosen = settings(epochs=90, patience=8, validate_every=3, learning_rate=1e-9)
    write_training(tmp_path, chosen)
    events = train(tmp_path)
    told = validations(events)
    best = next(one.epoch for one in told if one.miou == events[-1].miou)
    assert events[-1].reason == "early"
    assert events[-1].details["epoch"] - best == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": Loss.CROSS_ENTROPY, "optimiser": Optimiser.SGD, "schedule": Schedule.COSINE},
        {"loss": Loss.DICE, "dice_squared": True, "batch": 1, "clip": 0.0},
        {"loss": Loss.FOCAL, "schedule": Schedule.CONSTANT, "batch": 64, "precision": "bf16-mixed"},
    ],
)
def test_every_choice_trains(tmp_path: Path, train: Train, changes: dict[str, object]) -> None:
    write_training(tmp_path, settings(epochs=2, **changes))
    events = train(tmp_path)
    losses = [event.loss for event in events if isinstance(event, Stepped)]
    assert events[-1].reason == "done"
    assert np.isfinite(losses).all()


def test_images_of_all_sizes_and_depths_train_together(tmp_path: Path, train: Train) -> None:
    sizes = [(20, 90), (40, 48), (64, 64), (33, 35), (31, 40), (50, 41)]
    data = write_training(tmp_path, settings(epochs=1, batch=2), sizes=sizes)
    grey, labels = scene(sizes[0], 0)
    deep = grey[..., 0].astype(np.uint16) * 256
    Image.fromarray(deep).save(tmp_path / data.train[0].image)
    Image.fromarray(scene(sizes[1], 1)[0]).convert("RGBA").save(tmp_path / data.train[1].image)
    Image.fromarray(scene(sizes[2], 2)[0]).convert("P").save(tmp_path / data.train[2].image)
    Image.fromarray(labels).convert("L").save(tmp_path / data.train[0].labels)
    events = train(tmp_path)
    assert events[-1].reason == "done"
    for example in validations(events)[-1].worst:
        image = Image.open(tmp_path / example.image)
        assert Image.open(tmp_path / example.labels).size == image.size


def test_the_worst_images_are_told_with_what_was_predicted(tmp_path: Path, train: Train) -> None:
    data = write_training(tmp_path, settings(epochs=4), sizes=((40, 48),) * 12, val=8)
    told = validations(train(tmp_path))
    worst = told[-1].worst
    assert len(worst) == 6
    assert [one.miou for one in worst] == sorted(one.miou for one in worst)
    assert {one.name for one in worst} <= {one.name for one in data.val}
    for one in worst:
        truth = np.array(Image.open(tmp_path / one.truth))
        counts = ConfusionMatrix(len(CATEGORIES))
        counts.add(truth, np.array(Image.open(tmp_path / one.labels)))
        present = counts.pixels() > 0
        assert counts.iou()[present].mean() == pytest.approx(one.miou)
    kept = {path.name for path in (tmp_path / "worst").iterdir()}
    best = max(told, key=lambda event: event.miou)
    assert kept == {f"{told[-1].step:07}", f"{best.step:07}"}


def test_a_training_goes_on_from_another_model(tmp_path: Path, train: Train) -> None:
    write_training(tmp_path / "first", settings(epochs=8))
    train(tmp_path / "first")
    card = replace(library.read(tmp_path / "first" / "best"), key="before")
    state = library_state(tmp_path / "first")
    library.save(state, card)
    write_training(tmp_path / "second", settings(epochs=1, start="before"))
    events = train(tmp_path / "second")
    assert "fit" in events[0].notes[0]
    assert events[1].loss < 0.8  # one that begins from nothing starts above 1.5


def test_a_model_of_other_categories_gives_what_fits(tmp_path: Path, train: Train) -> None:
    data = write_training(tmp_path / "first", settings(epochs=8))
    train(tmp_path / "first")
    card = replace(library.read(tmp_path / "first" / "best"), key="before")
    library.save(library_state(tmp_path / "first"), card)
    named = (CATEGORIES[1], replace(CATEGORIES[0], name="sea"), *CATEGORIES[2:])
    more = (*named, *(replace(CATEGORIES[0], name=name) for name in ("sky", "a", "b", "c", "d")))
    write_training(tmp_path / "second", settings(epochs=1, start="before"))
    training_folder.write(
        tmp_path / "second", settings(epochs=1, start="before"), replace(data, categories=more)
    )
    events = train(tmp_path / "second")
    assert events[-1].reason == "done"
    assert events[0].notes[-1].endswith("New to it: sea, sky, a, b, c and 1 more.")


def library_state(folder: Path) -> dict[str, object]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "best" / library.WEIGHTS))

"""Events become curves; a training that goes on from a checkpoint draws no epoch twice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.gui.training_story import KEEP, TrainingStory
from segstudio.gui.training_words import duration, headline, score_line
from segstudio.models.training.events import (
    Ended,
    Event,
    Paused,
    Started,
    Stepped,
    Validated,
    Waiting,
)

STEPS, EPOCHS = 100, 10


def started(step: int = 0) -> Started:
    return Started(step, STEPS, EPOCHS, "cpu", "32", 10, 0.0)


def stepped(step: int, loss: float = 1.0) -> Stepped:
    return Stepped(step, step // 10, loss, 1e-3, float(step), float(STEPS - step))


def validated(step: int, miou: float) -> Validated:
    return Validated(step, step // 10, 0.5, miou, 0.9, {"cat": miou, "dog": None}, True)


def test_epochs_are_fractions_of_the_steps() -> None:
    story = TrainingStory([started(), stepped(5), stepped(10), validated(10, 0.4)])
    assert list(story.loss_epochs) == [0.5, 1.0] and story.val_epochs == [1.0]
    assert story.fraction == 0.1 and story.epoch == 1


def test_steps_that_are_done_again_stand_once() -> None:
    first: list[Event] = [started(), *(stepped(step, step) for step in range(1, 31))]
    story = TrainingStory([*first, validated(10, 0.5), validated(20, 0.6), validated(30, 0.7)])
    story.take(started(20))
    assert len(story.losses) == 20 and [one.step for one in story.validations] == [10, 20]
    assert story.best is not None and story.best.miou == 0.6
    for step in range(21, 31):
        story.take(stepped(step, step))
    straight = TrainingStory([*first])
    assert story.losses == straight.losses and story.loss_epochs == straight.loss_epochs
    assert np.allclose(story.means, straight.means)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_the_running_mean_is_the_weighted_mean_of_all_so_far(losses: list[float]) -> None:
    story = TrainingStory([started(), *(stepped(n, loss) for n, loss in enumerate(losses, 1))])
    weights = KEEP ** np.arange(len(losses))[::-1]
    assert story.means[-1] == pytest.approx(np.average(losses, weights=weights), abs=1e-9)


def test_a_loss_that_is_no_number_leaves_the_mean() -> None:
    story = TrainingStory([started(), stepped(1, 2.0), stepped(2, math.nan), stepped(3, 2.0)])
    assert story.means[-1] == pytest.approx(2.0) and len(story.losses) == 3


def test_a_pause_ends_with_the_next_step_and_an_end_with_the_next_start() -> None:
    story = TrainingStory([started(), stepped(1), Paused(1)])
    assert story.paused
    story.take(stepped(2))
    assert not story.paused
    story.take(Ended("stopped", 2))
    assert story.ended is not None
    story.take(started(2))
    assert story.ended is None and story.step == 2


def test_all_numbers_of_the_curves_can_be_had() -> None:
    story = TrainingStory([started(), stepped(10, 0.25), validated(10, 0.4)])
    assert story.rows() == [
        ("loss", 1.0, 0.25),
        ("val loss", 1.0, 0.5),
        ("mIoU", 1.0, 0.4),
        ("pixel accuracy", 1.0, 0.9),
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3, "a few seconds"),
        (42, "40 seconds"),
        (70, "a minute"),
        (600, "10 minutes"),
        (7_260, "2 h 1 min"),
        (100_000, "1 d 4 h"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_line_says_how_far_it_is_and_another_the_best_scores() -> None:
    story = TrainingStory([started(), stepped(10), validated(10, 0.4), stepped(40)])
    assert story.fraction == pytest.approx(0.4)
    hasty = TrainingStory([started(), Stepped(40, 4, 1.0, 1e-3, 90.0, 10.0)])  # of 100 s
    assert hasty.fraction == pytest.approx(0.9)
    begun = TrainingStory([started(), Stepped(3, 1, 1.0, 1e-3, 0.0, 0.0)])  # in the first epoch
    assert headline(begun, "running") == "epoch 1 of 10 · CPU"
    assert headline(story, "running") == ("epoch 5 of 10 · a minute left · 40 seconds so far · CPU")
    assert headline(story, "paused") == "epoch 5 of 10 · 40 seconds so far · CPU"
    story.take(Ended("time", 40, miou=0.4))
    assert headline(story, "done") == ("epoch 4 of 10 · its time was up · 40 seconds trained · CPU")
    assert score_line(story) == "best mIoU 40.0 % (epoch 1), pixel accuracy 90.0 %"
    assert score_line(TrainingStory()) == ""


def test_what_it_waits_for_is_said_until_it_starts() -> None:
    story = TrainingStory()
    assert headline(story, "starting").startswith("Reading the images")
    story.take(Waiting("Waiting for 2 machines."))
    assert headline(story, "starting") == "Waiting for 2 machines."
    story.take(started())
    assert headline(story, "running") == "epoch 1 of 10 · CPU"

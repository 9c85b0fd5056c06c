"""Hovering: the newest place wins, one decode at a time, and nothing else ever waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from segstudio.core.errors import DeviceError
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate, Candidates, Embedding, Prompt
from segstudio.engine.answerer import Answerer
from segstudio.engine.hover import SLOW_SECONDS, Hover
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.models.prompt.contract import PromptModel

WAIT = 10.0
SIZE = (6, 40)


def at(x: float) -> Prompt:
    return Prompt().with_point(x, 0.5, 1)


class PointModel:
    """Its mask is the pixel of the last point; decodes wait for `gate` and take `seconds`."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        self.asked: list[float] = []
        self.error: Exception | None = None
        self.seconds, self.now = 0.0, 0.0

    def predict(self, _: Embedding, prompt: Prompt) -> Candidates:
        self.asked.append(prompt.points[-1][0])
        self.begun.set()
        assert self.gate.wait(WAIT)
        self.now += self.seconds
        if self.error is not None:
            raise self.error
        pixels = np.zeros(SIZE, dtype=bool)
        pixels[0, int(prompt.points[-1][0])] = True
        return Candidates((Candidate(Mask.from_array(pixels), 0.9, 0.9),), "point-1")


@dataclass
class Desk:
    """A hover with all it needs; it stands for the prompt session too."""

    model: PointModel = field(default_factory=PointModel)
    inbox: queue.SimpleQueue[Callable[[], None]] = field(default_factory=queue.SimpleQueue)
    shown: list[float] = field(default_factory=list)
    ends: int = 0
    answerer: Answerer | None = None

    def __post_init__(self) -> None:
        self.runner = JobRunner(self.inbox.put)
        self.hover = Hover(self.runner, self, clock=lambda: self.model.now)
        self.hover.on_preview = lambda prompt, _: self.shown.append(prompt.points[0][0])
        self.hover.on_end = self._end
        self.open("photo")

    def _end(self) -> None:
        self.ends += 1

    def open(self, image_key: str, model_key: str = "point-1") -> None:
        embedding = Embedding(model_key, image_key, SIZE, {})
        self.answerer = Answerer(cast("PromptModel", self.model), embedding)

    def settle(self) -> None:
        while True:
            assert self.runner.wait_idle(WAIT)
            if self.inbox.empty():
                return
            while not self.inbox.empty():
                self.inbox.get()()

    def device_jobs(self) -> list[Any]:
        return [job for job in self.runner.active() if job.lane is Lane.DEVICE]


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    one.model.gate.set()
    one.runner.shutdown()


def test_the_mask_under_the_pointer_is_shown(desk: Desk) -> None:
    desk.hover.at(3, 0.5)
    desk.settle()
    assert desk.shown == [3]


def test_places_passed_meanwhile_are_skipped_and_the_newest_is_taken(desk: Desk) -> None:
    desk.model.gate.clear()
    desk.hover.at(1, 0.5)
    assert desk.model.begun.wait(WAIT)
    for x in (2, 3, 4, 5):
        desk.hover.at(x, 0.5)
        assert len(desk.device_jobs()) == 1
    desk.model.gate.set()
    desk.settle()
    assert desk.model.asked == [1, 5]
    assert desk.shown == [1, 5]


def test_a_queued_decode_takes_the_place_where_the_pointer_is_when_it_begins(desk: Desk) -> None:
    go = threading.Event()
    desk.runner.submit(Lane.DEVICE, "everything", lambda _c, _p: go.wait(WAIT))
    for x in (1, 2, 3):
        desk.hover.at(x, 0.5)
    go.set()
    desk.settle()
    assert desk.model.asked == [3]
    assert desk.shown == [3]


def test_what_is_asked_for_goes_first(desk: Desk) -> None:
    go, order = threading.Event(), list[str]()
    desk.runner.submit(Lane.DEVICE, "busy", lambda _c, _p: go.wait(WAIT))
    desk.hover.at(1, 0.5)
    desk.runner.submit(Lane.DEVICE, "everything", lambda _c, _p: order.append("all"), priority=1)
    desk.runner.submit(Lane.DEVICE, "click", lambda _c, _p: order.append("click"))
    desk.hover.on_preview = lambda *_: order.append("hover")
    go.set()
    desk.settle()
    assert order == ["click", "all", "hover"]


def test_after_leaving_nothing_is_shown_any_more(desk: Desk) -> None:
    desk.model.gate.clear()
    desk.hover.at(1, 0.5)
    assert desk.model.begun.wait(WAIT)
    desk.hover.at(2, 0.5)
    desk.hover.leave()
    desk.model.gate.set()
    desk.settle()
    assert desk.shown == []
    assert desk.model.asked == [1]
    desk.hover.at(7, 0.5)
    desk.settle()
    assert desk.shown == [7]


def test_a_decode_of_the_prompt_that_a_click_makes_goes_on(desk: Desk) -> None:
    desk.model.gate.clear()
    desk.hover.at(1, 0.5)
    assert desk.model.begun.wait(WAIT)
    desk.hover.at(2, 0.5)
    desk.hover.leave(but_for=at(1))
    desk.model.gate.set()
    desk.settle()
    assert desk.shown == [1]
    assert desk.model.asked == [1], "where the pointer went meanwhile is not asked any more"


def test_a_decode_of_another_place_than_the_click_is_dropped(desk: Desk) -> None:
    desk.model.gate.clear()
    desk.hover.at(1, 0.5)
    assert desk.model.begun.wait(WAIT)
    desk.hover.leave(but_for=at(2))
    desk.model.gate.set()
    desk.settle()
    assert desk.shown == []


def test_the_answer_in_hand_is_there_for_a_click_at_the_very_place(desk: Desk) -> None:
    desk.hover.at(4, 0.5)
    desk.settle()
    found = desk.hover.answer(at(4))
    assert found is not None
    assert found.items[0].mask.contains(4, 0)
    assert desk.hover.answer(at(4.25)) is None
    assert desk.hover.answer(at(4).with_point(8, 0.5, 1)) is None
    desk.hover.at(4, 0.5)
    desk.settle()
    assert desk.model.asked == [4], "a place whose answer is in hand is not asked again"


def test_an_answer_about_another_image_is_no_answer(desk: Desk) -> None:
    desk.hover.at(4, 0.5)
    desk.settle()
    desk.open("another photo")
    assert desk.hover.answer(at(4)) is None
    desk.hover.at(4, 0.5)
    desk.settle()
    assert desk.model.asked == [4, 4]


def test_an_answer_that_comes_after_the_image_has_changed_is_dropped(desk: Desk) -> None:
    desk.model.gate.clear()
    desk.hover.at(1, 0.5)
    assert desk.model.begun.wait(WAIT)
    desk.open("another photo")
    desk.model.gate.set()
    desk.settle()
    assert desk.shown == []


def test_before_the_embedding_is_ready_nothing_happens(desk: Desk) -> None:
    desk.answerer = None
    desk.hover.at(1, 0.5)
    desk.settle()
    assert desk.model.asked == []


def test_an_error_is_silent_and_ends_hovering_for_that_image(desk: Desk) -> None:
    desk.model.error = DeviceError("The device is out of memory.")
    desk.hover.at(1, 0.5)
    desk.settle()
    desk.model.error = None
    desk.hover.at(2, 0.5)
    desk.settle()
    assert (desk.model.asked, desk.shown, desk.ends) == ([1], [], 1)
    desk.open("another photo")
    desk.hover.at(3, 0.5)
    desk.settle()
    assert desk.shown == [3]


def make_slow(desk: Desk) -> None:
    """Two slow decodes, of which the first does not count."""
    desk.model.seconds = 2 * SLOW_SECONDS
    for x in (20, 21):
        desk.hover.at(x, 0.5)
        desk.settle()
    assert desk.hover.slow
    desk.shown.clear()
    desk.model.asked.clear()
    desk.model.begun.clear()


def test_a_slow_model_answers_only_a_resting_pointer(desk: Desk) -> None:
    make_slow(desk)
    desk.hover.at(2, 0.5)
    desk.settle()
    assert desk.shown == []
    desk.hover.at(2, 0.5, resting=True)
    desk.settle()
    assert desk.shown == [2]


def test_the_first_decode_on_an_image_may_take_its_time(desk: Desk) -> None:
    desk.model.seconds = 20 * SLOW_SECONDS
    desk.hover.at(1, 0.5)
    desk.settle()
    assert not desk.hover.slow


def test_a_resting_place_is_answered_after_the_decode_that_runs(desk: Desk) -> None:
    make_slow(desk)
    desk.model.gate.clear()
    desk.hover.at(1, 0.5, resting=True)
    assert desk.model.begun.wait(WAIT)
    desk.hover.at(2, 0.5)
    desk.hover.at(2, 0.5, resting=True)
    desk.model.gate.set()
    desk.settle()
    assert desk.shown == [1, 2]


def test_one_slow_decode_among_quick_ones_changes_nothing(desk: Desk) -> None:
    for x in range(8):
        desk.model.seconds = 2 * SLOW_SECONDS if x == 6 else 0.01
        desk.hover.at(x, 0.5)
        desk.settle()
    assert not desk.hover.slow
    assert desk.shown == list(range(8))


def test_another_model_is_not_called_slow_because_this_one_is(desk: Desk) -> None:
    make_slow(desk)
    desk.open("another photo")
    desk.hover.at(1, 0.5)
    desk.settle()
    assert desk.shown == [], "it is slow on every photo"
    desk.open("photo", model_key="quick-1")
    desk.hover.at(2, 0.5)
    desk.settle()
    assert desk.shown == [2]

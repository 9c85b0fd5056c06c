"""A graphics card that is full, a model that fails, a model that rests: the session goes on."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prompt_desk import Desk, ScriptedModel, at, card, photo

from segstudio.core.errors import DeviceError, WeightsError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.engine.jobs import JobState
from segstudio.engine.model_rest import ModelRest, memory_is_short
from segstudio.engine.prompt_session import EmbeddingState
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings

FULL = "The graphics card ran out of memory; take a smaller model, or compute on the CPU."
NOTICE = "The graphics card ran out of memory; The slow model computes on the CPU now."
RIGHT = Box(4, 0, 8, 6)


class CardModel(ScriptedModel):
    """On any device but the CPU, whatever is named in `fails` finds the card's memory full."""

    fails: set[str] = set()  # noqa: RUF012 - set anew for each test

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        self.need_memory("encode")
        return super().encode(image, cancel)

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        self.need_memory("predict")
        return super().predict(embedding, prompt)

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        self.need_memory("everything")
        return super().everything(embedding, settings, report, cancel, encode_crop)

    def need_memory(self, what: str) -> None:
        if self.device != "cpu" and what in self.fails:
            raise DeviceError(FULL)


class CardDesk(Desk):
    """A desk beside a graphics card; every load makes a model of its own, as in real life."""

    devices: list[str]
    alive: weakref.WeakSet[ScriptedModel]
    fails: set[str]

    def load(
        self, one: ModelCard, device: str | None, cancel: CancelToken, report: ProgressSink
    ) -> ScriptedModel:
        on = device or "cuda"
        self.devices.append(on)
        if self.load_error is not None:
            raise self.load_error
        if on != "cpu" and "load" in self.fails:
            raise DeviceError(FULL)
        model = CardModel(one, on)
        model.fails = self.fails
        self.alive.add(model)
        return model


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0
    short = False

    def rest(self) -> ModelRest:
        return ModelRest(lambda: self.now, lambda: self.short)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[CardDesk]:
    one = CardDesk(tmp_path, rest=clock.rest())
    one.devices, one.alive, one.fails = [], weakref.WeakSet(), set()
    one.session.use_model(card())
    yield one
    one.runner.shutdown()


# -- a card that is full ------------------------------------------------------------------------


def test_without_trouble_the_card_is_used(desk: CardDesk) -> None:
    desk.session.open(photo(1))
    desk.session.ask(at(3))
    desk.settle()
    assert (desk.devices, desk.session.device) == (["cuda"], "cuda")
    assert (desk.answers, desk.notices) == ([(1, 3)], [])


@pytest.mark.parametrize("what", ["load", "encode", "predict"])
def test_a_full_card_is_given_up_for_the_cpu_which_answers_and_it_is_said_once(
    desk: CardDesk, what: str
) -> None:
    desk.fails = {what}
    desk.session.open(photo(1))
    desk.session.ask(at(3))
    desk.settle()
    for number in (2, 3):
        desk.session.open(photo(number))
        desk.session.ask(at(number))
        desk.settle()
    assert desk.answers == [(1, 3), (2, 2), (3, 3)]
    assert desk.devices == ["cuda", "cpu"]
    assert desk.session.device == "cpu"
    assert desk.notices == [NOTICE]
    assert desk.errors == []
    assert desk.state is EmbeddingState.READY
    gc.collect()
    assert [model.device for model in desk.alive] == ["cpu"]  # the card's memory is free again


def test_everything_goes_on_on_the_cpu_too(desk: CardDesk) -> None:
    desk.fails = {"everything"}
    found: list[Candidates] = []
    desk.session.open(photo(1))
    job = desk.session.everything.ask(EverythingSettings(points_per_side=5), found.append)
    desk.settle()
    assert job.state is JobState.DONE
    assert [int(one.items[0].mask.box.x0) for one in found] == [5]
    assert desk.notices == [NOTICE]
    desk.session.ask(at(2))
    desk.settle()
    assert desk.answers == [(1, 2)]
    assert desk.devices == ["cuda", "cpu"]


def test_a_part_of_the_image_is_encoded_on_the_cpu_when_the_card_is_full(desk: CardDesk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.fails.add("encode")
    desk.session.look_at(RIGHT)
    desk.session.ask(at(6))
    desk.settle()
    assert desk.answers == [(1, 6)]
    assert desk.notices == [NOTICE]


def test_an_image_encoded_ahead_does_not_give_the_card_up(desk: CardDesk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.fails.add("encode")
    desk.session.prefetch([lambda: photo(2)])
    desk.settle()
    assert desk.devices == ["cuda"]
    assert desk.notices == desk.errors == []


def test_what_the_cpu_cannot_do_either_is_told(desk: CardDesk) -> None:
    desk.fails = {"predict"}
    desk.session.open(photo(1))
    desk.settle()
    desk.load_error = DeviceError("The computer ran out of memory; close other programs.")
    desk.session.ask(at(3))
    desk.settle()
    assert [str(error)[:12] for error in desk.errors] == ["The computer"]
    desk.load_error = None
    desk.session.ask(at(4))
    desk.settle()
    assert desk.answers == [(1, 4)]
    assert desk.session.device == "cpu"


def test_another_model_starts_on_the_card_again(desk: CardDesk) -> None:
    desk.fails = {"predict"}
    desk.session.open(photo(1))
    desk.session.ask(at(3))
    desk.settle()
    desk.session.use_model(card("other"))
    desk.settle()
    assert desk.devices == ["cuda", "cpu", "cuda", "cpu"]
    assert desk.notices == [NOTICE, NOTICE.replace("slow", "other")]


# -- a model that fails -------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("broken"), DeviceError("full"), KeyError("k")])
def test_after_any_failure_the_next_prompt_and_another_model_work(
    tmp_path: Path, error: Exception
) -> None:
    desk = Desk(tmp_path)
    desk.session.use_model(card())
    desk.session.open(photo(1))
    desk.settle()
    desk.model().error = error
    found: list[Candidates] = []
    desk.session.ask(at(1))
    desk.settle()
    desk.session.everything.ask(EverythingSettings(), found.append)
    desk.settle()
    assert desk.errors == [error, error]
    assert desk.state is EmbeddingState.READY
    desk.model().error = None
    desk.session.ask(at(2))
    desk.settle()
    assert desk.answers == [(1, 2)]
    desk.model().error = error
    desk.session.use_model(card("other"))
    desk.session.ask(at(4))
    desk.settle()
    desk.runner.shutdown()
    assert desk.answers[-1] == (1, 4)
    assert desk.model("other").asked == [at(4)]


def test_a_prompt_that_failed_is_not_answered_later_unasked(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.session.use_model(card())
    desk.session.open(photo(1))
    desk.settle()
    desk.model().error = RuntimeError("broken")
    desk.session.ask(at(1))
    desk.settle()
    desk.model().error = None
    desk.session.look_at(RIGHT)
    desk.settle()
    desk.runner.shutdown()
    assert desk.answers == []


def test_a_prompt_after_an_encoding_that_failed_encodes_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.session.use_model(card())
    desk.model().error = RuntimeError("broken")
    desk.session.open(photo(1))
    desk.settle()
    assert desk.state is EmbeddingState.FAILED
    desk.model().error = None
    desk.session.ask(at(1))
    desk.settle()
    desk.runner.shutdown()
    assert desk.state is EmbeddingState.READY
    assert desk.answers == [(1, 1)]


# -- a model that rests -------------------------------------------------------------------------


def test_an_unused_model_leaves_memory_and_the_next_prompt_loads_it_again(
    desk: CardDesk, clock: Clock
) -> None:
    desk.session.open(photo(1))
    desk.session.ask(at(3))
    desk.settle()
    clock.now = 29 * 60
    desk.session.rest(30)
    assert desk.session.device == "cuda"
    clock.now = 31 * 60
    desk.session.rest(30)
    desk.settle()
    gc.collect()
    assert len(desk.alive) == 0
    assert desk.session.device == ""
    assert desk.session.answerer is None
    assert desk.state is EmbeddingState.READY  # its embedding is: nothing is encoded again
    begun = len(desk.devices)
    desk.session.ask(at(4))
    desk.settle()
    assert desk.answers == [(1, 3), (1, 4)]
    assert len(desk.devices) == begun + 1
    assert desk.session.device == "cuda"
    assert desk.session.answerer is not None
    assert sum(model.encoded == [] for model in desk.alive) == 1
    assert (desk.errors, desk.notices) == ([], [])


def test_loading_again_shows_as_a_job(desk: CardDesk, clock: Clock) -> None:
    desk.session.open(photo(1))
    desk.settle()
    shown: list[str] = []
    desk.runner.listen(lambda job: shown.append(job.text) if job.visible else None)
    clock.now = 1e6
    desk.session.rest()
    desk.session.ask(at(4))
    desk.settle()
    assert set(shown) == {"Loading The slow model"}


def test_after_a_rest_the_next_image_and_everything_work_too(desk: CardDesk, clock: Clock) -> None:
    desk.session.open(photo(1))
    desk.settle()
    found: list[Candidates] = []
    for number, go_on in enumerate(("everything", "open"), start=1):
        clock.now += 1e6
        desk.session.rest()
        desk.settle()
        assert desk.session.device == ""
        if go_on == "open":
            desk.session.open(photo(2))
        else:
            desk.session.everything.ask(EverythingSettings(points_per_side=3), found.append)
        desk.settle()
        assert len(desk.devices) == number + 1
        assert desk.state is EmbeddingState.READY
    assert len(found) == 1
    desk.session.ask(at(6))
    desk.settle()
    assert desk.answers == [(2, 6)]


def test_what_is_known_of_everything_needs_no_model(desk: CardDesk, clock: Clock) -> None:
    desk.session.open(photo(1))
    desk.settle()
    clock.now = 1e6
    desk.session.rest()
    found: list[Candidates] = []
    keys: list[str] = []
    stored = Candidates((), "slow-1")

    def known(key: str) -> Candidates:
        keys.append(key)
        return stored

    desk.session.everything.ask(EverythingSettings(), found.append, known)
    desk.settle()
    assert (found, keys) == ([stored], ["slow-1"])
    assert desk.session.device == ""


def test_using_a_model_in_any_way_keeps_it(desk: CardDesk, clock: Clock) -> None:
    desk.session.open(photo(1))
    desk.settle()
    uses = [
        lambda: desk.session.ask(at(1)),
        lambda: desk.session.answerer,
        lambda: desk.session.look_at(RIGHT),
        lambda: desk.session.open(photo(2)),
        lambda: desk.session.everything.ask(EverythingSettings(), lambda _: None),
    ]
    for use in uses:
        clock.now += 29 * 60
        use()
        desk.settle()
        clock.now += 29 * 60
        desk.session.rest(30)
        desk.settle()
        assert desk.session.device == "cuda"


def test_zero_minutes_keep_a_model_for_ever_but_not_while_memory_is_short(
    desk: CardDesk, clock: Clock
) -> None:
    desk.session.open(photo(1))
    desk.settle()
    clock.now = 1e9
    desk.session.rest(0)
    assert desk.session.device == "cuda"
    clock.short = True
    desk.session.rest(0)
    assert desk.session.device == ""


def test_a_model_just_used_stays_even_while_memory_is_short(desk: CardDesk, clock: Clock) -> None:
    clock.short = True
    desk.session.open(photo(1))
    desk.settle()
    desk.session.rest()
    assert desk.session.device == "cuda"


def test_a_model_at_work_is_not_unloaded(desk: CardDesk, clock: Clock) -> None:
    desk.session.open(photo(1))
    desk.settle()
    (model,) = desk.alive
    model.hold(-1)
    desk.session.everything.ask(EverythingSettings(), lambda _: None)
    desk.until(model.started[-1].is_set)
    clock.now = 1e6
    desk.session.rest()
    assert desk.session.device == "cuda"
    model.gates[-1].set()
    desk.settle()


def test_a_model_that_had_to_leave_the_card_tries_it_again_after_its_rest(
    desk: CardDesk, clock: Clock
) -> None:
    desk.fails = {"predict"}
    desk.session.open(photo(1))
    desk.session.ask(at(1))
    desk.settle()
    assert desk.session.device == "cpu"
    clock.now = 1e6
    desk.session.rest()
    desk.fails = set()
    desk.session.ask(at(2))
    desk.settle()
    assert (desk.session.device, desk.answers) == ("cuda", [(1, 1), (1, 2)])


def test_a_model_that_cannot_be_loaded_again_is_told_and_tried_at_the_next_prompt(
    desk: CardDesk, clock: Clock
) -> None:
    desk.session.open(photo(1))
    desk.settle()
    clock.now = 1e6
    desk.session.rest()
    desk.load_error = WeightsError("The weights are gone; download them again.")
    desk.session.ask(at(1))
    desk.settle()
    assert [str(error) for error in desk.errors] == ["The weights are gone; download them again."]
    desk.load_error = None
    desk.session.ask(at(2))
    desk.settle()
    assert desk.answers == [(1, 2)]


@pytest.mark.parametrize(
    ("total", "available", "short"),
    [(8, 0.4, True), (8, 0.6, False), (64, 0.9, True), (64, 1.1, False), (2, 0.2, False)],
)
def test_memory_is_short_below_a_sixteenth_or_a_gigabyte(
    monkeypatch: pytest.MonkeyPatch, total: float, available: float, short: bool
) -> None:
    real = psutil.virtual_memory()
    told = real._replace(total=int(total * 2**30), available=int(available * 2**30))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: told)
    assert memory_is_short() is short

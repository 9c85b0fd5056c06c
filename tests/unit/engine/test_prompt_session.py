"""The open image, its embedding and its prompts, in every order in which things can happen."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from prompt_desk import WAIT, Desk, ScriptedModel, at, card, photo

from segstudio.core.errors import BadInputError, DeviceError, WeightsError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Candidates, Prompt
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.jobs import Job, JobRunner, JobState
from segstudio.engine.prompt_session import EmbeddingState, PromptSession, encode_image
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.registry import EMBEDDED_MODEL, prompt_model


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    one.session.use_model(card())
    yield one
    one.runner.shutdown()


def cached(desk: Desk, number: int, key: str = "slow") -> bool:
    return desk.cache.where(f"{key}-1", photo(number).key) is not None


# -- opening ------------------------------------------------------------------------------------


def test_opening_an_image_loads_the_model_and_encodes_it(desk: Desk) -> None:
    assert desk.session.model_key == ""
    desk.session.open(photo(1))
    assert desk.state is EmbeddingState.LOADING_MODEL
    desk.settle()
    assert desk.states == [
        EmbeddingState.LOADING_MODEL,
        EmbeddingState.WAITING,
        EmbeddingState.ENCODING,
        EmbeddingState.READY,
    ]
    assert desk.model().encoded == [1]
    assert (desk.session.model_key, desk.session.device) == ("slow-1", "cpu")
    assert cached(desk, 1)


def test_no_model_is_loaded_before_an_image_is_open(desk: Desk) -> None:
    desk.settle()
    assert desk.loads == []
    assert desk.state is EmbeddingState.NONE


def test_an_image_seen_before_is_ready_without_the_device(desk: Desk) -> None:
    for number in (1, 2):
        desk.session.open(photo(number))
        desk.settle()
    desk.model().hold(3)
    desk.session.open(photo(3))
    desk.until_encoding(3)
    desk.model().heeds_token = False  # the device stays busy whatever one asks of it
    desk.session.open(photo(1))
    desk.until(lambda: desk.state is EmbeddingState.READY)
    assert desk.model().encoded == [1, 2]
    desk.model().gates[3].set()


def test_an_embedding_on_disk_is_used_by_the_next_session(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    later = Desk(desk.folder)
    later.session.use_model(card())
    later.session.open(photo(1))
    later.session.ask(at(3))
    later.settle()
    later.runner.shutdown()
    assert later.model().encoded == []
    assert later.answers == [(1, 3)]


def test_closing_ends_everything_but_keeps_the_model(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.model().hold(2)
    desk.session.open(photo(2))
    desk.session.ask(at(1))
    desk.until_encoding(2)
    desk.session.close()
    desk.settle()
    assert desk.state is EmbeddingState.NONE
    assert desk.answers == []
    desk.session.open(photo(1))
    desk.settle()
    assert desk.loads == ["slow"]


# -- asking -------------------------------------------------------------------------------------


def test_a_click_before_the_embedding_is_kept_and_answered(desk: Desk) -> None:
    desk.model().hold(1)
    desk.session.open(photo(1))
    desk.session.ask(at(2))
    desk.until_encoding(1)
    desk.session.ask(at(5))
    assert desk.answers == []
    desk.model().gates[1].set()
    desk.settle()
    assert desk.answers == [(1, 5)]
    assert desk.model().asked == [at(5)]


def test_the_newest_of_many_clicks_wins(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.model().predict_gate.clear()
    desk.session.ask(at(0))
    assert desk.model().predicting.wait(WAIT)
    for x in range(1, 8):
        desk.session.ask(at(x))
    desk.model().predict_gate.set()
    desk.settle()
    assert desk.answers == [(1, 7)]
    assert desk.model().asked == [at(0), at(7)]  # those between were never computed


def test_an_answer_on_its_way_is_not_shown_after_a_newer_click(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.session.ask(at(1))
    assert desk.runner.wait_idle(WAIT)  # the answer waits in the inbox
    desk.session.ask(at(2))
    desk.settle()
    assert desk.answers == [(1, 2)]


def test_an_empty_prompt_ends_the_asking(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.session.ask(at(1))
    desk.session.ask(Prompt())
    desk.settle()
    assert desk.answers == []
    assert desk.prompts == [Prompt()]


def test_an_empty_prompt_also_ends_one_that_is_still_kept(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.session.ask(at(1))
    desk.session.ask(Prompt())
    desk.settle()
    assert desk.answers == []


def test_a_prior_alone_is_its_own_answer_before_the_model_is_there(desk: Desk) -> None:
    prior = Mask.from_array(np.eye(6, 8))
    heard: list[Candidates] = []
    desk.session.on_candidates = lambda _prompt, candidates, _seconds: heard.append(candidates)
    desk.session.open(photo(1))
    desk.session.ask(Prompt(prior=prior))
    assert len(heard) == 1
    desk.settle()
    assert all([item.mask for item in answer.items] == [prior] for answer in heard)


def test_a_prompt_that_fails_is_told_and_the_next_is_answered(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.model().error = DeviceError("The GPU ran out of memory; close other programs.")
    desk.session.ask(at(1))
    desk.settle()
    desk.model().error = None
    desk.session.ask(at(2))
    desk.settle()
    assert [str(error) for error in desk.errors] == [
        "The GPU ran out of memory; close other programs."
    ]
    assert desk.answers == [(1, 2)]
    assert desk.state is EmbeddingState.READY


# -- switching images ---------------------------------------------------------------------------


def test_switching_stops_the_encoding_and_forgets_the_click(desk: Desk) -> None:
    desk.model().hold(1)
    desk.session.open(photo(1))
    desk.session.ask(at(1))
    desk.until_encoding(1)
    desk.session.open(photo(2))  # the gate of 1 is never opened: only the token ends it
    desk.session.ask(at(4))
    desk.settle()
    assert desk.model().encoded == [2]
    assert desk.answers == [(2, 4)]


def test_an_encoding_that_cannot_be_stopped_is_kept_for_later(desk: Desk) -> None:
    desk.model().hold(1)
    desk.model().heeds_token = False
    desk.session.open(photo(1))
    desk.until_encoding(1)
    desk.session.open(photo(2))
    desk.model().gates[1].set()
    desk.settle()
    assert cached(desk, 1)
    assert desk.state is EmbeddingState.READY
    desk.session.open(photo(1))
    desk.settle()
    assert desk.model().encoded == [1, 2]


def test_an_answer_for_the_earlier_image_never_shows(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.session.ask(at(1))
    assert desk.runner.wait_idle(WAIT)
    desk.session.open(photo(2))
    desk.settle()
    assert desk.answers == []


# -- switching models ---------------------------------------------------------------------------


def test_another_model_encodes_again_and_answers_the_prompt_again(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.session.ask(at(3))
    desk.settle()
    desk.session.use_model(card("other"))
    assert desk.state is EmbeddingState.LOADING_MODEL
    assert desk.session.model_key == ""
    desk.settle()
    assert desk.model("other").encoded == [1]
    assert desk.answers == [(1, 3), (1, 3)]
    assert desk.session.model_key == "other-1"


def test_choosing_the_model_in_use_changes_nothing(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    before = list(desk.states)
    desk.session.use_model(card())
    desk.settle()
    assert desk.states == before
    assert desk.loads == ["slow"]


def test_changing_ones_mind_while_a_model_loads_takes_the_last_one(desk: Desk) -> None:
    desk.load_gate.clear()
    desk.session.open(photo(1))
    desk.session.ask(at(2))
    desk.until(lambda: desk.loads == ["slow"])
    desk.session.use_model(card("second"))
    desk.session.use_model(card("third"))
    desk.load_gate.set()
    desk.settle()
    assert desk.session.model_key == "third-1"
    assert desk.answers == [(1, 2)]
    assert desk.model("slow").encoded == desk.model("second").encoded == []
    assert desk.errors == []


def test_an_answer_of_the_earlier_model_never_shows(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.settle()
    desk.session.ask(at(1))
    assert desk.runner.wait_idle(WAIT)
    desk.load_gate.clear()
    desk.session.use_model(card("other"))
    desk.until(lambda: desk.loads == ["slow", "other"])
    assert desk.answers == []
    desk.load_gate.set()
    desk.settle()
    assert desk.answers == [(1, 1)]
    assert desk.model("other").asked == [at(1)]


def test_closing_and_opening_while_the_model_loads_loads_it_once(desk: Desk) -> None:
    desk.load_gate.clear()
    desk.session.open(photo(1))
    desk.session.close()
    desk.session.open(photo(2))
    desk.load_gate.set()
    desk.settle()
    assert desk.loads == ["slow"]
    assert desk.model().encoded == [2]


# -- what goes wrong ----------------------------------------------------------------------------


def test_a_model_that_cannot_be_loaded_is_told_and_can_be_tried_again(desk: Desk) -> None:
    desk.load_error = WeightsError("The weights are damaged; download them again.")
    desk.session.open(photo(1))
    desk.session.ask(at(6))
    desk.settle()
    assert desk.state is EmbeddingState.FAILED
    assert [str(error) for error in desk.errors] == [
        "The weights are damaged; download them again."
    ]
    desk.session.open(photo(2))  # not tried for every image anew
    desk.session.ask(at(7))
    desk.settle()
    assert len(desk.errors) == 1
    assert desk.state is EmbeddingState.FAILED
    desk.load_error = None
    desk.session.use_model(card())
    desk.settle()
    assert desk.state is EmbeddingState.READY
    assert desk.answers == [(2, 7)]


def test_loading_shows_as_a_job_that_the_user_can_stop(desk: Desk) -> None:
    desk.load_gate.clear()
    desk.session.open(photo(1))
    desk.until(lambda: desk.loads == ["slow"])
    (job,) = [one for one in desk.runner.active() if one.visible]
    assert job.text == "Loading The slow model"
    job.cancel()
    desk.settle()
    assert desk.state is EmbeddingState.FAILED
    assert desk.errors == []
    desk.load_gate.set()
    desk.session.use_model(card())
    desk.settle()
    assert desk.state is EmbeddingState.READY


def test_an_encoding_that_fails_is_told_and_the_next_image_works(desk: Desk) -> None:
    desk.model().error = DeviceError("Out of memory.")
    desk.session.open(photo(1))
    desk.settle()
    assert desk.state is EmbeddingState.FAILED
    assert [str(error) for error in desk.errors] == ["Out of memory."]
    desk.model().error = None
    desk.session.open(photo(2))
    desk.settle()
    assert desk.state is EmbeddingState.READY


def test_an_encoding_that_failed_is_tried_again_with_the_model_that_is_loaded(desk: Desk) -> None:
    desk.model().error = DeviceError("Out of memory.")
    desk.session.open(photo(1))
    desk.session.ask(at(4))
    desk.settle()
    desk.model().error = None
    desk.session.use_model(card())
    desk.settle()
    assert desk.answers == [(1, 4)]
    assert desk.loads == ["slow"]


# -- neighbours ---------------------------------------------------------------------------------


def test_neighbours_are_encoded_after_the_open_image_and_counted(desk: Desk) -> None:
    desk.session.open(photo(1))
    desk.session.prefetch([lambda: photo(2), lambda: photo(3)])
    desk.settle()
    assert desk.model().encoded == [1, 2, 3]
    assert desk.neighbours == [(0, 2), (1, 2), (2, 2)]
    desk.session.prefetch([lambda: photo(3), lambda: photo(4)])
    desk.settle()
    assert desk.model().encoded == [1, 2, 3, 4]
    assert desk.neighbours[3:] == [(0, 2), (1, 2), (2, 2)]


def test_a_neighbour_that_cannot_be_read_is_passed_over(desk: Desk) -> None:
    def torn() -> RgbImage:
        raise BadInputError("torn.jpg is damaged.")

    desk.session.open(photo(1))
    desk.session.prefetch([torn, lambda: photo(3)])
    desk.settle()
    assert desk.neighbours == [(0, 2), (1, 2)]
    assert desk.errors == []
    assert cached(desk, 3)


def test_opening_the_neighbour_that_is_being_encoded_does_not_start_again(desk: Desk) -> None:
    desk.model().hold(2)
    desk.session.open(photo(1))
    desk.session.prefetch([lambda: photo(2), lambda: photo(3)])
    desk.until_encoding(2)
    desk.session.open(photo(2))
    desk.session.prefetch([lambda: photo(3)])
    desk.session.ask(at(5))
    desk.until(lambda: desk.state is EmbeddingState.ENCODING)
    desk.model().gates[2].set()
    desk.settle()
    assert desk.model().begun == [1, 2, 3]
    assert desk.answers == [(2, 5)]
    assert desk.neighbours[-1] == (1, 1)


def test_opening_another_image_stops_the_neighbour(desk: Desk) -> None:
    desk.model().hold(2)
    desk.session.open(photo(1))
    desk.session.prefetch([lambda: photo(2)])
    desk.until_encoding(2)
    desk.session.open(photo(9))  # the gate of 2 is never opened
    desk.until(lambda: desk.state is EmbeddingState.READY)
    desk.settle()
    assert desk.model().encoded == [1, 9]


def test_a_click_goes_before_the_neighbour_which_is_encoded_after_it(desk: Desk) -> None:
    desk.model().hold(2)
    desk.session.open(photo(1))
    desk.session.prefetch([lambda: photo(2), lambda: photo(3)])
    desk.until_encoding(2)
    desk.session.ask(at(1))
    desk.until(lambda: desk.answers == [(1, 1)])
    desk.model().gates[2].set()
    desk.settle()
    assert desk.model().encoded == [1, 2, 3]
    assert desk.neighbours == [(0, 2), (1, 2), (2, 2)]


def test_a_neighbour_waited_for_that_fails_is_encoded_for_itself(desk: Desk) -> None:
    desk.model().hold(2)
    desk.session.open(photo(1))
    desk.session.prefetch([lambda: photo(2)])
    desk.until_encoding(2)
    desk.session.open(photo(2))
    desk.until(lambda: desk.state is EmbeddingState.ENCODING)
    desk.model().error = DeviceError("Out of memory.")
    desk.model().gates[2].set()
    desk.settle()
    assert desk.state is EmbeddingState.FAILED
    assert [str(error) for error in desk.errors] == ["Out of memory."]


def test_new_neighbours_take_the_place_of_those_that_wait_for_the_device(desk: Desk) -> None:
    desk.model().hold(-1)
    desk.session.open(photo(1))
    desk.settle()
    found: list[Candidates] = []
    desk.session.everything.ask(EverythingSettings(points_per_side=3), found.append)
    desk.until_encoding(-1)

    def ahead() -> int:
        return sum(job.text == "Encoding ahead" for job in desk.runner.active())

    desk.session.prefetch([lambda: photo(2), lambda: photo(3)])
    desk.until(lambda: ahead() == 1)
    desk.session.prefetch([lambda: photo(4), lambda: photo(5)])
    desk.until(lambda: ahead() == 1)
    while not desk.inbox.empty():
        desk.inbox.get()()
    assert [job.text for job in desk.runner.active()] == ["Segmenting everything", "Encoding ahead"]
    desk.model().gates[-1].set()
    desk.settle()
    assert desk.model().begun == [1, 4, 5]
    assert desk.neighbours == [(0, 2), (0, 2), (1, 2), (2, 2)]
    assert len(found) == 1


def test_another_model_encodes_the_neighbours_too(desk: Desk) -> None:
    desk.model().hold(2)
    desk.session.open(photo(1))
    desk.session.prefetch([lambda: photo(2), lambda: photo(3)])
    desk.until_encoding(2)
    desk.session.use_model(card("other"))
    desk.settle()
    assert desk.model("other").encoded == [1, 2, 3]
    assert desk.model().encoded == [1]


# -- everything ---------------------------------------------------------------------------------


def test_everything_comes_back_even_when_asked_before_the_embedding(desk: Desk) -> None:
    found: list[Candidates] = []
    with pytest.raises(BadInputError):
        desk.session.everything.ask(EverythingSettings(), found.append)
    desk.session.open(photo(1))
    job = desk.session.everything.ask(EverythingSettings(points_per_side=5), found.append)
    desk.settle()
    assert job.state is JobState.DONE
    assert job.visible
    assert [int(one.items[0].mask.box.x0) for one in found] == [5]
    assert desk.model().encoded == [1]


@pytest.mark.parametrize("leave", ["open", "close", "model"])
def test_everything_of_what_is_no_longer_open_never_comes(desk: Desk, leave: str) -> None:
    found: list[Candidates] = []
    desk.model().hold(-1)
    desk.session.open(photo(1))
    job: Job[Candidates] = desk.session.everything.ask(EverythingSettings(), found.append)
    desk.until_encoding(-1)
    if leave == "open":
        desk.session.open(photo(2))
    elif leave == "close":
        desk.session.close()
    else:
        desk.session.use_model(card("other"))
    desk.settle()
    assert found == []
    assert job.state is JobState.CANCELLED


# -- every order --------------------------------------------------------------------------------

STEPS = ("open 1", "open 2", "click", "model a", "model b", "neighbours")


@pytest.mark.parametrize("pause", ["never", "idle", "handled"])
@pytest.mark.parametrize("order", list(itertools.permutations(STEPS, 4))[::5], ids=" > ".join)
def test_whatever_the_order_only_what_is_newest_is_answered(
    tmp_path: Path, order: tuple[str, ...], pause: str
) -> None:
    desk = Desk(tmp_path)
    image, model, x = 0, "", 0
    clicked = False
    for step in order:
        what, _, which = step.partition(" ")
        if what == "open":
            image, clicked = int(which), False
            desk.session.open(photo(image))
        elif what == "click":
            x, clicked = x + 1, image > 0
            desk.session.ask(at(x))
        elif what == "model":
            model = which
            desk.session.use_model(card(which))
        else:
            desk.session.prefetch([lambda: photo(2), lambda: photo(3)])
        if pause == "idle":
            assert desk.runner.wait_idle(WAIT)  # results wait in the inbox when the next step comes
        elif pause == "handled":
            desk.settle()
    desk.settle()
    desk.runner.shutdown()
    assert desk.errors == []
    if image and model:
        assert desk.state is EmbeddingState.READY
        assert desk.session.model_key == f"{model}-1"
        if clicked:
            assert desk.answers[-1] == (image, x)
            assert desk.model(model).asked[-1] == at(x)
        elif pause == "never":
            assert desk.answers == []
    else:
        assert desk.state is (EmbeddingState.WAITING if image else EmbeddingState.NONE)


# -- the real thing -----------------------------------------------------------------------------


def test_encode_image_asks_the_model_once(tmp_path: Path) -> None:
    model, cache = ScriptedModel(card()), EmbeddingCache(tmp_path, 1 << 20, 1 << 20)
    first = encode_image(model, cache, photo(7), CancelToken())
    again = encode_image(model, EmbeddingCache(tmp_path, 0, 1 << 20), photo(7), CancelToken())
    assert model.encoded == [7]
    assert np.array_equal(first.arrays["number"], again.arrays["number"])


def test_the_built_in_model_answers_a_click_on_a_real_image(tmp_path: Path) -> None:
    one = prompt_model(EMBEDDED_MODEL)
    pytest.importorskip(one.loader.partition(":")[0], exc_type=ImportError)
    y, x = np.mgrid[0:96, 0:128]
    disc = (x - 64) ** 2 + (y - 48) ** 2 < 30**2
    noise = np.random.default_rng(3).integers(0, 20, (96, 128, 3))
    pixels = (np.where(disc[..., None], (200, 60, 40), (30, 90, 160)) + noise).astype(np.uint8)
    inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    runner = JobRunner(inbox.put)
    cache = EmbeddingCache(tmp_path, 1 << 26, 1 << 26)
    session = PromptSession(
        runner, cache, lambda which, device, cancel, report: which.load(None, "cpu")
    )
    answers: list[Candidates] = []
    errors: list[Exception] = []
    session.on_candidates = lambda prompt, candidates, seconds: answers.append(candidates)
    session.on_error = errors.append
    session.use_model(one)
    session.open(RgbImage(pixels))
    session.ask(Prompt().with_point(64.5, 48.5, 1))
    while not answers and not errors:
        inbox.get(timeout=60)()
    runner.shutdown()
    assert errors == []
    truth = Mask.from_array(disc)
    assert max(item.mask.iou(truth) for item in answers[0].items) > 0.9

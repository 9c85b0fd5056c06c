"""Looking at a part of the open image: prompts are answered there, in every order of things."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from prompt_desk import Desk, at, card, photo

from segstudio.core.errors import DeviceError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Candidates, Prompt
from segstudio.engine.crops import crop_for
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.jobs import JobRunner
from segstudio.engine.prompt_session import EmbeddingState, PromptSession
from segstudio.models.registry import EMBEDDED_MODEL, prompt_model

LEFT, MIDDLE, RIGHT = Box(0, 0, 4, 6), Box(2, 0, 6, 6), Box(4, 0, 8, 6)


def striped(number: int) -> RgbImage:
    """An image whose parts can be told: column x has the value `number` + x."""
    columns = np.arange(number, number + 8, dtype=np.uint8)
    return RgbImage(np.broadcast_to(columns[None, :, None], (6, 8, 3)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    one.session.use_model(card())
    one.session.open(striped(10))
    one.settle()
    one.states.clear()
    yield one
    one.runner.shutdown()


def test_prompts_are_answered_on_the_part_once_it_is_encoded(desk: Desk) -> None:
    desk.model().hold(14)
    desk.session.look_at(RIGHT)
    desk.until_encoding(14)
    assert desk.state is EmbeddingState.ENCODING_CROP
    assert desk.session.answerer is None
    desk.session.ask(at(6))
    assert desk.answers == []
    desk.model().gates[14].set()
    desk.settle()
    assert desk.answers == [(14, 6)]  # of the part, and placed where it is in the image
    assert desk.model().asked == [at(2)]
    assert desk.states == [EmbeddingState.ENCODING_CROP, EmbeddingState.READY]
    answerer = desk.session.answerer
    assert answerer is not None
    assert answerer.predict(at(7)).items[0].mask.box == Box(7, 0, 8, 1)


def test_the_whole_image_is_there_again_at_once_and_so_is_a_part_seen_before(desk: Desk) -> None:
    desk.session.look_at(RIGHT)
    desk.settle()
    desk.session.look_at(None)
    assert desk.state is EmbeddingState.READY
    desk.session.ask(at(6))
    desk.settle()
    desk.session.ask(Prompt())
    desk.session.look_at(RIGHT)
    desk.settle()
    desk.session.ask(at(6))
    desk.settle()
    assert desk.answers == [(10, 6), (14, 6)]
    assert desk.model().begun == [10, 14]


def test_a_part_wanted_before_the_image_is_encoded_comes_after_it(desk: Desk) -> None:
    desk.model().hold(50)
    desk.session.open(striped(50))
    desk.session.look_at(RIGHT)
    desk.session.ask(at(5))
    desk.until_encoding(50)
    desk.model().gates[50].set()
    desk.settle()
    assert desk.model().encoded == [10, 50, 54]
    assert desk.answers == [(54, 5)]


def test_a_prompt_outside_the_part_is_answered_on_the_whole_image(desk: Desk) -> None:
    desk.session.look_at(RIGHT)
    desk.settle()
    desk.session.ask(at(6).with_point(1, 0.5, 1))
    desk.settle()
    assert desk.answers == [(10, 1)]


def test_an_answered_prompt_keeps_its_answer_and_its_part_when_the_view_moves(desk: Desk) -> None:
    desk.session.look_at(RIGHT)
    desk.session.ask(at(5))
    desk.settle()
    desk.session.look_at(LEFT)
    desk.settle()
    assert desk.answers == [(14, 5)]
    desk.session.ask(at(5).with_point(7, 0.5, 1))  # lies in the part that it was begun in
    desk.settle()
    desk.session.ask(Prompt())
    desk.session.ask(at(3))
    desk.settle()
    assert desk.answers == [(14, 5), (14, 7), (10, 3)]


def test_a_prompt_whose_answer_was_known_stays_in_its_part_too(desk: Desk) -> None:
    desk.session.look_at(RIGHT)
    desk.settle()
    answerer = desk.session.answerer
    assert answerer is not None
    desk.session.ask(at(5), known=answerer.predict(at(5)))
    desk.session.look_at(None)
    desk.session.ask(at(5).with_point(6, 0.5, 1))
    desk.settle()
    assert desk.answers == [(14, 5), (14, 6)]


def test_the_newest_part_wins_and_the_earlier_ones_encoding_ends(desk: Desk) -> None:
    desk.model().hold(14)
    desk.session.look_at(RIGHT)
    desk.session.ask(at(5))
    desk.until_encoding(14)
    desk.session.look_at(MIDDLE)  # the gate of RIGHT is never opened
    desk.settle()
    assert desk.answers == [(12, 5)]
    assert desk.model().encoded == [10, 12]


def test_back_to_the_whole_image_before_the_part_was_ready(desk: Desk) -> None:
    desk.model().hold(14)
    desk.session.look_at(RIGHT)
    desk.session.ask(at(5))
    desk.until_encoding(14)
    desk.session.look_at(None)
    desk.settle()
    assert desk.state is EmbeddingState.READY
    assert desk.answers == [(10, 5)]


def test_a_part_that_cannot_be_encoded_is_told_once_and_the_whole_image_used(desk: Desk) -> None:
    desk.model().error = DeviceError("Out of memory.")
    desk.session.look_at(RIGHT)
    desk.session.ask(at(5))
    desk.until(lambda: bool(desk.errors))
    desk.model().error = None
    desk.session.look_at(RIGHT)
    desk.settle()
    assert str(desk.errors[0]) == "Out of memory."
    assert desk.state is EmbeddingState.READY
    assert desk.model().begun == [10, 14]
    desk.session.ask(at(7))
    desk.settle()
    assert desk.answers[-1] == (10, 7)


def test_another_image_is_looked_at_as_a_whole(desk: Desk) -> None:
    desk.session.look_at(RIGHT)
    desk.settle()
    desk.session.open(striped(50))
    desk.session.ask(at(5))
    desk.settle()
    assert desk.answers == [(50, 5)]


def test_another_model_looks_at_the_same_part(desk: Desk) -> None:
    desk.session.look_at(RIGHT)
    desk.session.ask(at(5))
    desk.settle()
    desk.session.use_model(card("other"))
    desk.settle()
    assert desk.model("other").encoded == [10, 14]
    assert desk.answers == [(14, 5), (14, 5)]


def test_images_ahead_make_way_for_the_part_and_are_encoded_after_it(desk: Desk) -> None:
    desk.model().hold(2)
    desk.session.prefetch([lambda: photo(2), lambda: photo(3)])
    desk.until_encoding(2)
    desk.session.look_at(RIGHT)
    desk.until(lambda: desk.state is EmbeddingState.READY)
    desk.model().gates[2].set()
    desk.settle()
    assert desk.model().encoded == [10, 14, 2, 3]


def test_looking_around_reads_the_images_ahead_only_once(desk: Desk) -> None:
    read: list[int] = []

    def ahead() -> RgbImage:
        read.append(2)
        return photo(2)

    desk.session.prefetch([ahead])
    for box in (RIGHT, LEFT, None, MIDDLE, None):
        desk.session.look_at(box)
        desk.settle()
    assert read == [2]
    assert desk.neighbours == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    "box", [Box(-1, 0, 4, 4), Box(0, 0, 9, 4), Box(2, 0, 2, 4), Box(0.5, 0, 4, 4), Box(0, 0, 4, 7)]
)
def test_what_is_no_part_of_the_image_is_refused(desk: Desk, box: Box) -> None:
    with pytest.raises(ValueError, match="no part"):
        desk.session.look_at(box)
    desk.session.ask(at(3))
    desk.settle()
    assert desk.answers == [(10, 3)]


def test_with_no_image_open_there_is_nothing_to_look_at(desk: Desk) -> None:
    desk.session.close()
    desk.session.look_at(RIGHT)
    desk.settle()
    assert desk.state is EmbeddingState.NONE


# -- the real thing -----------------------------------------------------------------------------


def test_a_20_pixel_thing_on_a_10000_pixel_photo_can_be_clicked(tmp_path: Path) -> None:
    height, width, x, y = 1_500, 10_000, 7_310, 640
    rng = np.random.default_rng(5)
    pixels = np.full((height, width, 3), (40, 110, 60), dtype=np.uint8)
    pixels += rng.integers(0, 12, pixels.shape, dtype=np.uint8)
    row, column = np.mgrid[:height, :width]
    disc = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 < 10**2
    pixels[disc] = (220, 60, 40)
    truth = Mask.from_array(disc)

    inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    runner = JobRunner(inbox.put)
    one = prompt_model(EMBEDDED_MODEL)
    cache = EmbeddingCache(tmp_path, 1 << 28, 1 << 28)
    session = PromptSession(runner, cache, lambda *_: one.load(None, "cpu"))
    answers: list[Candidates] = []
    errors: list[Exception] = []
    session.on_candidates = lambda prompt, found, seconds: answers.append(found)
    session.on_error = errors.append
    session.use_model(one)
    session.open(RgbImage(pixels))
    for visible in (Box(0, 0, width, height), Box(x - 200, y - 150, x + 200, y + 150)):
        session.look_at(crop_for(visible, (height, width)))
        session.ask(Prompt(((x, y),), (1,)))
        wanted = len(answers) + 1
        while len(answers) < wanted and not errors:
            inbox.get(timeout=120)()
        session.ask(Prompt())
    runner.shutdown()
    assert errors == []
    far, close = (max((i.mask.iou(truth) for i in a.items), default=0) for a in answers if a.items)
    assert close > 0.9 > far

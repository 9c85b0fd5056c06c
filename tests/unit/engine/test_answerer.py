"""Prompts on a part of the image: moved into it, answered there, and placed back exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidate, Candidates, Embedding, MaskLogits, Prompt
from segstudio.engine.answerer import Answerer, Crop
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings

SIZE = (60, 80)
PART = Box(20, 10, 52, 42)


class PaintingModel:
    """Its mask is what the prompt holds: the points' pixels, the box and the prior."""

    card = ModelCard("painter", "Painter", "", frozenset({"point"}), None, "no.module:load")
    model_key = "painter-1"
    device = "cpu"

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        """Nothing to prepare."""

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        raise NotImplementedError

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        height, width = embedding.image_size
        painted = np.zeros((height, width), dtype=bool)
        for x, y in prompt.points:
            painted[min(int(y), height - 1), min(int(x), width - 1)] = True
        if prompt.box is not None:
            x0, y0, x1, y1 = (int(value) for value in prompt.box)
            painted[y0:y1, x0:x1] = True
        if prompt.prior is not None:
            painted |= prompt.prior.to_array()
        values = np.where(painted, np.float32(1), np.float32(-1))
        logits = MaskLogits(values, (0.0, 0.0), (1.0, 1.0))
        score = 0.5 if (height, width) == SIZE else 0.9  # tells which of the two was asked
        item = Candidate(Mask.from_array(painted), score, 1.0, logits, prompt.points[0], None)
        return Candidates((item,), self.model_key)

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        raise NotImplementedError


def embedding_of(height: int, width: int) -> Embedding:
    return Embedding("painter-1", f"{height:020x}{width:020x}", (height, width), {})


WHOLE = embedding_of(*SIZE)
CROP = Crop(PART, embedding_of(32, 32))
CLOSE, FAR = Answerer(PaintingModel(), WHOLE, CROP), Answerer(PaintingModel(), WHOLE)

inside = st.tuples(st.floats(20, 51.9), st.floats(10, 41.9))
corners = st.tuples(st.integers(20, 51), st.integers(10, 41))


@given(st.lists(inside, min_size=1, max_size=4), st.none() | corners, st.none() | corners)
def test_what_lies_in_the_part_is_answered_there_and_placed_back(
    points: list[tuple[float, float]],
    corner: tuple[int, int] | None,
    held: tuple[int, int] | None,
) -> None:
    prompt = Prompt(tuple(points), (1,) * len(points))
    if corner is not None:
        prompt = prompt.with_box(Box(*corner, 52, 42))
    if held is not None:
        prior = Mask.from_crop(np.ones((42 - held[1], 52 - held[0])), held, SIZE)
        prompt = Prompt(prompt.points, prompt.labels, prompt.box, prior)
    (close,), (far,) = CLOSE.predict(prompt).items, FAR.predict(prompt).items
    assert (close.predicted_iou, far.predicted_iou) == (0.9, 0.5)
    assert close.mask == far.mask
    assert close.point == pytest.approx(far.point)
    if prompt.prior is not None:  # refined: what the model gave is no picture of the mask
        assert close.logits is None
        assert far.logits is None
        return
    assert close.logits is not None
    assert far.logits is not None
    left, top = (int(value) for value in close.logits.origin)
    placed = np.full(SIZE, -1, dtype=np.float32)
    placed[top : top + 32, left : left + 32] = close.logits.values
    assert np.array_equal(placed, far.logits.values)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(((30.5, 20.5), (53.0, 20.5)), (1, 0)),
        Prompt(((30.5, 20.5), (30.5, 9.0)), (1, 1)),
        Prompt(((30.5, 20.5),), (1,), Box(19, 12, 30, 30)),
        Prompt(((30.5, 20.5),), (1,), Box(25, 12, 30, 43)),
    ],
    ids=["point right", "point above", "box left", "box below"],
)
def test_what_does_not_lie_wholly_in_the_part_is_answered_on_the_whole_image(
    prompt: Prompt,
) -> None:
    assert CLOSE.predict(prompt) == FAR.predict(prompt)
    assert CLOSE.predict(prompt).items[0].predicted_iou == 0.5


def test_a_prior_that_reaches_beyond_the_part_stays_as_it_is_there() -> None:
    prior = Mask.from_crop(np.ones((4, 60)), (2, 20), SIZE)
    prompt = Prompt(((30.5, 30.5), (25.5, 21.5)), (1, 0), None, prior)
    (close,), (far,) = CLOSE.predict(prompt).items, FAR.predict(prompt).items
    assert (close.predicted_iou, far.predicted_iou) == (0.9, 0.5)
    assert close.mask.contains(30.5, 30.5) and not close.mask.contains(25.5, 21.5)
    outside = Mask.from_crop(np.ones((32, 32)), (20, 10), SIZE).inverted()
    assert close.mask.intersect(outside) == prior.intersect(outside)


def test_an_empty_prior_lies_in_every_part() -> None:
    prompt = Prompt(((30.5, 20.5),), (1,), None, Mask.empty(SIZE))
    (item,) = CLOSE.predict(prompt).items
    assert item.predicted_iou == 0.9
    assert item.mask == Mask.from_crop(np.ones((1, 1)), (30, 20), SIZE)

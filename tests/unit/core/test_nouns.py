"""Prompts, categories, images and edits keep their promises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.category import OKABE_ITO, category_colour, parse_colour
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, Progress
from segstudio.core.prompt import Candidate, Candidates, Prompt

points = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), max_size=6)


@given(points, st.booleans(), st.booleans())
def test_a_prompt_comes_back_from_plain_data(
    where: list[tuple[float, float]], boxed: bool, prior: bool
) -> None:
    prompt = Prompt(
        points=tuple(where),
        labels=tuple(index % 2 for index in range(len(where))),
        box=Box(1.0, 2.0, 30.5, 40.25) if boxed else None,
        prior=Mask.from_array(np.eye(5, dtype=bool)) if prior else None,
    )
    assert Prompt.from_json(prompt.to_json()) == prompt
    assert bool(prompt) == bool(where or boxed or prior)
    assert prompt.xy.shape == (len(where), 2)


def test_the_last_point_is_taken_back_before_the_box() -> None:
    prompt = Prompt(box=Box(0, 0, 5, 5)).with_point(1, 2, 1).with_point(3, 4, 0)
    assert prompt.without_last().points == ((1, 2),)
    assert prompt.without_last().without_last().box == Box(0, 0, 5, 5)
    assert not prompt.without_last().without_last().without_last()


def test_a_point_needs_a_label_of_one_or_zero() -> None:
    with pytest.raises(ValueError, match="one label"):
        Prompt(points=((1, 2),))
    with pytest.raises(ValueError, match=r"1 \(add\) or 0"):
        Prompt(points=((1, 2),), labels=(2,))


def test_the_best_candidate_has_the_highest_predicted_iou() -> None:
    mask = Mask.empty((2, 2))
    scores = (0.3, 0.9, 0.5)
    items = tuple(Candidate(mask, score, 1.0) for score in scores)
    assert Candidates(items, "model").best == 1


def test_equal_pixels_have_equal_keys_and_shape_counts() -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    assert RgbImage(pixels).key == RgbImage(pixels.copy()).key
    assert RgbImage(pixels).key != RgbImage(pixels.reshape(6, 4, 3)).key
    changed = pixels.copy()
    changed[3, 5, 2] ^= 1
    assert RgbImage(pixels).key != RgbImage(changed).key
    with pytest.raises(ValueError, match="uint8"):
        RgbImage(pixels.astype(np.float32))


def test_the_first_colours_are_okabe_and_itos_and_fifty_differ() -> None:
    colours = [category_colour(index) for index in range(50)]
    assert tuple(colours[: len(OKABE_ITO)]) == OKABE_ITO
    assert len(set(colours)) == 50
    for one, other in pairwise(colours[7:]):
        distance = np.abs(np.subtract(parse_colour(one), parse_colour(other))).sum()
        assert distance > 60
    with pytest.raises(ValueError, match="not a colour"):
        parse_colour("red")


def test_an_edit_inverted_twice_is_itself() -> None:
    edit = Edit("Accept mask", 1, Records(), Records())
    assert edit.inverted().inverted() == edit


def test_a_cancelled_token_stays_cancelled() -> None:
    token = CancelToken()
    token.check()
    token.cancel()
    assert token.cancelled
    with pytest.raises(Cancelled):
        token.check()


def test_progress_is_a_fraction_where_the_total_is_known() -> None:
    assert Progress(3, 4).fraction == 0.75
    assert Progress(9, 4).fraction == 1.0
    assert Progress(3, 0).fraction is None

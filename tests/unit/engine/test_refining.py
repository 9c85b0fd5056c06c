"""Refining changes a mask where it was clicked or boxed, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.draw import disk, line, rectangle

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Candidate, Candidates, Prompt
from segstudio.engine.refining import refine, refined
from segstudio.models.registry import prompt_model

Bools = npt.NDArray[np.bool_]
SIZE = (120, 160)


def disc(x: float, y: float, radius: float, size: tuple[int, int] = SIZE) -> Bools:
    array = np.zeros(size, dtype=bool)
    array[disk((y, x), radius, shape=size)] = True
    return array


def block(x0: int, y0: int, x1: int, y1: int, size: tuple[int, int] = SIZE) -> Bools:
    array = np.zeros(size, dtype=bool)
    array[rectangle((y0, x0), (y1 - 1, x1 - 1), shape=size)] = True
    return array


def answer(*arrays: Bools) -> Candidates:
    items = tuple(
        Candidate(Mask.from_array(array), 0.9 - n / 10, 0.8) for n, array in enumerate(arrays)
    )
    return Candidates(items, "model-1")


def one(prior: Bools, said: Bools, prompt: Prompt, within: Box | None = None) -> Bools:
    [item] = refined(Mask.from_array(prior), answer(said), prompt, within).items
    return item.mask.to_array()


def click(x: float, y: float, label: int = 1) -> Prompt:
    return Prompt(((x, y),), (label,))


BODY = disc(70, 60, 30)
ARM, OTHER = block(110, 20, 140, 40), block(10, 90, 30, 110)
HOLE, NICK = disc(70, 60, 8), block(40, 30, 60, 60) & BODY


def test_a_positive_click_adds_the_part_that_it_lies_in_and_no_other() -> None:
    said = (BODY | ARM | OTHER) & ~HOLE
    assert np.array_equal(one(BODY, said, click(125.5, 30.5)), BODY | ARM)


def test_a_negative_click_takes_away_the_part_that_it_lies_in_and_no_other() -> None:
    said = (BODY & ~HOLE & ~NICK) | ARM
    assert np.array_equal(one(BODY, said, click(70.5, 60.5, 0)), BODY & ~HOLE)


def test_several_clicks_each_do_their_own() -> None:
    prompt = Prompt(((125.5, 30.5), (70.5, 60.5), (20.5, 100.5)), (1, 0, 1))
    said = (BODY | ARM | OTHER) & ~HOLE & ~NICK
    assert np.array_equal(one(BODY, said, prompt), (BODY | ARM | OTHER) & ~HOLE)


def test_a_click_where_the_answer_agrees_with_the_prior_changes_nothing() -> None:
    said = BODY | ARM
    for prompt in (click(70.5, 60.5), click(5.5, 5.5, 0), click(5.5, 5.5), click(999, -4)):
        assert np.array_equal(one(BODY, said, prompt), BODY)


def test_without_points_and_box_it_is_the_prior() -> None:
    assert np.array_equal(one(BODY, OTHER, Prompt()), BODY)


def test_inside_a_box_without_points_the_answer_replaces_the_prior() -> None:
    box = Box(60.0, 50.0, 150.0, 100.0)
    expected = BODY.copy()
    expected[50:100, 60:150] = (ARM | OTHER | HOLE)[50:100, 60:150]
    assert np.array_equal(one(BODY, ARM | OTHER | HOLE, Prompt(box=box)), expected)


def test_a_box_and_what_the_model_saw_limit_what_clicks_do() -> None:
    prompt = Prompt(((125.5, 30.5),), (1,), Box(120.0, 0.0, 160.0, 120.0))
    said = BODY | ARM
    expected = BODY.copy()
    expected[:25, 120:] |= ARM[:25, 120:]
    assert np.array_equal(one(BODY, said, prompt, Box(0, 0, 160, 25)), BODY)
    prompt = Prompt(((125.5, 22.5),), (1,), prompt.box)
    assert np.array_equal(one(BODY, said, prompt, Box(0, 0, 160, 25)), expected)


def test_a_box_beside_the_image_changes_nothing() -> None:
    assert np.array_equal(one(BODY, ARM, Prompt(box=Box(300, 300, 400, 400))), BODY)


def test_the_slack_between_two_outlines_is_not_taken_along() -> None:
    size = (600, 1024)
    body, wider = disc(400, 300, 150, size), disc(400, 300, 152, size)
    arm = block(540, 280, 700, 320, size)
    result = one(body, wider | arm, click(650.5, 300.5))
    assert (result & arm)[:, 560:].sum() == arm[:, 560:].sum()
    assert np.array_equal(result[:, :540], body[:, :540])
    narrower = disc(400, 300, 148, size) & ~block(240, 280, 330, 320, size)
    result = one(body, narrower, click(280.5, 300.5, 0))
    assert not result[285:315, 252:325].any()
    assert np.array_equal(result[:, 340:], body[:, 340:])


def test_a_thin_part_is_taken_whole() -> None:
    tail = np.zeros(SIZE, dtype=bool)
    tail[line(60, 100, 10, 155)] = True
    tail = ndimage.binary_dilation(tail)
    y, x = np.argwhere(tail & ~BODY)[-1]
    assert np.array_equal(one(BODY, BODY | tail, click(x + 0.5, y + 0.5)), BODY | tail)


def test_equal_masks_become_one_and_keep_the_better_score() -> None:
    found = refined(
        Mask.from_array(BODY), answer(BODY | OTHER, BODY | ARM, BODY), click(125.5, 30.5)
    )
    assert [item.mask.area for item in found.items] == [BODY.sum(), (BODY | ARM).sum()]
    assert [item.predicted_iou for item in found.items] == [0.9, 0.8]
    assert found.model_key == "model-1"
    assert all(item.logits is None for item in found.items)


blobs = st.lists(
    st.tuples(st.integers(0, 159), st.integers(0, 119), st.integers(1, 30), st.booleans()),
    max_size=6,
)
clicks = st.lists(
    st.tuples(st.floats(-5, 165), st.floats(-5, 125), st.integers(0, 1)), min_size=1, max_size=4
)
boxes = st.none() | st.tuples(
    st.floats(-9, 100), st.floats(-9, 80), st.floats(0, 90), st.floats(0, 90)
).map(lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3]))


def painted(strokes: list[tuple[int, int, int, bool]]) -> Bools:
    array = np.zeros(SIZE, dtype=bool)
    for x, y, radius, on in strokes:
        array[disk((y, x), radius, shape=SIZE)] = on
    return array


def in_box(box: Box | None) -> Bools:
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    if box is None:
        return np.ones(SIZE, dtype=bool)
    return np.asarray((xs >= box.x0) & (xs < box.x1) & (ys >= box.y0) & (ys < box.y1))


@settings(deadline=None, max_examples=150)
@given(blobs, blobs, clicks, boxes)
def test_nothing_changes_outside_the_parts_that_are_clicked(
    before: list[tuple[int, int, int, bool]],
    said: list[tuple[int, int, int, bool]],
    where: list[tuple[float, float, int]],
    box: Box | None,
) -> None:
    prior, model = painted(before), painted(said)
    prompt = Prompt(tuple((x, y) for x, y, _ in where), tuple(w[2] for w in where), box)
    result = one(prior, model, prompt)
    allowed = {1: np.zeros(SIZE, dtype=bool), 0: np.zeros(SIZE, dtype=bool)}
    for label, field in ((1, model & ~prior & in_box(box)), (0, prior & ~model & in_box(box))):
        parts, _ = ndimage.label(field)
        for x, y, own in where:
            row, column = int(np.floor(y)), int(np.floor(x))
            if own == label and 0 <= row < SIZE[0] and 0 <= column < SIZE[1] and field[row, column]:
                allowed[label] |= parts == parts[row, column]
                assert result[row, column] == bool(label)
    assert not (result & ~prior & ~allowed[1]).any()
    assert not (prior & ~result & ~allowed[0]).any()


# -- with a model ---------------------------------------------------------------------------------


def deaf(prompt: Prompt) -> Candidates:
    """A model that hears no click: it repeats the prior, and knows nothing without one."""
    kept = () if prompt.prior is None else (Candidate(prompt.prior, 0.8, 0.7),)
    return Candidates(kept, "deaf")


def sees(region: Bools) -> Callable[[Prompt], Candidates]:
    """A model that repeats the prior, and sees one region where it is asked without."""

    def predict(prompt: Prompt) -> Candidates:
        return answer(region) if prompt.prior is None else deaf(prompt)

    return predict


def refine_one(predict: Callable[[Prompt], Candidates], prompt: Prompt) -> Bools:
    [item] = refine(predict, prompt, "key").items
    return item.mask.to_array()


def test_a_prior_alone_comes_back_without_asking_the_model() -> None:
    def never(prompt: Prompt) -> Candidates:
        raise AssertionError(prompt)

    prior = Mask.from_array(BODY)
    found = refine(never, Prompt(prior=prior), "key")
    assert found == Candidates((Candidate(prior, 1.0, 1.0),), "key")
    with pytest.raises(ValueError, match="prior"):
        refine(deaf, click(1, 1), "key")


def test_a_click_that_the_model_does_not_hear_is_asked_again_without_the_prior() -> None:
    prior = Mask.from_array(BODY)
    added = refine_one(sees(ARM), Prompt(((125.5, 30.5),), (1,), prior=prior))
    assert np.array_equal(added, BODY | ARM)
    removed = refine_one(sees(HOLE | OTHER), Prompt(((70.5, 60.5),), (0,), prior=prior))
    assert np.array_equal(removed, BODY & ~HOLE)


def test_a_negative_click_never_takes_most_of_the_mask_by_mistake() -> None:
    prompt = Prompt(((70.5, 60.5),), (0,), prior=Mask.from_array(BODY))
    result = refine_one(sees(BODY | OTHER), prompt)
    assert not result[60, 70]
    assert 0 < (BODY ^ result).sum() <= 25


@settings(deadline=None, max_examples=60)
@given(clicks, boxes)
def test_every_click_inside_the_box_is_right_and_only_its_surroundings_change(
    where: list[tuple[float, float, int]], box: Box | None
) -> None:
    spots = {(int(np.floor(x)), int(np.floor(y))): label for x, y, label in where}
    assume(len(spots) == len(where))  # two clicks on one pixel contradict or repeat each other
    prompt = Prompt(
        tuple((x, y) for x, y, _ in where),
        tuple(w[2] for w in where),
        box,
        Mask.from_array(BODY),
    )
    result = refine_one(deaf, prompt)
    near = np.zeros(SIZE, dtype=bool)
    for (column, row), label in spots.items():
        if 0 <= row < SIZE[0] and 0 <= column < SIZE[1] and in_box(box)[row, column]:
            assert result[row, column] == bool(label)
            near |= disc(column, row, 3)
    assert not ((result ^ BODY) & ~near).any()


@pytest.fixture(scope="module")
def graph_cut() -> Callable[[Prompt], Candidates]:
    model = prompt_model("graph_cut").load(None, "cpu")
    pixels = np.ascontiguousarray(skimage.data.astronaut())
    embedding = model.encode(RgbImage(pixels), CancelToken())
    return lambda prompt: model.predict(embedding, prompt)


def test_the_built_in_model_adds_a_sleeve_and_takes_it_away_again(
    graph_cut: Callable[[Prompt], Candidates],
) -> None:
    size = (512, 512)
    head = Mask.from_array(disc(225, 120, 60, size) | block(450, 450, 500, 500, size))
    wider = refine(graph_cut, Prompt(((120.5, 300.5),), (1,), prior=head), "graph_cut-2")
    best = wider.items[wider.best].mask
    assert best.contains(120.5, 300.5) and best.area > head.area + 1000
    assert head.subtract(best).area == 0
    back = refine(graph_cut, Prompt(((120.5, 300.5),), (0,), prior=best), "graph_cut-2")
    less = back.items[back.best].mask
    assert not less.contains(120.5, 300.5) and less.area < best.area - 500
    assert less.subtract(best).area == 0
    corner = Mask.from_array(block(450, 450, 500, 500, size))
    assert less.intersect(corner) == corner, "what was not clicked is as it was"

"""Simulated users: where they click, and how they draw boxes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt, label

from segstudio.models.prompt_training.clicks import (
    deepest,
    drawn_box,
    first_click,
    largest_part,
    next_click,
    somewhere,
    tight_box,
)

masks = arrays(np.bool_, st.tuples(st.integers(2, 12), st.integers(2, 12))).filter(
    lambda mask: bool(mask.any())
)
seeds = st.integers(0, 2**32)


def cell(x: float, y: float) -> tuple[int, int]:
    assert x % 1 == 0.5
    assert y % 1 == 0.5
    return int(y), int(x)


@given(masks, seeds)
def test_every_first_click_lies_in_the_object(mask, seed):
    draw = np.random.default_rng(seed)
    click = first_click(mask, draw)
    assert click.label == 1
    assert mask[cell(click.x, click.y)]
    assert mask[cell(*somewhere(mask, draw))]


@given(masks)
def test_the_deepest_cell_is_about_as_far_from_the_border_as_the_exact_transform_says(mask):
    exact = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert exact[cell(*deepest(mask))] >= 0.9 * exact.max()  # OpenCV's distances are a few % off


@given(masks)
def test_the_largest_part_is_scipys(mask):
    parts, count = label(mask, structure=np.ones((3, 3)))
    sizes = [int((parts == number).sum()) for number in range(1, count + 1)]
    part = largest_part(mask)
    assert part.sum() == max(sizes)
    assert not (part & ~mask).any()


@given(masks, seeds)
def test_a_correction_lies_in_the_error_and_says_what_is_wrong_there(mask, seed):
    said = np.random.default_rng(seed).random(mask.shape) < 0.5
    for draw in (None, np.random.default_rng(seed)):
        click = next_click(mask, said, draw)
        if click is None:
            assert draw is not None or (mask == said).all()
            continue
        at = cell(click.x, click.y)
        assert mask[at] == bool(click.label)
        assert said[at] != mask[at]


def test_nothing_is_clicked_where_nothing_is_wrong():
    mask = np.eye(5, dtype=bool)
    assert next_click(mask, mask) is None


def test_the_field_s_next_click_goes_to_the_largest_error():
    truth = np.zeros((20, 20), dtype=bool)
    truth[2:9, 2:9] = True
    said = np.zeros_like(truth)
    said[12:16, 12:16] = True
    assert next_click(truth, said) == (5.5, 5.5, 1)
    said |= truth
    assert next_click(truth, said).label == 0


@given(masks, seeds)
def test_a_drawn_box_stays_on_the_image_and_near_the_tight_one(mask, seed):
    tight = tight_box(mask)
    x0, y0, x1, y1 = tight.astype(int)
    assert mask[y0:y1, x0:x1].sum() == mask.sum()
    assert mask[y0, x0:x1].any()
    assert mask[y0:y1, x0].any()
    assert mask[y1 - 1, x0:x1].any()
    assert mask[y0:y1, x1 - 1].any()
    box = drawn_box(mask, np.random.default_rng(seed))
    height, width = mask.shape
    assert (box >= 0).all()
    assert (box <= [width, height, width, height]).all()
    assert np.abs(box - tight).max() <= 0.6 * max(mask.shape)

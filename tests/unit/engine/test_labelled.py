"""How much of a mask is labelled already, checked against plain pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.engine.labelled import COVERED, Labelled

SIZE = (40, 50)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), dtype=bool), (x0, y0), SIZE)


def labelled(*masks: Mask) -> Labelled:
    rows = [Annotation(number, 1, 1, mask) for number, mask in enumerate(masks, start=1)]
    return Labelled(rows, SIZE)


def test_without_annotations_nothing_is_covered() -> None:
    assert labelled().share(rectangle(0, 0, 3, 3)) == 0.0
    assert labelled(Mask.empty(SIZE)).share(rectangle(0, 0, 3, 3)) == 0.0


def test_what_is_like_an_annotation_is_covered() -> None:
    drawn, again = rectangle(10, 10, 30, 30), rectangle(10, 10, 30, 29)
    assert drawn.iou(again) > 0.9
    assert labelled(drawn).share(again) == 1.0
    assert labelled(again).share(drawn) == 0.95 >= COVERED


def test_annotations_cover_together_and_count_once_where_they_overlap() -> None:
    halves = labelled(rectangle(0, 0, 10, 20), rectangle(10, 0, 20, 20), rectangle(5, 0, 15, 20))
    assert halves.share(rectangle(2, 2, 18, 18)) == 1.0
    assert halves.share(rectangle(10, 0, 30, 20)) == 0.5


def test_what_lies_around_an_annotation_is_new() -> None:
    eye, face = rectangle(10, 10, 14, 14), rectangle(0, 0, 30, 30)
    assert labelled(eye).share(face) == 16 / 900


def test_an_empty_mask_shows_nothing_new() -> None:
    assert labelled().share(Mask.empty(SIZE)) == 1.0


def test_masks_of_another_image_are_refused() -> None:
    with pytest.raises(ValueError, match="different images"):
        labelled(Mask.empty((9, 9)))
    with pytest.raises(ValueError, match="different images"):
        labelled().share(Mask.empty((9, 9)))


@given(seed=st.integers(0, 10_000))
def test_the_share_agrees_with_the_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = rng.random((4, *SIZE)) < rng.random((4, 1, 1))
    drawn = rng.random((3, *SIZE)) < rng.random((3, 1, 1))
    cover, union = labelled(*map(Mask.from_array, drawn)), drawn.any(axis=0)
    for mask in found:
        if mask.any():
            expected = (mask & union).sum() / mask.sum()
            assert cover.share(Mask.from_array(mask)) == pytest.approx(expected, abs=1e-12)

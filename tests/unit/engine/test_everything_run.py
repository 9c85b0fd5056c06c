"""What of everything is new, checked against plain pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate, Candidates
from segstudio.engine.everything_run import new_candidates

SIZE = (40, 50)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), dtype=bool), (x0, y0), SIZE)


def annotation(mask: Mask, number: int = 1) -> Annotation:
    return Annotation(id=number, image_id=1, category_id=1, mask=mask)


def candidates(*masks: Mask) -> Candidates:
    return Candidates(tuple(Candidate(mask, 0.9, 0.95) for mask in masks), "model-1")


def test_on_an_empty_image_all_are_new_and_small_ones_come_last() -> None:
    small, large, middle = (
        rectangle(0, 0, 3, 3),
        rectangle(0, 0, 30, 30),
        rectangle(5, 5, 15, 15),
    )
    found = new_candidates(candidates(small, large, middle), ())
    assert [item.mask for item in found] == [large, middle, small]


def test_what_is_annotated_already_is_left_out() -> None:
    drawn = rectangle(10, 10, 30, 30)
    again = rectangle(10, 10, 30, 29)
    assert drawn.iou(again) > 0.9
    assert new_candidates(candidates(again), [annotation(drawn)]) == ()


def test_what_several_annotations_cover_together_is_left_out() -> None:
    halves = [annotation(rectangle(0, 0, 10, 20), 1), annotation(rectangle(10, 0, 20, 20), 2)]
    assert new_candidates(candidates(rectangle(2, 2, 18, 18)), halves) == ()


def test_what_lies_around_an_annotation_is_kept() -> None:
    eye, face = rectangle(10, 10, 14, 14), rectangle(0, 0, 30, 30)
    (kept,) = new_candidates(candidates(face), [annotation(eye)])
    assert kept.mask == face


def test_empty_masks_are_left_out() -> None:
    assert new_candidates(candidates(Mask.empty(SIZE)), ()) == ()
    assert new_candidates(candidates(), [annotation(rectangle(0, 0, 2, 2))]) == ()


def test_an_annotation_without_pixels_covers_nothing() -> None:
    one = rectangle(0, 0, 2, 2)
    assert len(new_candidates(candidates(one), [annotation(Mask.empty(SIZE))])) == 1


def test_annotations_of_another_image_are_refused() -> None:
    other = annotation(Mask.empty((9, 9)))
    with pytest.raises(ValueError, match="different images"):
        new_candidates(candidates(rectangle(0, 0, 2, 2)), [other])


@given(seed=st.integers(0, 10_000), covered=st.floats(0.05, 1.0))
def test_the_choice_agrees_with_the_pixels(seed: int, covered: float) -> None:
    rng = np.random.default_rng(seed)
    found = rng.random((4, *SIZE)) < rng.random((4, 1, 1))
    drawn = rng.random((3, *SIZE)) < rng.random((3, 1, 1))
    union = drawn.any(axis=0)
    expected = [
        index
        for index, mask in enumerate(found)
        if mask.any() and (mask & union).sum() / mask.sum() < covered
    ]
    expected.sort(key=lambda index: -found[index].sum())
    kept = new_candidates(
        candidates(*map(Mask.from_array, found)),
        [annotation(Mask.from_array(mask), number) for number, mask in enumerate(drawn)],
        covered=covered,
    )
    assert [item.mask for item in kept] == [Mask.from_array(found[index]) for index in expected]

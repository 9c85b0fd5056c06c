"""What an operation with a number would do is what it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segstudio.core.annotation import Annotation
from segstudio.core.errors import Cancelled
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.engine.shape_preview import reshapings
from segstudio.engine.tuned_operations import Tuning, tuned_operation

SIZE = (24, 30)


def box(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), dtype=bool), (x0, y0), SIZE)


def rows(*masks: Mask, locked: tuple[int, ...] = ()) -> tuple[Annotation, ...]:
    made = (Annotation(id_, 1, 1, mask) for id_, mask in enumerate(masks, start=1))
    return tuple(replace(row, locked=row.id in locked) for row in made)


@given(
    arrays(np.bool_, SIZE),
    st.sampled_from(["crumbs", "grow", "shrink", "open", "close", "smooth"]),
    st.integers(2, 4),
)
@settings(deadline=None)
def test_gains_and_losses_make_the_new_mask(array: np.ndarray, key: str, number: int) -> None:
    tuning, old = Tuning(tuned_operation(key), number), Mask.from_array(array)
    (found,) = reshapings(rows(old), (1,), tuning)
    new = tuning.of(old)
    if found.vanishes:
        assert not new.area
        assert not found.gained.area and not found.lost.area
    else:
        np.testing.assert_array_equal(found.gained.to_array(), new.to_array() & ~array)
        np.testing.assert_array_equal(found.lost.to_array(), array & ~new.to_array())


def test_only_what_is_selected_and_free_is_worked_on() -> None:
    all_rows = rows(box(1, 1, 5, 5), box(8, 8, 12, 12), box(20, 1, 25, 5), locked=(2,))
    found = reshapings(all_rows, (3, 2), Tuning(tuned_operation("grow"), 1))
    assert [one.annotation.id for one in found] == [3]


def test_pixels_of_a_locked_one_are_not_gained() -> None:
    held = box(6, 0, 9, 24)
    (found,) = reshapings(
        rows(box(3, 8, 6, 12), held, locked=(2,)), (1,), Tuning(tuned_operation("grow"), 2)
    )
    assert found.gained.intersect(held).area == 0
    grown = Tuning(tuned_operation("grow"), 2).of(box(3, 8, 6, 12))
    assert found.gained == grown.subtract(box(3, 8, 6, 12)).subtract(held)


def test_parts_that_go_are_counted() -> None:
    crumbs = box(1, 1, 9, 9).union(box(12, 12, 13, 13)).union(box(20, 20, 22, 21))
    (found,) = reshapings(rows(crumbs), (1,), Tuning(tuned_operation("crumbs"), 10))
    assert (found.lost_parts, found.lost.area) == (2, 3)


def test_a_preview_can_be_cancelled() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        reshapings(rows(box(1, 1, 5, 5)), (1,), Tuning(tuned_operation("grow"), 1), token)

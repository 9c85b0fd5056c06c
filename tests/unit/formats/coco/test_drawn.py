"""A polygon's mask says its counts, area and box before anybody decodes it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.mask import Mask
from segstudio.formats.coco.entries import AnnotationEntry, mask_of

_NUMBERS = st.one_of(st.floats(-20, 60), st.sampled_from((0.0, 9.0, 17.0, 0.5)))
_PART = st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=3, max_size=7)


@given(parts=st.lists(_PART, min_size=1, max_size=3), size=st.sampled_from(((1, 1), (9, 17))))
def test_what_a_drawn_polygon_says_is_what_its_pixels_are(
    parts: list[list[tuple[float, float]]], size: tuple[int, int]
) -> None:
    flat = [[value for corner in part for value in corner] for part in parts]
    make = mask_of(AnnotationEntry(image_id=1, category_id=1, segmentation=flat))
    assert not isinstance(make, Mask)
    mask = make(size)
    decoded = Mask.from_array(mask.to_array())
    assert (mask.counts, mask.area, mask.box) == (decoded.counts, decoded.area, decoded.box)
    assert np.array_equal(mask.runs, decoded.runs)

"""Coverage agrees with counting on whole arrays, and places with scipy's labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from segstudio.core.errors import Cancelled
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken
from segstudio.imaging.mask_coverage import coverage
from segstudio.imaging.mask_parts import largest_places

SIZE = (7, 9)
LAYERS = st.lists(hnp.arrays(np.bool_, SIZE), max_size=5)


@given(LAYERS)
def test_coverage_is_what_counting_every_pixel_gives(layers: list[npt.NDArray[np.bool_]]) -> None:
    counts = np.sum([np.zeros(SIZE, dtype=int), *layers], axis=0)
    found = coverage([Mask.from_array(layer) for layer in layers], SIZE)
    assert found.unlabelled == Mask.from_array(counts == 0)
    assert found.doubly == Mask.from_array(counts > 1)


@given(hnp.arrays(np.bool_, SIZE))
def test_places_are_scipys_parts_the_largest_first(array: npt.NDArray[np.bool_]) -> None:
    labels, count = ndimage.label(array, structure=np.ones((3, 3)))
    expected = set()
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        box = Box(columns.start, rows.start, columns.stop, rows.stop)
        expected.add((int((labels == number).sum()), box))
    places = largest_places(Mask.from_array(array), 100)
    assert len(places) == count
    assert set(places) == expected
    areas = [place.area for place in places]
    assert areas == sorted(areas, reverse=True)
    assert largest_places(Mask.from_array(array), 2) == places[:2]


def test_counting_can_be_cancelled() -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        coverage([Mask.empty(SIZE)], SIZE, cancel)


def test_masks_of_another_image_are_not_counted() -> None:
    with pytest.raises(ValueError, match="another image"):
        coverage([Mask.empty((3, 3))], SIZE)

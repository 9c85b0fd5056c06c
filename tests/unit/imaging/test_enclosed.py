"""Enclosed areas, against scipy on whole arrays."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.mask import Mask
from segstudio.imaging.enclosed import enclosed_at, union_of
from segstudio.imaging.mask_parts import part_at

SIZE = (9, 14)
arrays = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random(SIZE) < 0.2 + seed % 7 / 10
)
places = st.tuples(st.integers(0, SIZE[1] - 1), st.integers(0, SIZE[0] - 1))


@given(arrays, places)
def test_a_part_is_what_scipy_labels(array: np.ndarray, place: tuple[int, int]) -> None:
    x, y = place
    for corners, structure in ((False, None), (True, np.ones((3, 3)))):
        labels, _ = ndi.label(array, structure)
        found = part_at(Mask.from_array(array), x + 0.3, y + 0.9, corners=corners)
        if not array[y, x]:
            assert found is None
        else:
            assert found == Mask.from_array(labels == labels[y, x])


@given(arrays, places)
def test_walls_and_edges_enclose_but_not_what_reaches_all_edges(
    walls: np.ndarray, place: tuple[int, int]
) -> None:
    x, y = place
    found = enclosed_at(Mask.from_array(walls), x + 0.5, y + 0.5)
    labels, _ = ndi.label(~walls)
    area = labels == labels[y, x]
    edges = (area[0], area[-1], area[:, 0], area[:, -1])
    if walls[y, x] or all(edge.any() for edge in edges):
        assert found is None
    else:
        assert found == Mask.from_array(area)


def test_a_place_beside_the_image_is_in_nothing() -> None:
    walls = np.zeros(SIZE, dtype=bool)
    walls[:, 5] = True
    for x, y in ((-0.5, 3), (3, 9), (14, 3)):
        assert enclosed_at(Mask.from_array(walls), x, y) is None
        assert part_at(Mask.from_array(~walls), x, y) is None


@given(st.lists(arrays, max_size=4))
def test_a_union_of_many_is_numpys(several: list[np.ndarray]) -> None:
    wanted = np.any([*several, np.zeros(SIZE, dtype=bool)], axis=0)
    assert union_of(map(Mask.from_array, several), SIZE) == Mask.from_array(wanted)

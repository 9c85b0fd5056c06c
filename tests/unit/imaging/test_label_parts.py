"""The parts of label maps, against scipy's connected components, label by label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from segstudio.core.mask import Mask
from segstudio.imaging import label_parts as module
from segstudio.imaging.label_parts import NOTHING, LabelPart, label_parts
from segstudio.imaging.mask_parts import holes

Map = npt.NDArray[np.uint8]
EIGHT = np.ones((3, 3), dtype=int)
NONE_WHOLE = np.zeros(256, dtype=np.bool_)

LABELS = st.sampled_from([0, 1, 2, 200, NOTHING])
MAPS = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint8, shape, elements=LABELS),
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 255)),
    )
)


def reference(
    labels: Map, weights: Map, least: int, whole: frozenset[int]
) -> set[tuple[int, bytes, float]]:
    """The same by scipy: label, mask and mean weight of each part."""
    found = set()
    for label in set(labels.ravel().tolist()) - {NOTHING}:
        numbers, count = ndimage.label(labels == label, EIGHT)
        large = [number for number in range(1, count + 1) if (numbers == number).sum() >= least]
        groups = [large] if label in whole and large else [[number] for number in large]
        for group in groups:
            inside = np.isin(numbers, group)
            found.add((label, inside.tobytes(), round(float(weights[inside].mean()), 6)))
    return found


def found_of(parts: list[LabelPart] | int) -> set[tuple[int, bytes, float]]:
    assert not isinstance(parts, int)
    areas = [part.mask.area for part in parts]
    assert areas == sorted(areas, reverse=True)
    return {(part.label, part.mask.to_array().tobytes(), round(part.mean, 6)) for part in parts}


def whole_of(labels: frozenset[int]) -> npt.NDArray[np.bool_]:
    whole = NONE_WHOLE.copy()
    whole[list(labels)] = True
    return whole


@given(MAPS, st.integers(1, 6), st.frozensets(st.sampled_from([0, 1, 200])))
@settings(max_examples=60)
def test_parts_are_those_of_scipy_for_every_label(
    maps: tuple[Map, Map], least: int, whole: frozenset[int]
) -> None:
    labels, weights = maps
    parts = label_parts(labels, weights, least, whole_of(whole), 1000)
    assert found_of(parts) == reference(labels, weights, least, whole)


@given(MAPS, st.integers(1, 6))
@settings(max_examples=30)
def test_a_map_of_noise_gives_the_same_parts_on_its_own_road(
    maps: tuple[Map, Map], least: int
) -> None:
    labels, weights = maps
    usual = label_parts(labels, weights, least, NONE_WHOLE, 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOST_RUNS", 0)
        cleaned = label_parts(labels, weights, least, NONE_WHOLE, 1000)
    assert found_of(cleaned) == found_of(usual)


def test_a_real_label_map_has_scipys_parts(reference_data: Path) -> None:
    with Image.open(reference_data / "camvid/testannot/0001TP_008550.png") as picture:
        camvid_labels = np.asarray(picture)
    weights = np.arange(camvid_labels.size, dtype=np.uint8).reshape(camvid_labels.shape)
    whole = frozenset({0, 1, 3, 4, 5})
    parts = label_parts(camvid_labels, weights, 20, whole_of(whole), 1000)
    assert found_of(parts) == reference(camvid_labels, weights, 20, whole)


def test_more_parts_than_wanted_are_only_counted() -> None:
    labels = np.full((9, 9), NOTHING, dtype=np.uint8)
    labels[::2, ::2] = 1
    assert label_parts(labels, labels, 1, NONE_WHOLE, 24) == 25
    assert len(found_of(label_parts(labels, labels, 1, NONE_WHOLE, 25))) == 25


def test_nothing_has_no_parts() -> None:
    for labels in (np.full((4, 5), NOTHING, dtype=np.uint8), np.zeros((0, 5), dtype=np.uint8)):
        assert label_parts(labels, labels, 1, NONE_WHOLE, 10) == []


@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)),
    st.integers(1, 8),
)
@settings(max_examples=60)
def test_holes_are_those_of_scipy_below_a_size(pixels: npt.NDArray[np.bool_], size: int) -> None:
    enclosed = ndimage.binary_fill_holes(pixels) & ~pixels
    numbers, count = ndimage.label(enclosed)
    small = [number for number in range(1, count + 1) if (numbers == number).sum() < size]
    mask = Mask.from_array(pixels)
    assert np.array_equal(holes(mask).to_array(), enclosed)
    assert np.array_equal(holes(mask, size).to_array(), np.isin(numbers, small) & enclosed)


def test_a_hole_is_found_beside_columns_without_a_pixel() -> None:
    pixels = np.zeros((3, 5), dtype=np.bool_)
    pixels[:, :3] = True
    pixels[1, 1] = False
    pixels[0, 4] = True
    assert holes(Mask.from_array(pixels)).box == (1, 1, 2, 2)

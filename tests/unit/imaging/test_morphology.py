"""Morphology against plain definitions, scikit-image and scipy on full arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage.morphology import disk

from segstudio.core.errors import Cancelled
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.imaging import morphology
from segstudio.imaging.morphology import closed, grown, opened, shrunk, smoothed

Operation = Callable[[Mask, int], Mask]
masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=22))
radii = st.integers(1, 6)


def dilation(array: np.ndarray, radius: int) -> np.ndarray:
    return ndimage.binary_dilation(array, disk(radius))


def erosion(array: np.ndarray, radius: int) -> np.ndarray:
    return ndimage.binary_erosion(array, disk(radius), border_value=1)


def majority(array: np.ndarray, radius: int) -> np.ndarray:
    wide = disk(radius).astype(int)
    votes = ndimage.correlate(array.astype(int), wide, mode="constant")
    voters = ndimage.correlate(np.ones(array.shape, dtype=int), wide, mode="constant")
    return np.where(2 * votes == voters, array, 2 * votes > voters)


REFERENCES = {
    grown: dilation,
    shrunk: erosion,
    opened: lambda array, radius: dilation(erosion(array, radius), radius),
    closed: lambda array, radius: erosion(dilation(array, radius), radius),
    smoothed: majority,
}
every_operation = pytest.mark.parametrize("operation", REFERENCES, ids=lambda one: one.__name__)


@every_operation
@given(array=masks, radius=radii)
def test_it_is_what_scipy_does_with_a_disc_on_the_whole_image(
    operation: Operation, array: np.ndarray, radius: int
) -> None:
    ours = operation(Mask.from_array(array), radius).to_array()
    np.testing.assert_array_equal(ours, REFERENCES[operation](array, radius))


@every_operation
@pytest.mark.parametrize("radius", [3, 17, 34])
def test_tiles_show_no_seams(
    operation: Operation, radius: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(morphology, "_TILE", 1)
    noise = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(170, 190)), 5) > 0
    ours = operation(Mask.from_array(noise), radius).to_array()
    np.testing.assert_array_equal(ours, REFERENCES[operation](noise, radius))


@pytest.mark.parametrize("radius", [1, 2, 5, 13, 50, 99])
def test_one_pixel_grows_to_a_true_disc(radius: int) -> None:
    size = 2 * radius + 5
    dot = np.zeros((size, size), dtype=bool)
    dot[radius + 2, radius + 2] = True
    disc = grown(Mask.from_array(dot), radius).box_crop()[0]
    np.testing.assert_array_equal(disc, disk(radius))


@given(masks, radii)
@settings(max_examples=60)
def test_opening_takes_closing_gives_and_twice_is_once(array: np.ndarray, radius: int) -> None:
    mask = Mask.from_array(array)
    once, shut = opened(mask, radius), closed(mask, radius)
    assert once.subtract(mask).area == 0
    assert mask.subtract(shut).area == 0
    assert opened(once, radius) == once
    assert closed(shut, radius) == shut


def test_nothing_grows_in_from_outside_and_nothing_is_eaten_from_there() -> None:
    full = Mask.from_array(np.ones((9, 12), dtype=bool))
    assert shrunk(full, 4) == full == opened(full, 4)
    assert grown(Mask.empty((9, 12)), 4) == Mask.empty((9, 12))


@pytest.mark.parametrize("operation", REFERENCES, ids=lambda one: one.__name__)
def test_work_can_be_cancelled_and_needs_a_radius(
    operation: Callable[[Mask, int, CancelToken | None], Mask],
) -> None:
    token = CancelToken()
    token.cancel()
    dot = Mask.from_crop(np.ones((1, 1), dtype=bool), (3, 3), (8, 8))
    with pytest.raises(Cancelled):
        operation(dot, 2, token)
    with pytest.raises(ValueError, match="radius"):
        operation(dot, 0, None)


def test_a_small_mask_on_a_huge_image_costs_what_it_covers() -> None:
    dot = Mask.from_crop(np.ones((3, 3), dtype=bool), (0, 39_997), (40_000, 40_000))
    assert grown(dot, 1).area == 9 + 3 + 3

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import data
from skimage.measure import regionprops

from segstudio.imaging.superpixels import slic


def assert_connected_and_contiguous(labels: np.ndarray) -> None:
    assert labels.dtype == np.int32
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    cross = ndimage.generate_binary_structure(2, 1)
    for label, where in enumerate(ndimage.find_objects(labels + 1)):
        assert ndimage.label(labels[where] == label, cross)[1] == 1


def test_a_photo_falls_into_about_as_many_superpixels_as_asked_for():
    photo = data.chelsea()
    labels = slic(photo, 200)
    assert labels.shape == photo.shape[:2]
    assert 120 <= labels.max() + 1 <= 280
    assert_connected_and_contiguous(labels)


def test_two_flat_halves_are_never_mixed():
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, 37:] = (200, 30, 90)
    labels = slic(image, 40)
    assert not set(np.unique(labels[:, :37])) & set(np.unique(labels[:, 37:]))


def test_a_higher_compactness_gives_rounder_superpixels():
    photo = data.astronaut()[::2, ::2]
    roundness = []
    for labels in (slic(photo, 150, 1.0), slic(photo, 150, 40.0)):
        parts = regionprops(labels + 1)
        # 1 for a disk, less for ragged shapes (isoperimetric quotient).
        quotients = [4 * np.pi * part.area / part.perimeter**2 for part in parts if part.area > 50]
        roundness.append(np.mean(quotients))
    assert roundness[1] > roundness[0] + 0.1


@settings(max_examples=40, deadline=None)
@given(
    image=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    segments=st.integers(1, 120),
)
def test_tiny_images_and_too_many_segments_still_give_connected_labels(image, segments):
    labels = slic(image, segments)
    assert labels.shape == image.shape[:2]
    assert_connected_and_contiguous(labels)


def test_the_same_image_gives_the_same_labels():
    photo = data.coffee()[::2, ::2]
    assert np.array_equal(slic(photo, 100), slic(photo, 100))


@pytest.mark.parametrize(("segments", "compactness"), [(0, 10.0), (-3, 10.0), (5, 0.0)])
def test_senseless_settings_are_refused(segments, compactness):
    with pytest.raises(ValueError, match="slic needs"):
        slic(np.zeros((4, 4, 3), np.uint8), segments, compactness)

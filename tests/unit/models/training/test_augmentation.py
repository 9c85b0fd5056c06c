"""Images and their label maps are treated together, by chance that can be had again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as transforms

from segstudio.models.training.augmentation import FILL, augmented, recoloured
from segstudio.models.training.settings import Augmentation

STILL = Augmentation(scale=(1.0, 1.0), flip=0.0, rotate=0.0, colour=0.0, blur=0.0)


def pair(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of 4 pixels whose colour tells their label: red is 10 times the label."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 20, (-(-height // 4), -(-width // 4)), dtype=np.uint8)
    labels = coarse.repeat(4, 0).repeat(4, 1)[:height, :width]
    pixels = np.stack((labels * 10, labels * 5, 255 - labels * 10), axis=-1)
    return pixels, np.ascontiguousarray(labels)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_chance_an_image_of_the_side_stays_as_it_is() -> None:
    pixels, labels = pair(48, 48)
    got, got_labels = augmented(pixels, labels, 48, STILL, chance())
    np.testing.assert_array_equal(got, pixels)
    np.testing.assert_array_equal(got_labels, labels)


def test_a_square_is_cut_from_image_and_labels_at_the_same_place() -> None:
    pixels, labels = pair(90, 120)
    seen = set()
    for seed in range(20):
        got, got_labels = augmented(pixels, labels, 32, STILL, chance(seed))
        assert got.shape == (32, 32, 3)
        np.testing.assert_array_equal(got[..., 0], got_labels * 10)
        seen.add(got.tobytes())
    assert len(seen) > 15


def test_beyond_the_image_is_mean_colour_and_ignored() -> None:
    pixels, labels = pair(20, 30)
    got, got_labels = augmented(pixels, labels, 40, STILL, chance(3))
    outside = got_labels == 255
    assert np.count_nonzero(~outside) == 600
    assert (got[outside] == FILL).all()
    np.testing.assert_array_equal(got[..., 0][~outside], got_labels[~outside] * 10)


def test_a_mirrored_square_is_one_whose_mirror_image_is_in_the_image() -> None:
    pixels, labels = pair(32, 32)
    mirrored = Augmentation(scale=(1.0, 1.0), flip=1.0, colour=0.0)
    got, got_labels = augmented(pixels, labels, 32, mirrored, chance())
    np.testing.assert_array_equal(got, pixels[:, ::-1])
    np.testing.assert_array_equal(got_labels, labels[:, ::-1])


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.7, 3.0])
@pytest.mark.parametrize("rotate", [0.0, 25.0])
def test_scaled_and_turned_labels_stay_on_their_pixels(scale: float, rotate: float) -> None:
    pixels, labels = (part.repeat(8, 0).repeat(8, 1) for part in pair(24, 32, 5))
    how = Augmentation(scale=(scale, scale), flip=0.0, rotate=rotate, colour=0.0)
    got, got_labels = augmented(pixels, labels, 96, how, chance(7))
    known = got_labels != 255
    assert known.mean() > 0.3
    wrong = np.abs(got[..., 0].astype(int) - got_labels.astype(int) * 10)[known] > 30
    # only along borders of blocks, where colours are between two
    assert wrong.mean() < 0.06


def test_a_square_with_something_labelled_is_preferred() -> None:
    pixels, labels = pair(200, 200)
    sparse = np.full_like(labels, 255)
    sparse[60:140, 60:140] = labels[60:140, 60:140]
    found = [
        (augmented(pixels, sparse, 32, STILL, chance(seed))[1] != 255).any() for seed in range(40)
    ]
    assert np.mean(found) > 0.9  # blind cuts meet it in four of ten


@given(st.integers(0, 2**32 - 1))
def test_the_same_chance_gives_the_same_square(seed: int) -> None:
    pixels, labels = pair(37, 53)
    how = Augmentation(scale=(0.5, 2.0), flip=0.5, rotate=30.0, colour=0.4, blur=0.5)
    one = augmented(pixels, labels, 33, how, chance(seed))
    other = augmented(pixels.copy(), labels.copy(), 33, how, chance(seed))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert one[0].shape == (33, 33, 3)
    assert one[0].dtype == one[1].dtype == np.uint8
    assert set(np.unique(one[1])) <= {*np.unique(labels), 255}


@pytest.mark.parametrize("factors", [(1.2, 1, 1), (1, 0.7, 1), (1, 1, 1.3), (0.9, 1.2, 0.6)])
def test_colours_change_as_torchvision_changes_them(factors: tuple[float, ...]) -> None:
    pixels = np.random.default_rng(4).integers(90, 150, (24, 31, 3), dtype=np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    image = transforms.adjust_brightness(image, factors[0])
    image = transforms.adjust_contrast(image, factors[1])
    image = transforms.adjust_saturation(image, factors[2])
    theirs = (255 * image).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(recoloured(pixels, *factors), theirs, atol=1.0)

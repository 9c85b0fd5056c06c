"""A pyramid's levels: their sizes, what they show, and which one is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from segstudio.core.image import RgbImage
from segstudio.imaging.pyramid import Pyramid, level_sizes


def noise(height: int, width: int) -> RgbImage:
    random = np.random.default_rng(3)
    return RgbImage(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_every_level_is_half_of_the_one_above_it() -> None:
    pyramid = Pyramid.of(noise(1600, 2400))
    assert [level.shape[1::-1] for level in pyramid.levels] == [
        (2400, 1600), (1200, 800), (600, 400), (300, 200)
    ]  # fmt: skip
    assert level_sizes((1600, 2400)) == [level.shape[:2] for level in pyramid.levels]
    assert pyramid.size == (1600, 2400)


def test_a_level_is_the_mean_of_four_pixels() -> None:
    image = noise(600, 800)
    level = Pyramid.of(image).levels[1]
    mean = image.pixels.reshape(300, 2, 400, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(level - mean).max() <= 0.5


def test_an_odd_edge_keeps_its_place_and_its_colour() -> None:
    image = noise(601, 801)
    level = Pyramid.of(image).levels[1]
    assert level.shape == (301, 401, 3)
    assert level[-1, -1].tolist() == image.pixels[-1, -1].tolist()
    mean = image.pixels[:600, :800].reshape(300, 2, 400, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(level[:300, :400] - mean).max() <= 0.5


def test_the_full_size_is_not_copied() -> None:
    image = noise(600, 800)
    assert Pyramid.of(image).levels[0] is image.pixels


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (4999, 1), (513, 511)])
def test_any_size_has_a_pyramid(size: tuple[int, int]) -> None:
    pyramid = Pyramid.of(noise(*size))
    assert [level.shape[:2] for level in pyramid.levels] == level_sizes(size)
    assert max(pyramid.levels[-1].shape[:2]) <= 512


def test_a_large_photo_is_drawn_from_a_small_level() -> None:
    pyramid = Pyramid.of(noise(1600, 2400))
    wanted = {3.0: 0, 0.51: 0, 0.5: 1, 0.26: 1, 0.25: 2, 0.01: 3}
    assert {scale: pyramid.index_for(scale) for scale in wanted} == wanted

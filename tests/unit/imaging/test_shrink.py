"""Shrinking band by band gives what shrinking at once gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from segstudio.core import mapped
from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken
from segstudio.imaging import shrink
from segstudio.imaging.shrink import area_shrunk, bilinear_shrunk, block_means

PHOTO = np.ascontiguousarray(data.coffee())


@pytest.fixture(autouse=True)
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped.bands, "__defaults__", (1, 50_000))


@pytest.mark.parametrize("size", [(128, 192), (77, 191), (400, 301), (1, 1), (500, 700)])
def test_bilinear_is_pillows_to_the_last_bit(size: tuple[int, int]) -> None:
    wanted = Image.fromarray(PHOTO).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.array_equal(bilinear_shrunk(PHOTO, size), np.asarray(wanted))


@pytest.mark.parametrize("step", [1, 2, 7, 100])
def test_block_means_are_means_of_blocks(step: int) -> None:
    found = block_means(PHOTO, step)
    height, width = -(-400 // step), -(-600 // step)
    assert found.shape == (height, width, 3)
    padding = ((0, height * step - 400), (0, width * step - 600), (0, 0))
    padded = np.pad(PHOTO, padding, mode="edge").astype(float)
    wanted = padded.reshape(height, step, width, step, 3).mean(axis=(1, 3))
    assert np.abs(found - wanted).max() <= 0.51


@pytest.mark.parametrize("size", [(30, 45), (31, 47), (399, 599)])
def test_a_large_image_is_shrunk_like_a_small_one(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    wanted = cv2.resize(PHOTO, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.array_equal(area_shrunk(PHOTO, size), wanted)
    monkeypatch.setattr(shrink, "_LARGE", 1)
    difference = np.abs(area_shrunk(PHOTO, size).astype(int) - wanted)
    assert difference.mean() < 0.8, "blocks that lie on a border are shared out"
    assert difference.max() <= 20


@pytest.mark.parametrize("how", [bilinear_shrunk, area_shrunk])
def test_shrinking_can_be_cancelled(monkeypatch: pytest.MonkeyPatch, how) -> None:
    monkeypatch.setattr(shrink, "_LARGE", 1)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        how(PHOTO, (50, 60), token)

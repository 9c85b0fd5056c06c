"""The fully connected CRF: against mean field with the whole kernel matrix, and pydensecrf."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken
from segstudio.imaging.dense_crf import dense_crf


def patches(categories: int, size: tuple[int, int], gain: float = 20.0, seed: int = 3):
    """(C, H, W) float32 probabilities in soft patches, as networks give them."""
    rng = np.random.default_rng(seed)
    fields = [
        gain * cv2.GaussianBlur(rng.normal(size=size).astype(np.float32), (0, 0), 3)
        for _ in range(categories)
    ]
    odds = np.exp(np.stack(fields) - np.max(fields, axis=0))
    return (odds / odds.sum(axis=0)).astype(np.float32)


def photo(side: int) -> np.ndarray:
    return cv2.resize(data.astronaut()[:160, 150:310], (side, side), interpolation=cv2.INTER_AREA)


def gaussian(features: np.ndarray) -> np.ndarray:
    """(N, N): the kernel between all pairs, normalised on both sides."""
    apart = ((features[:, None] - features) ** 2).sum(axis=2)
    kernel = np.exp(-apart / 2)
    norm = 1 / np.sqrt(kernel.sum(axis=1))
    return norm[:, None] * kernel * norm


def whole_matrix_crf(
    probabilities, pixels, *, iterations=5, smooth=(3.0, 3.0), look=(10.0, 50.0, 13.0)
):
    """Mean field of Krähenbühl and Koltun 2011, algorithm 1, with sums over all pairs."""
    count, height, width = probabilities.shape
    y, x = np.mgrid[:height, :width]
    places = np.stack((x, y), axis=2).reshape(-1, 2).astype(np.float64)
    colours = pixels.reshape(-1, 3).astype(np.float64)
    near = smooth[0] * gaussian(places / smooth[1])
    alike = look[0] * gaussian(np.hstack((places / look[1], colours / look[2])))
    unary = np.log(np.maximum(probabilities.reshape(count, -1).T.astype(np.float64), 1e-30))
    belief = np.exp(unary)
    for _ in range(iterations):
        belief = unary + (near + alike) @ belief
        belief = np.exp(belief - belief.max(axis=1, keepdims=True))
        belief /= belief.sum(axis=1, keepdims=True)
    return belief.T.reshape(count, height, width)


@pytest.mark.parametrize("iterations", [1, 5])
def test_with_the_spatial_kernel_alone_it_is_exact(iterations: int) -> None:
    """But for what lies beyond four standard deviations: e^-8 of a weight."""
    given_, pixels = patches(4, (24, 31)), photo(31)[:24]
    made = dense_crf(given_, pixels, iterations=iterations, look_weight=0)
    expected = whole_matrix_crf(given_, pixels, iterations=iterations, look=(0.0, 50.0, 13.0))
    assert np.abs(made - expected).max() < 2e-3


def test_with_both_kernels_it_is_as_near_as_the_lattice() -> None:
    """The lattice's kernel is off by some hundredths of a typical sum (see its tests): pixels that
    hang in the balance fall to the other side. Half of the labels change here, and of all labels at
    most one in thirty is not the exact one; a few tiny images together, as any one is a chance.
    """
    same, changed = [], []
    for seed, pixels in enumerate((photo(36), photo(36)[::-1], photo(60)[20:56, 20:56])):
        given_ = patches(4, (36, 36), seed=seed)
        made = dense_crf(given_, pixels).argmax(axis=0)
        expected = whole_matrix_crf(given_, pixels).argmax(axis=0)
        same.append(np.mean(made == expected))
        changed.append(np.mean(expected != given_.argmax(axis=0)))
    assert np.mean(changed) > 0.2
    assert np.mean(same) > 1 - 1 / 30


def test_it_is_pydensecrf_but_for_the_exact_spatial_kernel() -> None:
    densecrf = pytest.importorskip("pydensecrf.densecrf")
    pixels = np.ascontiguousarray(data.astronaut()[:120, 100:250])
    given_ = patches(6, (120, 150), gain=40)
    for smooth, look, most, same in ((0, 10, 1e-4, 1.0), (3, 10, 0.2, 0.99)):
        crf = densecrf.DenseCRF2D(150, 120, 6)
        crf.setUnaryEnergy(np.ascontiguousarray(-np.log(given_.reshape(6, -1))))
        crf.addPairwiseBilateral(sxy=50, srgb=13, rgbim=pixels, compat=look)
        if smooth:
            crf.addPairwiseGaussian(sxy=3, compat=smooth)
        expected = np.array(crf.inference(5)).reshape(given_.shape)
        made = dense_crf(given_, pixels, smooth_weight=smooth, look_weight=look)
        assert np.abs(made - expected).max() < most
        assert np.mean(made.argmax(axis=0) == expected.argmax(axis=0)) >= same


def test_a_blurred_border_moves_to_where_the_image_has_it() -> None:
    truth = np.zeros((60, 80), bool)
    truth[:, 37:] = True
    pixels = np.where(truth[..., None], [200, 60, 40], [40, 90, 180]).astype(np.uint8)
    noise = np.random.default_rng(0).integers(-8, 9, pixels.shape)
    pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    ramp = np.clip((np.arange(80) - 20) / 45, 0.05, 0.95)  # its middle is 5 pixels off
    chance = np.broadcast_to(ramp, (60, 80)).astype(np.float32)
    given_ = np.stack((1 - chance, chance))
    before = np.mean(given_.argmax(axis=0).astype(bool) == truth)
    after = np.mean(dense_crf(given_, pixels).argmax(axis=0).astype(bool) == truth)
    assert before < 0.96
    assert after == 1.0


def test_many_categories_that_are_nowhere_cost_no_accuracy() -> None:
    pixels = photo(40)
    few = patches(3, (40, 40))
    rest = np.full((90, 40, 40), 2e-4, np.float32)
    given_ = np.concatenate((few * (1 - rest.sum(axis=0)), rest))
    quick, slow = dense_crf(given_, pixels), dense_crf(given_, pixels, negligible=0.0)
    assert np.array_equal(quick.argmax(axis=0), slow.argmax(axis=0))
    assert np.abs(quick - slow).max() < 2e-3
    assert np.allclose(quick.sum(axis=0), 1, atol=1e-4)


def test_more_categories_than_opencv_has_channels() -> None:
    given_ = patches(140, (20, 24), gain=4)
    made = dense_crf(given_, photo(24)[:20], look_weight=0, negligible=0.0)
    expected = whole_matrix_crf(given_, photo(24)[:20], look=(0.0, 50.0, 13.0))
    assert np.abs(made - expected).max() < 2e-3


@settings(max_examples=25)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0.0, 3.0, 60.0]),
    st.sampled_from([0.5, 10.0, 80.0]),
)
def test_it_always_gives_probabilities(height, width, categories, iterations, weight, deviation):
    rng = np.random.default_rng(height * 100 + width)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    given_ = rng.random((categories, height, width)).astype(np.float32) ** 8
    given_ /= given_.sum(axis=0)
    given_[:, 0, 0] = np.eye(categories, dtype=np.float32)[0]  # of which some are 0
    before = given_.copy()
    made = dense_crf(given_, pixels, iterations=iterations, look_weight=weight, smooth_xy=deviation)
    assert np.array_equal(given_, before)
    assert made.dtype == np.float32
    assert made.shape == given_.shape
    assert made.min() >= 0
    assert np.allclose(made.sum(axis=0), 1, atol=1e-4)


def test_nothing_asked_changes_nothing() -> None:
    given_, pixels = patches(3, (9, 9)), photo(9)
    assert np.array_equal(dense_crf(given_, pixels, iterations=0), given_)
    assert np.array_equal(dense_crf(given_, pixels, smooth_weight=0, look_weight=0), given_)


def test_what_means_nothing_is_refused_and_cancel_ends_it() -> None:
    given_, pixels = patches(3, (9, 9)), photo(9)
    with pytest.raises(ValueError, match="positive"):
        dense_crf(given_, pixels, look_rgb=0)
    with pytest.raises(ValueError, match="negative"):
        dense_crf(given_, pixels, look_weight=-1)
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        dense_crf(given_, photo(10))
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        dense_crf(given_, pixels, cancel=token)

"""Image pixels to the model's frame and back, as SAM's own code does it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from segment_anything.modeling import Sam
from segment_anything.utils.amg import calculate_stability_score
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor
from torch.nn import functional

from segstudio.core.mask import Box, Mask
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.sam_masks import answer, candidate, cut

SIZES = st.tuples(st.integers(1, 300), st.integers(1, 300))


def blob_logits(seed: int, gain: float = 30.0, shift: float = 0.0) -> Tensor:
    """(256, 256) float32, smooth, between about -gain and gain."""
    noise = torch.randn(1, 1, 9, 9, generator=torch.Generator().manual_seed(seed))
    smooth = functional.interpolate(noise, (256, 256), mode="bicubic", align_corners=False)[0, 0]
    return smooth * gain / 2 + shift


def official_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(H, W) by the official package's own method."""
    stand_in = SimpleNamespace(image_encoder=SimpleNamespace(img_size=1024))
    full: Tensor = Sam.postprocess_masks(stand_in, logits[None, None], ModelFrame(size).size, size)
    return full[0, 0]


@settings(deadline=None, max_examples=40)
@given(SIZES, st.integers(0, 10_000), st.sampled_from([-40.0, -25.0, -15.0, 0.0, 15.0, 40.0]))
@example((1, 300), 1, 0.0)
@example((300, 1), 1, 0.0)
@example((256, 256), 1, -15.0)
def test_masks_and_stability_equal_the_official_ones_at_every_size(
    size: tuple[int, int], seed: int, shift: float
) -> None:
    logits = blob_logits(seed, shift=shift)
    mask, stability = cut(logits.numpy(), ModelFrame(size))
    expected = official_logits(logits, size)
    assert np.array_equal(mask.to_array(), (expected > 0).numpy())
    score = calculate_stability_score(expected[None], 0.0, 1.0).item()
    assert stability == (0.0 if np.isnan(score) else np.float32(score))


@pytest.mark.parametrize("size", [(1000, 1500), (1024, 1024), (1365, 2048), (2203, 331)])
def test_masks_equal_the_official_ones_on_large_images(size: tuple[int, int]) -> None:
    for seed, shift in ((1, 0.0), (2, -35.0), (3, 20.0)):
        logits = blob_logits(seed, shift=shift)
        mask, _ = cut(logits.numpy(), ModelFrame(size))
        assert np.array_equal(mask.to_array(), (official_logits(logits, size) > 0).numpy())


def test_logits_in_the_padding_alone_give_an_empty_mask() -> None:
    logits = torch.full((256, 256), -20.0)
    logits[200:] = 20.0  # an image of 100 x 300 ends at row 85
    mask, stability = cut(logits.numpy(), ModelFrame((100, 300)))
    assert (mask, stability) == (Mask.empty((100, 300)), 0.0)


def test_logits_that_are_not_numbers_give_an_empty_mask_of_no_worth() -> None:
    mask, stability = cut(np.full((256, 256), np.nan, dtype=np.float32), ModelFrame((50, 60)))
    item = candidate(mask, float("nan"), float(stability))
    assert (item.mask.area, item.predicted_iou, item.stability) == (0, 0.0, 0.0)


@pytest.mark.parametrize("size", [(90, 140), (1000, 1500), (3300, 2000)])
def test_an_answer_is_the_official_mask_with_about_the_official_stability(
    size: tuple[int, int],
) -> None:
    allowed = 1e-2 if max(size) < 1024 else 1e-3  # few pixels are counted coarsely
    for seed, shift in ((1, 0.0), (2, -20.0), (3, 20.0)):
        logits = blob_logits(seed, shift=shift).numpy()
        item = answer(logits, 0.9, ModelFrame(size))
        mask, stability = cut(logits, ModelFrame(size))
        assert item.mask == mask
        assert item.stability == pytest.approx(float(stability), abs=allowed)
        assert 0.1 < stability < 0.999, "a score that shows nothing"


@settings(deadline=None, max_examples=30)
@given(st.tuples(st.integers(300, 2500), st.integers(300, 2500)), st.integers(0, 1000))
def test_an_answers_logits_show_the_mask_where_it_lies(size: tuple[int, int], seed: int) -> None:
    item = answer(blob_logits(seed, shift=-5.0).numpy(), 0.9, ModelFrame(size))
    assert item.logits is not None
    values, (x0, y0), (dx, dy) = item.logits.values, item.logits.origin, item.logits.step
    rows, columns = np.indices(values.shape)
    xs, ys = (x0 + (columns + 0.5) * dx).astype(int), (y0 + (rows + 0.5) * dy).astype(int)
    on_image = (xs < size[1]) & (ys < size[0])
    assert on_image.mean() > 0.9 or min(values.shape) < 12
    clear = on_image & (np.abs(values) > 2.0)
    inside = item.mask.to_array()[np.minimum(ys, size[0] - 1), np.minimum(xs, size[1] - 1)]
    assert np.array_equal(inside[clear], values[clear] > 0)


def test_scores_stay_between_0_and_1() -> None:
    item = candidate(Mask.empty((2, 2)), 1.07, -0.2)
    assert (item.predicted_iou, item.stability) == (1.0, 0.0)


@settings(deadline=None, max_examples=60)
@given(st.tuples(st.integers(1, 6000), st.integers(1, 6000)), st.integers(0, 10_000))
def test_sizes_and_points_equal_the_official_transform(size: tuple[int, int], seed: int) -> None:
    official = ResizeLongestSide(1024)
    frame = ModelFrame(size)
    expected = official.get_preprocess_shape(*size, 1024)
    assert frame.size == tuple(max(1, side) for side in expected)
    if min(expected) < 1:
        return  # the official package fails on such an image
    points = np.random.default_rng(seed).uniform(0, 1, (5, 2)) * [size[1], size[0]]
    np.testing.assert_allclose(
        frame.to_model(points), official.apply_coords(points, size), rtol=1e-15
    )
    box = Box(*points[:2].ravel().tolist())
    np.testing.assert_allclose(
        frame.box_to_model(box), official.apply_boxes(np.array(box), size)[0], rtol=1e-15
    )


@pytest.mark.parametrize("size", [(211, 300), (1024, 1024), (1500, 1000), (3, 2000)])
def test_pixels_equal_the_official_resize(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = ResizeLongestSide(1024).apply_image(pixels)
    assert np.array_equal(ModelFrame(size).resize(pixels), expected)

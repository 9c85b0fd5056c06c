"""Level sets are what thresholding torch's upsampled logits gives, pixel for pixel."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from segment_anything.modeling import Sam
from torch.nn import functional

from segstudio.core.mask import Mask
from segstudio.models.prompt.bilinear import blend, blend_table
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.level_sets import LevelSets

Floats = npt.NDArray[np.float32]

SIZES = st.tuples(st.integers(1, 300), st.integers(1, 300))


def blobs(seed: int, shift: float = 0.0, grain: int = 9) -> Floats:
    """(256, 256) float32 between about -30 and 30, with details of 256 / `grain` cells."""
    noise = torch.randn(1, 1, grain, grain, generator=torch.Generator().manual_seed(seed))
    smooth = functional.interpolate(noise, (256, 256), mode="bicubic", align_corners=False)
    return np.asarray(smooth[0, 0].numpy() * 15 + shift, dtype=np.float32)


def upsampled(logits: Floats, size: tuple[int, int]) -> Floats:
    """(H, W) by the official package's own method."""
    stand_in = SimpleNamespace(image_encoder=SimpleNamespace(img_size=1024))
    field = torch.from_numpy(logits)[None, None]
    full = Sam.postprocess_masks(stand_in, field, ModelFrame(size).size, size)
    return np.asarray(full[0, 0].numpy())


def assert_level_set(logits: Floats, size: tuple[int, int], level: float) -> Mask:
    levels = LevelSets(ModelFrame(size))
    mask, expected = levels.mask(logits, level), upsampled(logits, size) > level
    assert np.array_equal(mask.to_array(), expected)
    assert levels.area(logits, level) == mask.area == np.count_nonzero(expected)
    runs = coco.encode(np.asfortranarray(expected.astype(np.uint8)))
    assert mask.counts == runs["counts"]
    assert mask.bbox == tuple(coco.toBbox(runs))
    return mask


@settings(deadline=None, max_examples=40)
@given(
    SIZES,
    st.integers(0, 10_000),
    st.sampled_from([-40.0, -25.0, -15.0, 0.0, 15.0, 40.0]),
    st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.3]),
    st.sampled_from([3, 9, 30, 90]),
)
@example((1, 300), 1, 0.0, 0.0, 9)
@example((300, 1), 1, 0.0, 0.0, 9)
@example((1, 1), 1, 0.0, 0.0, 3)
@example((256, 256), 1, -15.0, 0.0, 9)
def test_masks_are_those_of_the_upsampled_logits_at_any_size(
    size: tuple[int, int], seed: int, shift: float, level: float, grain: int
) -> None:
    assert_level_set(blobs(seed, shift, grain), size, level)


@pytest.mark.parametrize(
    "size",
    [(1000, 1500), (1024, 1024), (1024, 1022), (1023, 1024), (1365, 2048), (2203, 331), (9, 2900)],
)
def test_masks_are_those_of_the_upsampled_logits_of_large_images(size: tuple[int, int]) -> None:
    found = [
        assert_level_set(blobs(seed, shift, grain), size, level)
        for seed, shift, grain, level in ((1, 0, 9, 0), (2, -20, 9, 1), (3, 20, 40, -1))
    ]
    assert any(mask.area for mask in found), "a case that shows nothing"


def test_one_logit_gives_one_spot() -> None:
    """Wherever the only positive logit lies, corners and the padding's edge among others."""
    for row, column in ((0, 0), (0, 255), (170, 0), (170, 255), (171, 9), (80, 80), (255, 255)):
        logits = np.full((256, 256), -1.0, dtype=np.float32)
        logits[row, column] = 8.0
        for size in ((100, 150), (1333, 2000)):
            assert_level_set(logits, size, 0.0)


def test_a_mask_may_fill_the_image_or_be_nowhere() -> None:
    for value, share in ((3.0, 1), (-3.0, 0), (0.0, 0)):
        logits = np.full((256, 256), value, dtype=np.float32)
        assert assert_level_set(logits, (70, 1100), 0.0).area == share * 70 * 1100


def test_logits_in_the_padding_count_only_where_they_reach_the_image() -> None:
    logits = np.full((256, 256), -20.0, dtype=np.float32)
    logits[200:] = 20.0  # an image of 100 x 300 ends at row 85
    assert LevelSets(ModelFrame((100, 300))).mask(logits) == Mask.empty((100, 300))
    logits[86:] = 20.0
    assert_level_set(logits, (100, 300), 0.0)
    logits[84:] = 20.0
    assert assert_level_set(logits, (100, 300), 0.0).area


def test_noise_is_cut_in_parts_without_seams() -> None:
    noise = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    assert_level_set(noise, (1100, 1300), 0.0)


@settings(deadline=None, max_examples=25)
@given(SIZES, st.integers(0, 1000), st.integers(0, 1000))
def test_what_is_not_a_number_is_outside_and_spoils_nothing_else(
    size: tuple[int, int], seed: int, place: int
) -> None:
    logits = blobs(seed)
    rows, columns = ModelFrame(size).size
    row, column = place % max(1, rows // 4), place * 7 % max(1, columns // 4)
    logits[row, column : column + 5] = np.nan
    full = upsampled(logits, size)
    found = LevelSets(ModelFrame(size)).mask(logits).to_array()
    clear = ~np.isnan(full)
    assert np.array_equal(found[clear], full[clear] > 0)
    # A neighbour that is not a number spoils torch's sum even where its weight is zero.
    logits[row, column : column + 5] = -np.float32(1e30)
    assert np.array_equal(found, upsampled(logits, size) > 0)


def test_infinite_logits_give_a_mask() -> None:
    logits = np.full((256, 256), -np.inf, dtype=np.float32)
    logits[50:90, 60:120] = np.inf
    mask = LevelSets(ModelFrame((500, 400))).mask(logits)
    assert mask.box[0] < 60 * 500 / 256 < 119 * 500 / 256 < mask.box[2]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 1100), st.integers(1, 3000), st.integers(0, 1000))
@example(1, 1, 0)
@example(256, 1024, 0)
@example(1024, 1024, 0)
def test_a_line_is_interpolated_as_torch_does_it(source: int, target: int, seed: int) -> None:
    line = np.random.default_rng(seed).standard_normal(source).astype(np.float32)
    # Many rows, as small outputs go through another kernel of torch's.
    rows = torch.from_numpy(np.tile(line, (200, 1)))[None, None]
    expected = functional.interpolate(rows, (200, target), mode="bilinear", align_corners=False)
    table = blend_table(source, target)
    found = blend(line[table.low], line[table.high], table.low_weight, table.high_weight)
    assert np.array_equal(found, expected[0, 0, 0].numpy())
    assert (np.diff(table.low) >= 0).all() and (np.diff(table.first) >= 0).all()

"""Everything here finds what SAM's own automatic mask generator finds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils.amg import build_point_grid, remove_small_regions
from torch import Tensor, nn
from torch.nn import functional

from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.core.prompt import Candidates, Embedding
from segstudio.models.prompt import everything
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.sam_model import SamModel

IMAGE = RgbImage(np.zeros((90, 140, 3), dtype=np.uint8))


class BlobDecoder(nn.Module):
    """Stands for the mask decoder: smooth blobs that depend on the prompt, as trained masks do.

    With random weights a real decoder answers with noise; this one gives duplicates, holes,
    islands and a range of scores.
    """

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.shape = torch.randn(256, 3 * 10 * 10, generator=generator)
        self.score = torch.randn(256, 3, generator=generator)
        self.centre = torch.randn(256, 2, generator=generator)
        self.radius = torch.tensor([25.0, 45.0, 80.0]).view(1, 3, 1, 1)

    def forward(
        self, sparse_prompt_embeddings: Tensor, multimask_output: bool, **_: Tensor
    ) -> tuple[Tensor, Tensor]:
        assert multimask_output
        point = sparse_prompt_embeddings[:, 0] / 16
        coarse = (point @ self.shape).view(-1, 3, 10, 10)
        logits = functional.interpolate(coarse, (256, 256), mode="bicubic", align_corners=False)
        x, y = (torch.sigmoid(point @ self.centre * 2) * torch.tensor([256.0, 164.0])).T
        cells = torch.arange(256.0)
        across = (cells - x[:, None])[:, None, None, :] ** 2
        down = (cells - y[:, None])[:, None, :, None] ** 2
        bump = 16 - 16 * (across + down) / self.radius**2
        return bump + 12 * logits, 0.9 + 0.08 * torch.tanh(point @ self.score)


class NoEncoder(nn.Module):
    """Stands for the image encoder, whose answer the blobs do not need."""

    img_size = 1024

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 256, 64, 64)


@pytest.fixture
def blob_model(mobile_model: SamModel) -> Iterator[SamModel]:
    network = mobile_model._network
    real = network.image_encoder, network.mask_decoder
    network.image_encoder, network.mask_decoder = NoEncoder(), BlobDecoder()
    yield mobile_model
    network.image_encoder, network.mask_decoder = real


@pytest.fixture
def blob_embedding(blob_model: SamModel) -> Embedding:
    return blob_model.encode(IMAGE, CancelToken())


def official(network: Any, asked: EverythingSettings, image: RgbImage) -> list[dict[str, Any]]:
    generator = SamAutomaticMaskGenerator(
        network,
        points_per_side=asked.points_per_side,
        points_per_batch=everything.BATCH,
        pred_iou_thresh=asked.predicted_iou,
        stability_score_thresh=asked.stability,
        stability_score_offset=asked.stability_offset,
        box_nms_thresh=asked.box_nms,
        min_mask_region_area=asked.min_region,
        output_mode="coco_rle",
    )
    answer: list[dict[str, Any]] = generator.generate(image.pixels)
    return sorted(answer, key=lambda item: -item["predicted_iou"])


def assert_same(found: Candidates, expected: list[dict[str, Any]]) -> None:
    assert len(found.items) == len(expected)
    for item, other in zip(found.items, expected, strict=True):
        assert item.mask.counts.decode() == other["segmentation"]["counts"]
        assert item.predicted_iou == pytest.approx(min(1.0, other["predicted_iou"]), abs=1e-6)
        assert item.stability == pytest.approx(other["stability_score"], abs=1e-6)
        assert item.mask.area == other["area"]


def run(model: SamModel, embedding: Embedding, asked: EverythingSettings) -> Candidates:
    return model.everything(embedding, asked, ignore_progress, CancelToken())


@pytest.mark.parametrize(
    "asked",
    [
        EverythingSettings(points_per_side=9, stability=0.8),
        EverythingSettings(points_per_side=9, stability=0.8, min_region=40),
        EverythingSettings(points_per_side=9, stability=0.6, min_region=900, box_nms=0.9),
        EverythingSettings(points_per_side=5, predicted_iou=0.0, stability=0.0, box_nms=1.0),
        EverythingSettings(points_per_side=7, stability=0.9, stability_offset=0.5, box_nms=0.4),
    ],
    ids=["plain", "small regions", "large regions", "no thresholds", "other offset"],
)
def test_the_same_masks_as_the_official_generator(
    blob_model: SamModel, blob_embedding: Embedding, asked: EverythingSettings
) -> None:
    expected = official(blob_model._network, asked, IMAGE)
    assert len(expected) > 3, "a case that shows nothing"
    assert_same(run(blob_model, blob_embedding, asked), expected)


def test_the_same_masks_with_the_real_decoder(
    mobile_model: SamModel, mobile_embedding: Embedding, official_mobile: Any
) -> None:
    asked = EverythingSettings(
        points_per_side=3, predicted_iou=0.5, stability=0.2, box_nms=1.0, min_region=5
    )
    network = mobile_model._network
    features = torch.from_numpy(mobile_embedding.arrays["image_embedding"])
    real = network.image_encoder
    network.image_encoder = NoEncoder()
    network.image_encoder.forward = lambda _: features  # type: ignore[method-assign]
    try:
        expected = official(network, asked, official_mobile.image)
    finally:
        network.image_encoder = real
    assert len(expected) > 1, "a case that shows nothing"
    assert_same(run(mobile_model, mobile_embedding, asked), expected)


def test_the_grid_is_the_official_one() -> None:
    for side in (1, 2, 7, 32):
        expected = build_point_grid(side) * [140, 90]
        np.testing.assert_array_equal(everything.point_grid(side, (90, 140)), expected)


def test_progress_counts_points_up_to_all_of_them(
    blob_model: SamModel, blob_embedding: Embedding
) -> None:
    seen: list[Progress] = []
    blob_model.everything(
        blob_embedding, EverythingSettings(points_per_side=7), seen.append, CancelToken()
    )
    assert [step.done for step in seen] == [0, 16, 32, 48, 49]
    assert {step.total for step in seen} == {49}


def test_cancelling_stops_before_the_next_batch(
    blob_model: SamModel, blob_embedding: Embedding
) -> None:
    token = CancelToken()
    seen: list[int] = []

    def cancel_at_the_second(progress: Progress) -> None:
        seen.append(progress.done)
        if progress.done == 16:
            token.cancel()

    with pytest.raises(Cancelled):
        blob_model.everything(
            blob_embedding, EverythingSettings(points_per_side=7), cancel_at_the_second, token
        )
    assert seen == [0, 16]


def test_a_grid_without_points_is_refused(blob_model: SamModel, blob_embedding: Embedding) -> None:
    with pytest.raises(BadInputError, match="at least one point"):
        run(blob_model, blob_embedding, EverythingSettings(points_per_side=0))


def test_masks_are_kept_as_runs_not_as_pixels(blob_model: SamModel) -> None:
    """All masks of a 12 megapixel image take less memory than one of them as an array."""
    image = RgbImage(np.zeros((3000, 4000, 3), dtype=np.uint8))
    embedding = blob_model.encode(image, CancelToken())
    asked = EverythingSettings(points_per_side=3, stability=0.5, box_nms=1.0)
    tracemalloc.start()
    found = run(blob_model, embedding, asked)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.items) > 3
    assert kept < 12_000_000


def blobs(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    smooth: np.ndarray = cv2.GaussianBlur(noise, (0, 0), 1.5) > 0.08
    return smooth


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.data()
)
def test_small_regions_go_as_in_the_official_code(
    seed: int, height: int, width: int, min_area: int, data: st.DataObject
) -> None:
    array = np.zeros((height, width), dtype=bool)
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    array[y0:, x0:] = blobs(seed, height - y0, width - x0)
    expected, _ = remove_small_regions(array, min_area, mode="holes")
    expected, _ = remove_small_regions(expected, min_area, mode="islands")
    if not array.any():
        expected = array  # the official code never sees an empty mask
    cleaned = everything.remove_small_regions(Mask.from_array(array), min_area)
    assert np.array_equal(cleaned.to_array(), expected)

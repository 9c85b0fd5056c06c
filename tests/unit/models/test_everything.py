"""Everything here finds what SAM's own automatic mask generator finds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from blob_network import BlobAnswers, NoEncoder, blob_network
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils.amg import build_point_grid
from torch import Tensor

from segstudio.core.errors import BadInputError, Cancelled, DeviceError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.core.prompt import Candidate, Embedding
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.everything import point_grid, segment_everything
from segstudio.models.prompt.point_batches import BATCH
from segstudio.models.prompt.sam_model import SamModel

IMAGE = RgbImage(np.zeros((90, 140, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def network() -> Any:
    return blob_network()


@pytest.fixture
def decode(network: Any) -> BlobAnswers:
    return BlobAnswers(network)


def official(
    network: Any, asked: EverythingSettings, image: RgbImage = IMAGE
) -> list[dict[str, Any]]:
    generator = SamAutomaticMaskGenerator(
        network,
        points_per_side=asked.points_per_side,
        points_per_batch=BATCH,
        pred_iou_thresh=asked.predicted_iou,
        stability_score_thresh=asked.stability,
        stability_score_offset=asked.stability_offset,
        box_nms_thresh=asked.box_nms,
        min_mask_region_area=asked.min_region,
        crop_n_layers=asked.crop_layers,
        crop_overlap_ratio=asked.crop_overlap,
        crop_n_points_downscale_factor=asked.crop_downscale,
        crop_nms_thresh=asked.crop_nms,
        output_mode="coco_rle",
    )
    answer: list[dict[str, Any]] = generator.generate(image.pixels)
    return sorted(answer, key=lambda item: -item["predicted_iou"])


def assert_same(found: Sequence[Candidate], expected: list[dict[str, Any]]) -> None:
    assert len(found) == len(expected)
    for item, other in zip(found, expected, strict=True):
        assert item.mask.counts.decode() == other["segmentation"]["counts"]
        assert item.predicted_iou == pytest.approx(min(1.0, other["predicted_iou"]), abs=1e-6)
        assert item.stability == pytest.approx(other["stability_score"], abs=1e-6)
        assert item.mask.area == other["area"]
        assert item.point == pytest.approx(other["point_coords"][0])
        assert item.crop is not None
        assert [*item.crop.xywh] == other["crop_box"]


def run(decode: BlobAnswers, asked: EverythingSettings) -> tuple[Candidate, ...]:
    return segment_everything(
        decode, IMAGE.size, asked, ignore_progress, CancelToken(), decode_crop=lambda _: decode
    )


@pytest.mark.parametrize(
    "asked",
    [
        EverythingSettings(points_per_side=5, stability=0.8),
        EverythingSettings(points_per_side=5, stability=0.8, min_region=40),
        EverythingSettings(points_per_side=5, stability=0.6, min_region=900, box_nms=0.9),
        EverythingSettings(points_per_side=3, predicted_iou=0.0, stability=0.0, box_nms=1.0),
        EverythingSettings(points_per_side=5, stability=0.9, stability_offset=0.5, box_nms=0.4),
    ],
    ids=["plain", "small regions", "large regions", "no thresholds", "other offset"],
)
def test_the_same_masks_as_the_official_generator(
    network: Any, decode: BlobAnswers, asked: EverythingSettings
) -> None:
    expected = official(network, asked)
    assert len(expected) > 3, "a case that shows nothing"
    assert_same(run(decode, asked), expected)


@pytest.mark.parametrize(
    "asked",
    [
        EverythingSettings(points_per_side=3, stability=0.7, crop_layers=1),
        EverythingSettings(
            points_per_side=4, stability=0.6, crop_layers=2, crop_downscale=2, min_region=30
        ),
        EverythingSettings(
            points_per_side=2, stability=0.5, crop_layers=1, crop_overlap=0.6, crop_nms=0.4
        ),
    ],
    ids=["one layer", "two thinner layers", "much overlap"],
)
def test_crop_layers_give_the_same_masks_as_the_official_generator(
    network: Any, decode: BlobAnswers, asked: EverythingSettings
) -> None:
    expected = official(network, asked)
    crops = {tuple(item["crop_box"]) for item in expected}
    assert len(crops) > 2, "a case that shows nothing"
    assert_same(run(decode, asked), expected)


def test_crops_that_nobody_can_encode_are_refused(decode: BlobAnswers) -> None:
    asked = EverythingSettings(points_per_side=4, crop_layers=1)
    with pytest.raises(BadInputError, match="crops"):
        segment_everything(decode, IMAGE.size, asked, ignore_progress, CancelToken())


@pytest.mark.parametrize(
    "asked",
    [
        EverythingSettings(points_per_side=0),
        EverythingSettings(points_per_side=3, crop_layers=2, crop_downscale=2),
    ],
)
def test_a_grid_without_points_is_refused(decode: BlobAnswers, asked: EverythingSettings) -> None:
    with pytest.raises(BadInputError, match="at least one point"):
        run(decode, asked)


def test_crops_without_pixels_are_refused(decode: BlobAnswers) -> None:
    asked = EverythingSettings(points_per_side=4, crop_layers=3, crop_overlap=0.0)
    with pytest.raises(BadInputError, match="too small"):
        segment_everything(
            decode, (9, 9), asked, ignore_progress, CancelToken(), decode_crop=lambda _: decode
        )


def test_the_same_masks_with_the_real_decoder(
    mobile_model: SamModel, mobile_embedding: Embedding, mobile_image: RgbImage
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
        expected = official(network, asked, mobile_image)
    finally:
        network.image_encoder = real
    assert len(expected) > 1, "a case that shows nothing"
    found = mobile_model.everything(mobile_embedding, asked, ignore_progress, CancelToken()).items
    # Random weights give masks of noise, so the last bits of the logits show in some pixels.
    assert len(found) == len(expected)
    for item, other in zip(found, expected, strict=True):
        mask = Mask.from_coco(**other["segmentation"])
        assert item.mask.iou(mask) > 0.999
        assert item.stability == pytest.approx(other["stability_score"], abs=1e-3)
        assert item.point == pytest.approx(other["point_coords"][0])


def test_the_grid_is_the_official_one() -> None:
    for side in (1, 2, 7, 32):
        expected = build_point_grid(side) * [140, 90]
        np.testing.assert_array_equal(point_grid(side, (90, 140)), expected)


def test_progress_counts_points_up_to_all_of_them(decode: BlobAnswers) -> None:
    seen: list[Progress] = []
    asked = EverythingSettings(points_per_side=7)
    segment_everything(decode, IMAGE.size, asked, seen.append, CancelToken())
    assert [step.done for step in seen] == [0, 16, 32, 48, 49]
    assert {step.total for step in seen} == {49}
    assert {step.text for step in seen} == {"Segmenting everything"}


def test_cancelling_stops_before_the_next_batch(decode: BlobAnswers) -> None:
    token = CancelToken()
    seen: list[int] = []

    def cancel_at_the_second(progress: Progress) -> None:
        seen.append(progress.done)
        if progress.done == 16:
            token.cancel()

    asked = EverythingSettings(points_per_side=7)
    with pytest.raises(Cancelled):
        segment_everything(decode, IMAGE.size, asked, cancel_at_the_second, token)
    assert seen == [0, 16]


class ShortOfMemory:
    """A decoder that answers up to `most` points at once."""

    def __init__(self, decode: BlobAnswers, most: int) -> None:
        self.decode, self.most = decode, most
        self.sizes: list[int] = []

    def __call__(
        self, points: npt.NDArray[np.float64], threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.sizes.append(len(points))
        if len(points) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.decode(points, threshold)


def test_batches_get_smaller_until_they_fit_and_the_masks_stay_the_same(
    decode: BlobAnswers,
) -> None:
    asked = EverythingSettings(points_per_side=5, stability=0.8)
    short = ShortOfMemory(decode, most=3)
    seen: list[Progress] = []
    found = segment_everything(short, IMAGE.size, asked, seen.append, CancelToken())
    assert short.sizes == [16, 8, 4, *[2] * 12, 1]
    assert "in batches of 2 as the device's memory is short" in seen[-1].text
    assert seen[-1].done == seen[-1].total == 25
    expected = run(decode, asked)
    assert [item.mask for item in found] == [item.mask for item in expected]


def test_memory_too_short_for_one_point_is_an_error_of_the_device(
    mobile_model: SamModel, mobile_embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoMemory:
        def __call__(self, *_: object) -> tuple[Tensor, Tensor, Tensor]:
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(mobile_model, "point_decoder", lambda _: NoMemory())
    with pytest.raises(DeviceError, match="out of memory"):
        mobile_model.everything(
            mobile_embedding, EverythingSettings(points_per_side=4), ignore_progress, CancelToken()
        )


def test_masks_are_kept_as_runs_not_as_pixels(decode: BlobAnswers) -> None:
    """All masks of a 12 megapixel image take less memory than one of them as an array."""
    asked = EverythingSettings(points_per_side=3, stability=0.5, box_nms=1.0)
    tracemalloc.start()
    found = segment_everything(decode, (3000, 4000), asked, ignore_progress, CancelToken())
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) > 3
    assert kept < 12_000_000
    assert peak < 3 * 12_000_000, "as arrays one mask alone would take this once or twice"


def test_what_is_surely_unstable_is_dropped_early_and_nothing_else(decode: BlobAnswers) -> None:
    """The estimate on cells never loses a mask that the exact count would have kept."""
    sizes = ((700, 300), (33, 1000))
    for seed, size in enumerate(sizes):
        everyone = EverythingSettings(points_per_side=5, predicted_iou=0.0, stability=0.0)
        asked = replace(everyone, stability=0.9, box_nms=1.0)
        everyone = replace(everyone, box_nms=1.0)
        found, whole = (
            segment_everything(decode, size, wanted, ignore_progress, CancelToken())
            for wanted in (asked, everyone)
        )
        expected = [item.mask for item in whole if np.float32(item.stability) >= np.float32(0.9)]
        assert [item.mask for item in found] == expected, seed
        assert 3 < len(expected) < len(whole)

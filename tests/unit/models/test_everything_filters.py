"""Filters over raw results, asked once with low floors, leave what SAM itself would have kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from blob_network import BlobAnswers, blob_network

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Candidate, Candidates
from segstudio.engine.everything_results import RawResults, from_bytes, raw_settings, to_bytes
from segstudio.engine.picks import PickFilters, PickList
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.everything import segment_everything

IMAGE = RgbImage(np.zeros((90, 140, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def network() -> Any:
    return blob_network()


def everything(network: Any, settings: EverythingSettings) -> tuple[Candidate, ...]:
    decode = BlobAnswers(network)

    def decode_crop(_: Box) -> BlobAnswers:
        return decode

    return segment_everything(
        decode, IMAGE.size, settings, ignore_progress, CancelToken(), decode_crop=decode_crop
    )


@pytest.mark.parametrize(
    ("layers", "points", "thresholds"),
    [
        (0, 7, ((0.88, 0.95, 0.7), (0.8, 0.8, 0.5), (0.9, 0.85, 0.95))),
        (1, 4, ((0.88, 0.85, 0.7), (0.8, 0.8, 0.9))),
    ],
    ids=["whole image", "a layer of crops"],
)
def test_any_thresholds_leave_exactly_the_models_own_masks(
    network: Any, layers: int, points: int, thresholds: tuple[tuple[float, float, float], ...]
) -> None:
    own = replace(raw_settings(layers), points_per_side=points)
    found = Candidates(everything(network, own), "blobs-1")
    raw = RawResults.of(IMAGE.key, own, found)
    picks = PickList(from_bytes(to_bytes(raw)), CancelToken())
    counts = set()
    for iou, stability, overlap in thresholds:
        asked = EverythingSettings(
            points_per_side=points,
            predicted_iou=iou,
            stability=stability,
            box_nms=overlap,
            crop_layers=layers,
        )
        kept = [picks.items[n] for n in picks.filtered(PickFilters(iou, stability, overlap))]
        assert kept == list(everything(network, asked))
        counts.add(len(kept))
    assert len(counts) > 1
    assert 3 < max(counts) < len(picks)

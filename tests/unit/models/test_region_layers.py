"""Crop layers of the built-in model: small things are found that are lost in the whole image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import crop_encoder
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.registry import EMBEDDED_MODEL, prompt_model

SIZE = (560, 840)
RADIUS = 6


def dots() -> tuple[RgbImage, list[Mask]]:
    """Red dots on a green ground with grain, and where each of them is."""
    pixels = np.full((*SIZE, 3), (40, 110, 60), dtype=np.uint8)
    truth = []
    for y in range(70, SIZE[0], 140):
        for x in range(70, SIZE[1], 140):
            cv2.circle(pixels, (x, y), RADIUS, (220, 60, 40), -1)
            alone = np.zeros(SIZE, dtype=np.uint8)
            truth.append(Mask.from_array(cv2.circle(alone, (x, y), RADIUS, 1, -1)))
    grain = np.random.default_rng(0).integers(0, 12, pixels.shape, dtype=np.uint8)
    return RgbImage(cv2.add(pixels, grain)), truth


def test_small_things_are_found_in_crops_and_each_only_once() -> None:
    model = prompt_model(EMBEDDED_MODEL).load(None, "cpu")
    image, truth = dots()
    token, seen = CancelToken(), list[Progress]()
    embedding = model.encode(image, token)
    crops = crop_encoder(model, EmbeddingCache(None, 1 << 26, 0), image, token)

    whole = model.everything(embedding, EverythingSettings(), ignore_progress, token)
    settings = EverythingSettings(crop_layers=2)
    layered = model.everything(embedding, settings, seen.append, token, crops)

    def found(masks: list[Mask]) -> list[int]:
        return [sum(mask.iou(dot) > 0.8 for mask in masks) for dot in truth]

    assert sum(found([item.mask for item in whole.items])) < len(truth) / 2
    assert found([item.mask for item in layered.items]) == [1] * len(truth)
    scores = [item.predicted_iou for item in layered.items]
    assert scores == sorted(scores, reverse=True)
    assert any("part 21 of 21" in step.text for step in seen)


def test_a_grid_without_points_is_refused_in_every_layer() -> None:
    model = prompt_model(EMBEDDED_MODEL).load(None, "cpu")
    image, _ = dots()
    embedding = model.encode(image, CancelToken())
    settings = EverythingSettings(points_per_side=2, crop_layers=1, crop_downscale=4)
    with pytest.raises(BadInputError):
        model.everything(embedding, settings, ignore_progress, CancelToken())

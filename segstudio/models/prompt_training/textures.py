"""Procedural fields, textures and outlines: what a scene has where no photograph serves."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.canvas import Floats, Image, Rng


def noise(rng: Rng, height: int, width: int, cells: int, channels: int = 1) -> Floats:
    """(H, W, channels) float32, smooth, of about unit variance at `cells` across."""
    grid = rng.standard_normal((max(2, cells), max(2, cells), channels), dtype=np.float32)
    field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, dtype=np.float32).reshape(height, width, channels)


def colour(rng: Rng) -> Floats:
    """(3,) float32 RGB of 0 to 255, more often dull than vivid."""
    grey = rng.uniform(20, 235)
    return np.asarray(np.clip(grey + rng.normal(0, rng.uniform(5, 60), 3), 0, 255), np.float32)


def procedural(rng: Rng, height: int, width: int) -> Floats:
    """(H, W, 3) float32 of 0 to 255: two colours that run into each other, grain, now and then
    stripes, checks or dots."""
    first, second = colour(rng), colour(rng)
    mix = np.clip(0.5 + 0.5 * noise(rng, height, width, int(rng.integers(2, 6))), 0, 1)
    image = first * mix + second * (1 - mix)
    for cells in (12, 40, 96):
        strength = np.float32(rng.uniform(0, 16))
        image += noise(rng, height, width, min(cells, height, width)) * strength
    if rng.random() < 0.35:
        image += _pattern(rng, height, width)[..., None]
    return np.asarray(np.clip(image, 0, 255), dtype=np.float32)


def _pattern(rng: Rng, height: int, width: int) -> Floats:
    """(H, W) float32 about 0: stripes, checks or dots."""
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(3), np.log(40)))
    x = np.arange(width, dtype=np.float32)[None] * np.float32(2 * np.pi / period)
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(2 * np.pi / period)
    along = np.sin(x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)))
    form = rng.random()
    if form < 0.6:
        across = np.sin(y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle)))
        along = along * across if form < 0.3 else np.minimum(along, across)
    if rng.random() < 0.5:
        along = np.clip(along * 4, -1, 1)
    return along * np.float32(rng.uniform(6, 50))


def blob(rng: Rng, side: int) -> Image:
    """(side, side) uint8, 255 within a random outline: smooth, or a polygon."""
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radii = np.ones_like(angles)
    for order in range(1, 8):
        swing = rng.normal() * 0.45 / order**1.1
        radii += swing * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    radii = np.clip(radii, 0.15, None)
    radii *= side / 2 * 0.97 / radii.max()
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + side / 2
    if rng.random() < 0.35:
        points = points[np.sort(rng.choice(len(points), int(rng.integers(4, 9)), replace=False))]
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], (255.0,), cv2.LINE_AA)
    return mask


def patches(rng: Rng, height: int, width: int, count: int) -> npt.NDArray[np.intp]:
    """(H, W) of 0 to count - 1: bands above each other, smooth patches, or cells."""
    form = rng.random()
    if form < 0.4:
        edges = np.sort(rng.uniform(0.1, 0.9, count - 1))
        heights = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        wave = noise(rng, height, width, int(rng.integers(2, 7)))[..., 0]
        heights = heights + wave * np.float32(rng.uniform(0, 0.12))
        return np.asarray(np.digitize(heights, edges), dtype=np.intp)
    if form < 0.7:
        fields = noise(rng, height, width, int(rng.integers(2, 6)), count)
        return np.asarray(fields.argmax(2), dtype=np.intp)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    shake = noise(rng, height, width, 8, 2) * np.float32(rng.uniform(0, 0.05) * max(height, width))
    far = [
        np.hypot(
            x + shake[..., 0] - rng.uniform(0, width), y + shake[..., 1] - rng.uniform(0, height)
        )
        for _ in range(count)
    ]
    return np.asarray(np.argmin(far, axis=0), dtype=np.intp)

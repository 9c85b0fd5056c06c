"""How a stamp looks before it is pasted: texture, light, colours that fit behind, soft edges."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from segstudio.models.prompt_training.canvas import Floats, Rng
from segstudio.models.prompt_training.pasting import Stamp
from segstudio.models.prompt_training.textures import noise

Texture = Callable[[Rng, int, int], Floats]  # (rng, H, W) -> (H, W, 3) float32 of 0 to 255


def filled(rng: Rng, stamp: Stamp, texture: Texture) -> None:
    """A texture instead of the stamp's colours; now and then two that meet within it."""
    height, width = stamp.alpha.shape
    cloth = texture(rng, height, width)
    if rng.random() < 0.4:
        mix = np.clip(noise(rng, height, width, 3) * 8, 0, 1)
        cloth = cloth * mix + texture(rng, height, width) * (1 - mix)
    stamp.colour = cloth * stamp.alpha[..., None]


def textured(rng: Rng, stamp: Stamp, texture: Texture) -> None:
    """A texture's light and dark (and part of its colours) on the stamp's flat colours."""
    cloth = texture(rng, *stamp.alpha.shape)
    if rng.random() < 0.6:
        cloth = np.repeat(cloth.mean(2, keepdims=True), 3, axis=2)
    rough = cloth / np.maximum(cloth.mean((0, 1)), 16)
    strength = np.float32(rng.uniform(0.3, 1))
    stamp.colour *= 1 + strength * (np.clip(rough, 0.2, 2.2) - 1)


def recoloured(rng: Rng, stamp: Stamp, texture: Texture) -> None:
    """Each part turned to another colour, or, seldom, given a texture of its own."""
    for number in np.flatnonzero(np.bincount(stamp.parts.ravel())):
        if number == 0 or rng.random() < 0.4:
            continue
        here = stamp.parts == number
        if rng.random() < 0.25:
            rows, columns = np.flatnonzero(here.any(1)), np.flatnonzero(here.any(0))
            window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            inside, alpha = here[window], stamp.alpha[window]
            cloth = texture(rng, *inside.shape)
            stamp.colour[window][inside] = (cloth * alpha[..., None])[inside]
        else:
            turned = cv2.transform(stamp.colour[here][None], _mixing(rng))[0]
            stamp.colour[here] = np.clip(turned, 0, 255 * stamp.alpha[here][:, None])


def _mixing(rng: Rng) -> Floats:
    """(3, 3): channels in another order, each scaled."""
    order = rng.permutation(3)
    mix = np.eye(3)[order] * rng.uniform(0.4, 1.3, (3, 1))
    return np.asarray(mix * 0.9 + rng.uniform(0, 0.1, (3, 3)), dtype=np.float32)


def shaded(rng: Rng, stamp: Stamp) -> None:
    """Lit from one side, as if it bulged; unevenly."""
    height, width = stamp.alpha.shape
    shrink = max(1, max(height, width) // 48)
    small = cv2.resize(
        stamp.alpha,
        (max(4, width // shrink), max(4, height // shrink)),
        interpolation=cv2.INTER_AREA,
    )
    bulge = cv2.GaussianBlur(small, (0, 0), 0.1 * max(small.shape) + 0.5)
    angle = rng.uniform(0, 2 * np.pi)
    slope = cv2.Sobel(bulge, cv2.CV_32F, 1, 0) * np.cos(angle)
    slope = slope + cv2.Sobel(bulge, cv2.CV_32F, 0, 1) * np.sin(angle)
    slope = slope / max(1e-3, float(np.abs(slope).max())) * rng.uniform(0.1, 0.5)
    uneven = noise(rng, small.shape[0], small.shape[1], 3)[..., 0] * np.float32(
        rng.uniform(0, 0.15)
    )
    light = cv2.resize((1 + slope + uneven).astype(np.float32), (width, height))
    stamp.colour *= np.clip(light, 0.3, 1.6)[..., None]


def jittered(rng: Rng, stamp: Stamp) -> None:
    """Contrast, saturation, brightness and a cast of its own."""
    gain = rng.uniform(0.7, 1.2) * (1 + rng.normal(0, 0.06, 3))
    keep = rng.uniform(0.4, 1.2)
    mix = (keep * np.eye(3) + (1 - keep) / 3) * gain[:, None]
    stamp.colour = cv2.transform(stamp.colour, mix.astype(np.float32)).astype(np.float32)
    stamp.colour += np.float32(rng.uniform(-15, 20)) * stamp.alpha[..., None]


def matched(rng: Rng, stamp: Stamp, behind: Floats) -> None:
    """Brightness, colour temperature and contrast drawn towards what lies behind."""
    weight = float(stamp.alpha.sum()) + 1
    own = stamp.colour.sum((0, 1)) / weight
    there = behind.mean((0, 1))
    grey = float(there.mean() - own.mean())
    towards = rng.uniform(0, 0.6) * grey + rng.uniform(0, 0.35) * (there - own)
    spread = float(behind.std()) / max(8.0, float(stamp.colour.std()))
    contrast = np.float32(np.clip(spread, 0.5, 1.2) ** rng.uniform(0, 0.6))
    middle = (own * (1 - contrast) + towards).astype(np.float32)
    stamp.colour = stamp.colour * contrast + middle * stamp.alpha[..., None]


def harmonised(rng: Rng, stamp: Stamp, behind: Floats) -> None:
    """The coarse light behind goes on over the stamp: the lowest level of a pyramid is mixed."""
    height, width = stamp.alpha.shape
    size = max(2, width // 8), max(2, height // 8)
    soft = 0.15 * max(size) + 0.5
    low = cv2.resize(np.dstack([stamp.colour, stamp.alpha]), size, interpolation=cv2.INTER_AREA)
    low = cv2.GaussianBlur(low, (0, 0), soft)
    there = cv2.GaussianBlur(cv2.resize(behind, size, interpolation=cv2.INTER_AREA), (0, 0), soft)
    off = (there - low[..., :3] / np.maximum(low[..., 3:], 0.05)) * np.float32(
        rng.uniform(0.1, 0.5)
    )
    stamp.colour += cv2.resize(off, (width, height)) * stamp.alpha[..., None]


def softened(rng: Rng, stamp: Stamp) -> None:
    """Blurred as a whole, so that its edge lets through what is behind."""
    sigma = float(np.exp(rng.uniform(np.log(0.35), np.log(1.6))))
    sigma = min(sigma, 0.04 * max(stamp.alpha.shape) + 0.35)
    stamp.colour = np.asarray(cv2.GaussianBlur(stamp.colour, (0, 0), sigma), dtype=np.float32)
    stamp.alpha = np.asarray(cv2.GaussianBlur(stamp.alpha, (0, 0), sigma), dtype=np.float32)


def wrapped(rng: Rng, stamp: Stamp, behind: Floats) -> None:
    """Light from behind over the rim."""
    rim = 1 - cv2.GaussianBlur(stamp.alpha, (0, 0), rng.uniform(0.8, 2.5))
    rim = np.clip(rim, 0, 1) * stamp.alpha * np.float32(rng.uniform(0.2, 0.7))
    glow = cv2.blur(behind, (7, 7))
    stamp.colour = stamp.colour * (1 - rim)[..., None] + glow * (rim * stamp.alpha)[..., None]


def bounded(stamp: Stamp) -> None:
    """No colour below black or above white."""
    np.clip(stamp.colour, 0, np.float32(255) * stamp.alpha[..., None], out=stamp.colour)

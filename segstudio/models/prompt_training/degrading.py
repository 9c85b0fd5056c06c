"""What cameras and files do to a whole image: colour, focus, noise, JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from segstudio.models.prompt_training.canvas import Floats, Image, Rng, to_bytes
from segstudio.models.prompt_training.textures import noise

_GRAIN = 384  # px, the side of the field of noise that grain is cut from


class Degrading:
    """Made once: its field of grain is drawn by the seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 0x6E])
        self._grain = rng.standard_normal((_GRAIN, _GRAIN, 3), dtype=np.float32)

    def __call__(self, rng: Rng, image: Image) -> Image:
        """(H, W, 3) uint8 RGB again."""
        out = tone(rng, image.astype(np.float32))
        if rng.random() < 0.1:
            out = vignetted(rng, out)
        if rng.random() < 0.3:
            out = blurred(rng, out)
        if rng.random() < 0.5:
            out += self._grained(rng, *out.shape[:2])
        if rng.random() < 0.02:
            out[:] = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None]
        whole = to_bytes(out)
        return compressed(whole, int(rng.integers(30, 96))) if rng.random() < 0.5 else whole

    def _grained(self, rng: Rng, height: int, width: int) -> Floats:
        """Grain of one channel or three, fine or coarse."""
        strength = np.float32(np.exp(rng.uniform(np.log(1), np.log(14))))
        top, left = rng.integers(0, _GRAIN, 2)
        rows, columns = (np.arange(height) + top) % _GRAIN, (np.arange(width) + left) % _GRAIN
        field = self._grain[rows][:, columns, : 1 if rng.random() < 0.5 else 3]
        if rng.random() < 0.3:
            coarse = cv2.blur(field, (2, 2)).reshape(height, width, -1)
            return np.asarray(coarse * (2 * strength), dtype=np.float32)
        return np.asarray(field * strength, dtype=np.float32)


def tone(rng: Rng, image: Floats) -> Floats:
    """Gamma, contrast, saturation and a cast, each mild and not always."""
    if rng.random() < 0.4:
        steps = np.arange(256, dtype=np.float32) / 255
        gamma = np.exp(rng.normal(0, 0.25))
        gain, lift = rng.uniform(0.85, 1.1), rng.uniform(-15, 15)
        curve = np.clip(255 * steps**gamma * gain + lift, 0, 255).astype(np.uint8)
        image = cv2.LUT(to_bytes(image), curve).astype(np.float32)
    if rng.random() < 0.4:
        warm = rng.normal(0, 0.06)
        cast = np.array([1 + warm, 1 + rng.normal(0, 0.03), 1 - warm])
        colourful = rng.uniform(0.3, 1.3)
        mix = (colourful * np.eye(3) + (1 - colourful) / 3) * cast[:, None]
        return np.asarray(cv2.transform(image, mix.astype(np.float32)), dtype=np.float32)
    return image


def vignetted(rng: Rng, image: Floats) -> Floats:
    """Darker towards the corners, or unevenly lit."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        uneven = np.clip(noise(rng, height, width, 3) * np.float32(0.15), -0.4, 0.4)
        return np.asarray(image * (1 + uneven), dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
    dark = np.float32(rng.uniform(0.1, 0.35)) * (x + y)
    return np.asarray(image * (1 - dark)[..., None], dtype=np.float32)


def blurred(rng: Rng, image: Floats) -> Floats:
    """Out of focus, shaken, or scaled down and up."""
    form = rng.random()
    if form < 0.5:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4)), dtype=np.float32)
    height, width = image.shape[:2]
    if form < 0.85:
        scale = rng.uniform(0.4, 0.9)
        size = max(8, round(width * scale)), max(8, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        how = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(small, (width, height), interpolation=how), dtype=np.float32)
    length = int(rng.integers(2, 6))
    shape = (length, 1) if rng.random() < 0.7 else (1, length)
    return np.asarray(cv2.blur(image, shape), dtype=np.float32)


def compressed(image: Image, quality: int) -> Image:
    """As it comes out of a JPEG file."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)

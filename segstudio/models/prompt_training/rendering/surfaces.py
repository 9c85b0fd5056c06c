"""Materials and textures of several models as the flat tables that the compiled loops read."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segstudio.models.prompt_training.rendering.obj_files import Material
from segstudio.models.prompt_training.rendering.rasterizer import Materials, Textures

LARGEST = 512  # pixels a side of a texture: as many as a picture has
_LEVELS = 10

Bytes = npt.NDArray[np.uint8]


def linear(colour: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """sRGB, 0 to 1, as light (IEC 61966-2-1)."""
    value = np.asarray(colour, dtype=float)
    return np.asarray(np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4))


def encoded(light: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Light, 0 to 1, as sRGB (IEC 61966-2-1)."""
    value = np.clip(light, 0, 1).astype(np.float32)
    return np.asarray(
        np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055), np.float32
    )


def read_texture(path: Path, alpha: Path | None = None) -> Bytes | None:
    """(H, W, 4) uint8 RGBA, at most `LARGEST` a side; None where it is no image."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            image.thumbnail((LARGEST, LARGEST))
            pixels = np.array(image.convert("RGBA"))
        if alpha is not None and alpha != path:
            with Image.open(alpha) as image:
                shape = (pixels.shape[1], pixels.shape[0])
                pixels[..., 3] = np.array(image.convert("L").resize(shape))
    except (OSError, ValueError, SyntaxError):
        return None
    return pixels


class Palette:
    """Gathers the materials and the textures of one picture."""

    def __init__(self) -> None:
        self._materials: list[tuple[Material, int, bool]] = []
        self._images: list[Bytes] = []
        self._known: dict[int, int] = {}

    def texture(self, image: Bytes) -> int:
        """The number of a texture (H, W, 4); the same array is held once."""
        if id(image) not in self._known:
            self._known[id(image)] = len(self._images)
            self._images.append(image)
        return self._known[id(image)]

    def add(self, material: Material, image: Bytes | None = None) -> int:
        """The number of a material with its texture, where it has one."""
        number = -1 if image is None else self.texture(image)
        holes = image is not None and bool((image[..., 3] < 128).mean() > 0.002)
        self._materials.append((material, number, holes))
        return len(self._materials) - 1

    def materials(self) -> Materials:
        rows = self._materials
        diffuse = [_tint(material, number >= 0) for material, number, _ in rows]
        return Materials(
            linear(diffuse).astype(np.float32).reshape(-1, 3),
            np.array([_mirroring(m) for m, _, _ in rows], np.float32).reshape(-1, 3),
            np.array([m.shine for m, _, _ in rows], np.float32),
            np.array([m.opacity for m, _, _ in rows], np.float32),
            np.array([number for _, number, _ in rows], np.int32),
            np.array([holes for _, _, holes in rows], np.uint8),
        )

    def textures(self) -> Textures:
        texels, levels, start = [], np.zeros((max(len(self._images), 1), _LEVELS, 3), np.int64), 0
        levels[..., 1:] = 1
        for index, image in enumerate(self._images):
            texture = image
            for level in range(_LEVELS):
                height, width = texture.shape[:2]
                levels[index, level] = start, width, height
                if level and max(height, width) == 1:
                    levels[index, level:] = levels[index, level - 1]
                    break
                texels.append(texture.reshape(-1, 4))
                start += height * width
                half = (max(width // 2, 1), max(height // 2, 1))
                texture = np.asarray(
                    cv2.resize(texture, half, interpolation=cv2.INTER_AREA), np.uint8
                )
        flat = np.concatenate(texels) if texels else np.full((1, 4), 255, np.uint8)
        return Textures(np.ascontiguousarray(flat), levels)


def _tint(material: Material, textured: bool) -> tuple[float, float, float]:
    # A texture's colour is multiplied by the diffuse one, which many exporters leave black or grey.
    grey = max(material.diffuse) - min(material.diffuse) < 0.08
    if textured and (grey or max(material.diffuse) < 0.1):
        return (1.0, 1.0, 1.0)
    return material.diffuse


def _mirroring(material: Material) -> npt.NDArray[np.float64]:
    """Reflectance at right angles: of metals where the diffuse colour is dark, else of plastic."""
    strong = linear(material.specular)
    metal = float(strong.max()) > 0.3 and max(material.diffuse) < 0.25 and material.texture is None
    return strong * 0.8 if metal else 0.02 + 0.12 * strong

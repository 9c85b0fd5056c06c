"""Floors, walls and skies: textures that are made up, and pictures far behind."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.rendering.surfaces import Bytes, linear

SIDE = 256  # pixels of a made-up texture

Floats = npt.NDArray[np.float64]


def clouds(rng: np.random.Generator, side: int, roughness: float = 0.5) -> Floats:
    """(side, side) noise of many scales that can be tiled, mean 0, deviation 1."""
    total, weight, cells = np.zeros((side, side)), 1.0, 4
    while cells <= side:
        grid = rng.normal(size=(cells, cells))
        grid = np.pad(grid, 2, mode="wrap").astype(np.float32)
        step = side // cells
        large = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += weight * large[2 * step : 2 * step + side, 2 * step : 2 * step + side]
        weight, cells = weight * roughness, cells * 2
    return np.asarray((total - total.mean()) / max(total.std(), 1e-6))


def _paint(rng: np.random.Generator, low: float = 0.15, high: float = 0.9) -> Floats:
    """A colour as walls and floors have it: seldom strong."""
    value, strength = rng.uniform(low, high), abs(rng.normal()) * 0.12
    warm = rng.normal() * strength
    return np.clip(value + np.array([warm, rng.normal() * strength * 0.4, -warm]), 0.03, 0.97)


def _plaster(rng: np.random.Generator) -> Floats:
    rough = clouds(rng, SIDE, rng.uniform(0.4, 0.95)) * rng.uniform(0, 0.05)
    return np.asarray(_paint(rng, 0.35) * (1 + rough[..., None]))


def _planks(rng: np.random.Generator) -> Floats:
    wood = np.array([0.55, 0.38, 0.24]) * rng.uniform(0.5, 1.6) + rng.normal(size=3) * 0.03
    rows = int(rng.choice([4, 8, 16]))
    height = SIDE // rows
    out = np.empty((SIDE, SIDE, 3))
    for row in range(rows):
        grain = np.roll(clouds(rng, SIDE, 0.6), int(rng.integers(SIDE)), axis=1)
        short = grain[:height, : SIDE // 8]
        long = cv2.resize(short, (SIDE, height), interpolation=cv2.INTER_CUBIC)
        tone = 1 + rng.normal() * 0.1 + long[..., None] * 0.06
        out[row * height : (row + 1) * height] = wood * tone
        out[row * height] *= 0.55
        out[row * height : (row + 1) * height, rng.integers(SIDE)] *= 0.6
    return out


def _tiles(rng: np.random.Generator) -> Floats:
    count = int(rng.choice([2, 4, 8]))
    one, two = _paint(rng), _paint(rng)
    if rng.random() < 0.6:
        two = one * (1 + rng.normal() * 0.03)
    y, x = np.mgrid[:SIDE, :SIDE] * count // SIDE
    odd = ((x + y) % 2)[..., None]
    tone = 1 + rng.normal(size=(count, count))[y, x][..., None] * 0.03
    out = np.where(odd == 1, one, two) * tone * (1 + clouds(rng, SIDE)[..., None] * 0.03)
    joint = max(SIDE // count // int(rng.integers(12, 40)), 1)
    across = np.arange(SIDE) % (SIDE // count) < joint
    inside = across[:, None] | across
    return np.asarray(np.where(inside[..., None], _paint(rng), out))


def _bricks(rng: np.random.Generator) -> Floats:
    rows, columns = 8, 4
    y, x = np.mgrid[:SIDE, :SIDE]
    row = y * rows // SIDE
    moved = (x + (row % 2) * SIDE // columns // 2) % SIDE
    tone = 1 + rng.normal(size=(rows, columns))[row, moved * columns // SIDE] * 0.12
    brick = np.array([0.6, 0.3, 0.22]) if rng.random() < 0.6 else _paint(rng)
    out = brick * (tone + clouds(rng, SIDE, 0.8) * 0.07)[..., None]
    joint = (y % (SIDE // rows) < 3) | (moved % (SIDE // columns) < 3)
    return np.asarray(np.where(joint[..., None], _paint(rng, 0.4), out))


def _stripes(rng: np.random.Generator) -> Floats:
    count = int(rng.choice([4, 8, 16, 32]))
    x = np.arange(SIDE) * count // SIDE % 2
    out = np.where(x[:, None] == 1, _paint(rng, 0.4), _paint(rng, 0.4))
    out = np.broadcast_to(out, (SIDE, SIDE, 3))
    return np.asarray(out if rng.random() < 0.7 else out.transpose(1, 0, 2))


def _grass(rng: np.random.Generator) -> Floats:
    blades = clouds(rng, SIDE, 0.95)
    patches = clouds(rng, SIDE, 0.4)
    green = np.array([0.32, 0.42, 0.16]) * rng.uniform(0.6, 1.4) + rng.normal(size=3) * 0.03
    dry = np.array([0.5, 0.45, 0.25])
    share = np.clip(0.25 + patches * 0.2, 0, 1)[..., None]
    return np.asarray((green * (1 - share) + dry * share) * (1 + blades[..., None] * 0.25))


def _earth(rng: np.random.Generator) -> Floats:
    grains = clouds(rng, SIDE, rng.uniform(0.7, 1.0))
    grey = _paint(rng, 0.2, 0.7) if rng.random() < 0.6 else np.array([0.5, 0.4, 0.3])
    return np.asarray(grey * (1 + grains[..., None] * rng.uniform(0.05, 0.2)))


_Maker = Callable[[np.random.Generator], Floats]
WALLS: tuple[_Maker, ...] = (_plaster, _plaster, _plaster, _stripes, _tiles, _bricks, _planks)
FLOORS: tuple[_Maker, ...] = (_planks, _planks, _tiles, _plaster, _earth, _stripes)
OUTSIDE: tuple[_Maker, ...] = (_grass, _grass, _earth, _earth, _tiles, _bricks)


def texture(rng: np.random.Generator, makers: tuple[_Maker, ...], found: list[Bytes]) -> Bytes:
    """(H, W, 4) uint8: made up by one of the makers, or one of those found."""
    if found and rng.random() < 0.45:
        return found[int(rng.integers(len(found)))]
    pixels = makers[int(rng.integers(len(makers)))](rng)
    out = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    out[..., :3] = np.clip(pixels, 0, 1) * 255
    return out


def far_away(
    rng: np.random.Generator, photo: npt.NDArray[np.uint8] | None, width: int, height: int
) -> npt.NDArray[np.float32]:
    """(H, W, 3) light behind everything: a photo out of focus, else a sky."""
    if photo is None:
        return _sky(rng, width, height)
    rows, columns = photo.shape[:2]
    share = rng.uniform(0.5, 1.0)
    wide = int(min(columns, rows * width / height) * share)
    high = max(int(wide * height / width), 1)
    x, y = rng.integers(columns - wide + 1), rng.integers(rows - min(high, rows) + 1)
    crop = cv2.resize(photo[y : y + high, x : x + wide], (width, height))
    blur = cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(2, 9)))
    return linear(blur / 255.0).astype(np.float32)


def _sky(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.float32]:
    down = np.linspace(0, 1, height)[:, None, None]
    blue = np.array([0.18, 0.38, 0.75]) * rng.uniform(0.7, 1.2)
    pale = np.array([0.75, 0.82, 0.9]) * rng.uniform(0.8, 1.1)
    if rng.random() < 0.4:
        blue = _paint(rng, 0.4, 0.9)
    sky = blue + (pale - blue) * down ** rng.uniform(0.6, 2)
    side = 512
    cover = clouds(rng, side, 0.55) + rng.normal() * 0.8
    spread = cv2.resize(cover[: side // 2], (width, height))
    white = np.clip(spread - 0.3, 0, 1)[..., None] * rng.uniform(0.2, 0.9)
    return np.asarray(sky * (1 - white) + white * rng.uniform(0.7, 1.0), np.float32)

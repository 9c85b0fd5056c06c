"""Light around a thing: a sky (from a photo or invented), and a sun that casts shadows."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.rendering.surfaces import linear

Floats = npt.NDArray[np.float64]

SIDE = 32  # of the octahedral map of the surroundings


class Lights(NamedTuple):
    """`harmonics` (9, 3): irradiance over pi of the surroundings; `around` (SIDE, SIDE, 3) what is
    mirrored, an octahedral map; `sun` (3,) its colour, `to_sun` (3,) a unit vector; float32."""

    harmonics: npt.NDArray[np.float32]
    around: npt.NDArray[np.float32]
    sun: npt.NDArray[np.float32]
    to_sun: npt.NDArray[np.float32]


def directions() -> tuple[Floats, Floats]:
    """Unit vectors (SIDE, SIDE, 3) of the octahedral map, y up, and the solid angle of each."""
    axis = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    u, v = np.meshgrid(axis, axis)
    y = 1 - np.abs(u) - np.abs(v)
    fold = np.maximum(-y, 0)
    x = u - np.where(u >= 0, fold, -fold)
    z = v - np.where(v >= 0, fold, -fold)
    points = np.stack([x, y, z], axis=-1)
    length = np.linalg.norm(points, axis=-1)
    solid = length**-3
    return points / length[..., None], solid / solid.sum() * 4 * np.pi


def surroundings(rng: np.random.Generator, photo: npt.NDArray[np.uint8] | None = None) -> Floats:
    """(SIDE, SIDE, 3) radiance: sky, horizon and ground, soft windows, and a photo bent around."""
    way, _ = directions()
    up = way[..., 1:2]
    sky = _colour(rng, 0.25) * rng.uniform(0.5, 1.4)
    horizon = _colour(rng, 0.2) * rng.uniform(0.4, 1.0)
    ground = _colour(rng, 0.35) * rng.uniform(0.1, 0.5)
    light = np.where(up > 0, horizon + (sky - horizon) * np.abs(up) ** 0.5, ground)
    light = light + (horizon - light) * np.exp(-8 * np.abs(up)) * 0.5
    if photo is not None:
        small = linear(cv2.resize(photo, (SIDE, SIDE // 2), interpolation=cv2.INTER_AREA) / 255.0)
        around = np.abs(np.arctan2(way[..., 0], way[..., 2]) / np.pi)
        high = np.clip(0.5 - np.arcsin(np.clip(way[..., 1], -1, 1)) / np.pi * 1.3, 0, 0.999)
        seen = small[(high * SIDE / 2).astype(int), (around * 0.999 * SIDE).astype(int)]
        seen = seen / max(seen.mean(), 0.03) * light.mean()
        light = light * 0.35 + seen * 0.65
    for _ in range(rng.integers(0, 4)):
        middle = rng.normal(size=3)
        middle[1] = abs(middle[1]) * 0.8 + 0.1
        middle /= np.linalg.norm(middle)
        lobe = np.exp((way @ middle - 1) * rng.uniform(6, 60))
        light = light + lobe[..., None] * _colour(rng, 0.15) * rng.uniform(1, 5)
    return np.asarray(light)


def _colour(rng: np.random.Generator, strength: float) -> Floats:
    """White with some tint, more often warm or cool than green or purple."""
    warm, green = rng.normal() * strength, rng.normal() * strength * 0.3
    return np.asarray(np.clip([1 + warm, 1 + green, 1 - warm], 0.15, 2.0))


def lights(
    rng: np.random.Generator, photo: npt.NDArray[np.uint8] | None = None, *, outside: bool = False
) -> Lights:
    """A sky and a sun, such that a white floor in the sun is about 1 bright."""
    around = surroundings(rng, photo)
    way, solid = directions()
    level = (around.mean(axis=-1) * solid * np.maximum(way[..., 1], 0)).sum() / np.pi
    share = rng.uniform(0.3, 0.8) if outside else rng.uniform(0.0, 0.65)
    around = around / level * (1 - share)
    high, turn = np.radians(rng.uniform(25, 80)), rng.uniform(-np.pi, np.pi)
    # More often before the thing, over a shoulder of who looks, than behind it.
    turn *= rng.uniform(0.5, 1.0)
    to_sun = np.array([np.cos(high) * np.sin(turn), np.sin(high), np.cos(high) * np.cos(turn)])
    sun = _colour(rng, 0.12) * share / max(to_sun[1], 0.5)
    return Lights(
        irradiance(around, way, solid).astype(np.float32),
        around.astype(np.float32),
        sun.astype(np.float32),
        to_sun.astype(np.float32),
    )


def irradiance(
    around: Floats,
    way: Floats,
    solid: Floats,
) -> Floats:
    """Irradiance by nine spherical harmonics (Ramamoorthi and Hanrahan, 2001), constants put in."""
    basis = np.stack(polynomials(way[..., 0], way[..., 1], way[..., 2]), axis=-1)
    norms = np.array([0.282095, *[0.488603] * 3, *[1.092548] * 3, 0.315392, 0.546274])
    gain = np.array([1.0, *[2 / 3] * 3, *[1 / 4] * 5])
    weights = np.einsum("hwb,hwc,hw->bc", basis * norms, around, solid)
    return np.asarray(weights * (norms * gain)[:, None])


def polynomials(x: Floats, y: Floats, z: Floats) -> tuple[Floats, ...]:
    """The nine harmonics' polynomials of a direction, without their constants."""
    return 1 + 0 * x, x, y, z, x * y, y * z, z * x, 3 * y * y - 1, z * z - x * x

"""Where cameras stand."""

from __future__ import annotations

import numpy as np

from segstudio.models.prompt_training.rendering.meshes import Mesh
from segstudio.models.prompt_training.rendering.rasterizer import Camera

_LOW_THINGS = 0.35  # metres: lower things lie on tables and are seen from above


def around(mesh: Mesh, rng: np.random.Generator, longest: int) -> Camera:
    """A view of one thing that fills a picture whose longer side is `longest` pixels.

    Mostly from eye level and a little above, more often from before it than from behind.
    """
    size = np.array(mesh.size)
    radius = float(np.linalg.norm(size)) / 2
    turn = rng.uniform(-np.pi, np.pi)
    if rng.random() < 0.5:
        turn *= 0.6
    low = size[1] < _LOW_THINGS or size[1] < 0.25 * size.max()
    tilt = rng.uniform(12, 65) if low else abs(rng.normal()) * 14 - 3
    tilt = np.radians(rng.uniform(35, 70) if rng.random() < 0.1 else min(tilt, 70))
    way = np.array([np.cos(tilt) * np.sin(turn), np.sin(tilt), np.cos(tilt) * np.cos(turn)])
    middle = np.array([0.0, size[1] / 2, 0.0])
    # From twice the thing's radius it is seen as by a wide lens, from seven times as by a long one.
    place = middle + way * radius * rng.uniform(2.0, 7.0)
    roll = rng.normal() * 0.05
    camera = Camera.looking(place, middle, 1.0, (0, 0), roll)
    seen = camera.project(mesh.corners.reshape(-1, 3).astype(np.float64))[:, :2]
    least, most = seen.min(axis=0), seen.max(axis=0)
    focal = (longest - 2) / float((most - least).max())
    width, height = np.ceil((most - least) * focal).astype(int) + 2
    x, y = -(least + most) / 2 * focal
    return Camera(camera.place, camera.turn, focal, int(width), int(height), (float(x), float(y)))

"""The colour of what a pixel sees: textures, sun with soft shadows, sky with occlusion, gloss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segstudio.imaging.compiling import Array, Scalar, compiled
from segstudio.models.prompt_training.rendering.lighting import SIDE, Lights
from segstudio.models.prompt_training.rendering.rasterizer import (
    Layer,
    Materials,
    Surfaces,
    Textures,
)

# sRGB bytes as light.
_BYTES = np.arange(256) / 255.0
_LIGHT = np.where(_BYTES <= 0.04045, _BYTES / 12.92, ((_BYTES + 0.055) / 1.055) ** 2.4)
_LIGHT = _LIGHT.astype(np.float32)

# Places in a disc, along Vogel's spiral (1979), and on a sphere.
_TURNS = np.arange(6) * 2.39996
_DISC = (
    np.column_stack([np.cos(_TURNS), np.sin(_TURNS)]) * np.sqrt((np.arange(6) + 0.5) / 6)[:, None]
)
_HEIGHTS = (np.arange(256) + 0.5) / 128 - 1
_SPHERE = np.column_stack(
    [
        np.sqrt(1 - _HEIGHTS**2) * np.cos(np.arange(256) * 2.39996),
        np.sqrt(1 - _HEIGHTS**2) * np.sin(np.arange(256) * 2.39996),
        _HEIGHTS,
    ]
)


class View(NamedTuple):
    """The camera as numbers: `place` (3,); `rays` (3, 3), whose product with (x, y, 1) is the way
    from the place to what is seen at pixel x, y and 1 metre ahead; `matrix` (3, 4)."""

    place: npt.NDArray[np.float64]
    rays: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]


class Shadow(NamedTuple):
    """`nearness` (S, S) of what the sun sees, `matrix` (3, 4) from the world to its pixels,
    `softness` the radius of the blur in its pixels, `offset` metres that keep a face from darkening
    itself."""

    nearness: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]
    softness: float
    offset: float


class World(NamedTuple):
    """All that is lit: `edges` (T, 3, 3) of the view, `flat` (T, 3) unit normals of triangles."""

    edges: npt.NDArray[np.float64]
    flat: npt.NDArray[np.float32]
    surfaces: Surfaces
    materials: Materials
    textures: Textures
    lights: Lights
    eye: View
    shadow: Shadow


# Rows of the scratch memory of a pixel.
_POINT, _TO, _COLOUR, _SKY, _GLOSS, _NORMAL, _FINE, _COARSE = range(8)


@compiled
def noise(x: int, y: int, k: int) -> float:
    """0 to 1, always the same at a pixel."""
    h = (x * 374761393 + y * 668265263 + k * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1103515245) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF) / 16777216.0


@compiled
def occlusion(layer: Layer, world: World, radius: Scalar, out: Array) -> None:
    """How open the half space over each point is, 0 to 1 (H/2, W/2): what lies nearer than
    `radius` metres hides it.

    After Mittring, "Finding next gen: CryEngine 2" (2007), with points in the world.
    """
    work = np.empty((8, 3))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = 1.0
            t = layer.triangle[2 * y, 2 * x]
            if t < 0:
                continue
            _place(world, 2 * x + 0.5, 2 * y + 0.5, layer.nearness[2 * y, 2 * x], work)
            facing = 0.0
            for i in range(3):
                facing += work[_TO, i] * world.flat[t, i]
            sign = 1.0 if facing > 0 else -1.0
            hidden = 0
            for k in range(12):
                some = int(noise(x, y, k) * 256)
                far = radius * (0.05 + 0.95 * ((k + 0.5) / 12) ** 1.5)
                # A point on the unit sphere about the normal's tip: as dense as the cosine.
                for i in range(3):
                    work[_NORMAL, i] = _SPHERE[some, i] + sign * world.flat[t, i]
                hidden += _hidden(layer, world.eye.matrix, radius, far, work)
            out[y, x] = 1.0 - hidden / 12


@compiled
def _hidden(layer: Layer, m: Array, radius: Scalar, far: Scalar, work: Array) -> int:
    """1 where something lies before the point `far` metres away towards the scratch normal."""
    way, start = work[_NORMAL], work[_POINT]
    scale = far / max(np.sqrt(way[0] ** 2 + way[1] ** 2 + way[2] ** 2), 1e-6)
    x, y, z = start[0] + way[0] * scale, start[1] + way[1] * scale, start[2] + way[2] * scale
    deep = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    if deep < 1e-3:
        return 0
    u = int(np.floor((m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / deep))
    v = int(np.floor((m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / deep))
    height, width = layer.triangle.shape
    if not (0 <= u < width and 0 <= v < height) or layer.nearness[v, u] <= 0:
        return 0
    before = deep - 1.0 / layer.nearness[v, u]
    return 1 if 0.02 * far + 0.002 * deep < before < 2.5 * radius else 0


@compiled
def _lit_share(point: Array, shadow: Shadow, x: int, y: int) -> float:
    m = shadow.matrix
    deep = m[2, 0] * point[0] + m[2, 1] * point[1] + m[2, 2] * point[2] + m[2, 3]
    u = (m[0, 0] * point[0] + m[0, 1] * point[1] + m[0, 2] * point[2] + m[0, 3]) / deep
    v = (m[1, 0] * point[0] + m[1, 1] * point[1] + m[1, 2] * point[2] + m[1, 3]) / deep
    size = shadow.nearness.shape[0]
    near = 1.0 / (deep - shadow.offset)
    turn, lit = noise(x, y, 77) * 6.2831853, 0.0
    c, d = shadow.softness * np.cos(turn), shadow.softness * np.sin(turn)
    for k in range(len(_DISC)):
        i, j = (
            int(u + c * _DISC[k, 0] - d * _DISC[k, 1]),
            int(v + d * _DISC[k, 0] + c * _DISC[k, 1]),
        )
        if not (0 <= i < size and 0 <= j < size) or shadow.nearness[j, i] <= near:
            lit += 1.0 / len(_DISC)
    return lit


@compiled
def _texel(textures: Textures, image: int, level: int, u: Scalar, v: Scalar, out: Array) -> None:
    """Bilinear light of a level at u, v (v up), repeated beyond its borders."""
    start, width, height = textures.levels[image, level]
    x, y = (u - np.floor(u)) * width - 0.5, (1 - (v - np.floor(v))) * height - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - x0, y - y0
    xa, xb, ya, yb = x0 % width, (x0 + 1) % width, y0 % height, (y0 + 1) % height
    for c in range(3):
        a = _LIGHT[textures.texels[start + ya * width + xa, c]]
        b = _LIGHT[textures.texels[start + ya * width + xb, c]]
        d = _LIGHT[textures.texels[start + yb * width + xa, c]]
        e = _LIGHT[textures.texels[start + yb * width + xb, c]]
        out[c] = (a * (1 - fx) + b * fx) * (1 - fy) + (d * (1 - fx) + e * fx) * fy


@compiled
def place_on(edge: Array, uvs: Array, x: Scalar, y: Scalar) -> tuple[float, float]:
    """u, v of a triangle at a pixel, right in perspective; `edge` (3, 3) its edge functions."""
    e0 = edge[0, 0] * x + edge[0, 1] * y + edge[0, 2]
    e1 = edge[1, 0] * x + edge[1, 1] * y + edge[1, 2]
    e2 = edge[2, 0] * x + edge[2, 1] * y + edge[2, 2]
    w = 1.0 / max(e0 + e1 + e2, 1e-12)
    u = (e0 * uvs[0, 0] + e1 * uvs[1, 0] + e2 * uvs[2, 0]) * w
    return u, (e0 * uvs[0, 1] + e1 * uvs[1, 1] + e2 * uvs[2, 1]) * w


@compiled
def _painted(world: World, t: int, x: Scalar, y: Scalar, work: Array) -> None:
    """Multiply the colour by the texture, at the level whose texels are as large as pixels."""
    edge, uvs, textures = world.edges[t], world.surfaces.uvs[t], world.textures
    image = world.materials.texture[world.surfaces.material[t]]
    u, v = place_on(edge, uvs, x, y)
    ux, vx = place_on(edge, uvs, x + 1, y)
    uy, vy = place_on(edge, uvs, x, y + 1)
    width, height = textures.levels[image, 0, 1], textures.levels[image, 0, 2]
    across = ((ux - u) * width) ** 2 + ((vx - v) * height) ** 2
    along = ((uy - u) * width) ** 2 + ((vy - v) * height) ** 2
    # Between the longer and the shorter side: a floor seen flat is neither grain nor mush.
    size = 0.35 * max(across, along) + 0.65 * min(across, along)
    level = min(max(0.5 * np.log2(max(size, 1e-12)), 0.0), textures.levels.shape[1] - 1.001)
    first = int(level)
    _texel(textures, image, first, u, v, work[_FINE])
    _texel(textures, image, first + 1, u, v, work[_COARSE])
    for c in range(3):
        between = work[_FINE, c] + (work[_COARSE, c] - work[_FINE, c]) * (level - first)
        work[_COLOUR, c] *= between


@compiled
def _mirrored(around: Array, x: Scalar, y: Scalar, z: Scalar, out: Array) -> None:
    """What lies in a direction of the octahedral map."""
    total = abs(x) + abs(y) + abs(z)
    u, v, h = x / total, z / total, y / total
    if h < 0:
        a = (1 - abs(v)) * (1.0 if u >= 0 else -1.0)
        v = (1 - abs(u)) * (1.0 if v >= 0 else -1.0)
        u = a
    fx, fy = min(max((u + 1) / 2 * SIDE - 0.5, 0.0), SIDE - 1.001), (v + 1) / 2 * SIDE - 0.5
    fy = min(max(fy, 0.0), SIDE - 1.001)
    i, j = int(fx), int(fy)
    fx, fy = fx - i, fy - j
    for c in range(3):
        top = around[j, i, c] * (1 - fx) + around[j, i + 1, c] * fx
        low = around[j + 1, i, c] * (1 - fx) + around[j + 1, i + 1, c] * fx
        out[c] = top * (1 - fy) + low * fy


@compiled
def _from_all_sides(h: Array, x: Scalar, y: Scalar, z: Scalar, out: Array) -> None:
    for c in range(3):
        light = h[0, c] + h[1, c] * x + h[2, c] * y + h[3, c] * z
        light += h[4, c] * x * y + h[5, c] * y * z + h[6, c] * z * x
        light += h[7, c] * (3 * y * y - 1) + h[8, c] * (z * z - x * x)
        out[c] = max(light, 0.02)


@compiled
def _place(world: World, x: Scalar, y: Scalar, nearness: Scalar, work: Array) -> None:
    """The point that is seen at a pixel, and the way from it to the camera."""
    length, rays = 0.0, world.eye.rays
    for i in range(3):
        ray = rays[i, 0] * x + rays[i, 1] * y + rays[i, 2]
        work[_POINT, i] = world.eye.place[i] + ray / nearness
        work[_TO, i] = -ray
        length += ray * ray
    for i in range(3):
        work[_TO, i] /= np.sqrt(length)


@compiled
def _normal(world: World, t: int, x: Scalar, y: Scalar, work: Array) -> None:
    """The smooth normal at a pixel, on the side of the face that is seen."""
    edge, normals, n = world.edges[t], world.surfaces.normals[t], work[_NORMAL]
    e0 = edge[0, 0] * x + edge[0, 1] * y + edge[0, 2]
    e1 = edge[1, 0] * x + edge[1, 1] * y + edge[1, 2]
    e2 = edge[2, 0] * x + edge[2, 1] * y + edge[2, 2]
    side = same = length = 0.0
    for i in range(3):
        n[i] = e0 * normals[0, i] + e1 * normals[1, i] + e2 * normals[2, i]
        side += world.flat[t, i] * work[_TO, i]
        same += world.flat[t, i] * n[i]
        length += n[i] * n[i]
    length = np.sqrt(max(length, 1e-24)) * (-1.0 if side * same < 0 else 1.0)
    for i in range(3):
        n[i] /= length


@compiled
def shade(layer: Layer, world: World, opening: Array, out: Array) -> None:
    """Fill `out` (H, W, 3) with light where the layer sees a triangle; `opening` (H/2, W/2) is
    from `occlusion`."""
    work = np.empty((8, 3))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            t = layer.triangle[y, x]
            if t < 0:
                continue
            _place(world, x + 0.5, y + 0.5, layer.nearness[y, x], work)
            _normal(world, t, x + 0.5, y + 0.5, work)
            m = world.surfaces.material[t]
            for c in range(3):
                work[_COLOUR, c] = world.materials.diffuse[m, c]
            if world.materials.texture[m] >= 0:
                _painted(world, t, x + 0.5, y + 0.5, work)
            sun, n = world.lights.to_sun, work[_NORMAL]
            cosine, lit = n[0] * sun[0] + n[1] * sun[1] + n[2] * sun[2], 0.0
            if cosine > 0:
                for i in range(3):
                    work[_SKY, i] = work[_POINT, i] + n[i] * world.shadow.offset
                lit = cosine * _lit_share(work[_SKY], world.shadow, x, y)
            _reflected(world, m, lit, opening[y // 2, x // 2], work, out[y, x])


@compiled
def _reflected(world: World, m: int, lit: Scalar, opening: Scalar, work: Array, out: Array) -> None:
    """The light that a material sends to the camera: Lambert's, and Schlick's (1994) of a gloss
    that mirrors the surroundings and has Blinn's (1977) spot of the sun; `lit` the sun's cosine."""
    n, to, sun, lights = work[_NORMAL], work[_TO], world.lights.to_sun, world.lights
    _from_all_sides(lights.harmonics, n[0], n[1], n[2], work[_SKY])
    facing = max(n[0] * to[0] + n[1] * to[1] + n[2] * to[2], 0.0)
    x, y, z = 2 * facing * n[0] - to[0], 2 * facing * n[1] - to[1], 2 * facing * n[2] - to[2]
    _mirrored(lights.around, x, y, z, work[_GLOSS])
    power, spot = world.materials.shine[m], 0.0
    smooth = min(power / 200.0, 1.0)
    if lit > 0:
        x, y, z = sun[0] + to[0], sun[1] + to[1], sun[2] + to[2]
        half = max(n[0] * x + n[1] * y + n[2] * z, 0.0)
        half /= np.sqrt(max(x * x + y * y + z * z, 1e-9))
        spot = (power + 8) / 25.0 * half**power * lit
    graze = (1 - facing) ** 5 * (0.1 + 0.9 * smooth)
    for c in range(3):
        f0 = world.materials.specular[m, c]
        f = f0 + (1 - f0) * graze * min(1.0, 0.2 + 10 * f0)
        # A rough face mirrors only the mean of what is around.
        seen = work[_SKY, c] + (work[_GLOSS, c] - work[_SKY, c]) * smooth
        diffuse = work[_SKY, c] * opening + lights.sun[c] * lit
        out[c] = work[_COLOUR, c] * (1 - f) * diffuse + f * seen * opening
        out[c] += f0 * spot * lights.sun[c]

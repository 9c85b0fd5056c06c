"""Triangles to pixels: which triangle is seen at each place, how far away, through which textures.

Homogeneous rasterization (Olano and Greer, "Triangle scan conversion using 2D homogeneous
coordinates", 1997): each triangle has three functions, linear on the screen, that are its
barycentric coordinates over w. So nothing is clipped, and the inverse depth is their sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segstudio.imaging.compiling import Array, Scalar, compiled

NEAR = 0.02  # metres: nearer things are not seen


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole: `place` (3,) in the world; `turn` (3, 3) whose rows are right, down, ahead.

    `focal` in pixels; its axis meets the image at (width / 2, height / 2), moved by `shift` xy
    pixels; pixel centres are at + 0.5.
    """

    place: npt.NDArray[np.float64]
    turn: npt.NDArray[np.float64]
    focal: float
    width: int
    height: int
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def looking(
        cls,
        place: npt.ArrayLike,
        at: npt.ArrayLike,
        focal: float,
        size: tuple[int, int],
        roll: float = 0.0,
    ) -> Camera:
        """From a place at a point, upright but for `roll` radians; `size` is (width, height)."""
        start = np.asarray(place, float)
        ahead = np.asarray(at, float) - start
        ahead = ahead / np.linalg.norm(ahead)
        up = np.array([0.0, 0.0, -1.0]) if abs(ahead[1]) > 0.9999 else np.array([0.0, 1.0, 0.0])
        right = np.cross(ahead, up)
        right = right / np.linalg.norm(right)
        down = np.cross(ahead, right)
        c, s = np.cos(roll), np.sin(roll)
        turn = np.stack([c * right + s * down, c * down - s * right, ahead])
        return cls(start, turn, focal, *size)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(3, 4): world to (x w, y w, w) with x, y in pixels and w metres ahead."""
        x, y = self.width / 2 + self.shift[0], self.height / 2 + self.shift[1]
        inner = np.array([[self.focal, 0, x], [0, self.focal, y], [0, 0, 1]])
        return np.asarray(inner @ np.column_stack([self.turn, -self.turn @ self.place]))

    def project(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """(..., 3) world to (..., 3): x, y in pixels and w."""
        out = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        w = np.where(np.abs(out[..., 2:]) < 1e-9, 1e-9, out[..., 2:])
        return np.concatenate([out[..., :2] / w, out[..., 2:]], axis=-1)

    def scaled(self, factor: int) -> Camera:
        """The same view with `factor` times as many pixels a side."""
        shift = (self.shift[0] * factor, self.shift[1] * factor)
        size = (self.width * factor, self.height * factor)
        return Camera(self.place, self.turn, self.focal * factor, *size, shift)


class Surfaces(NamedTuple):
    """Triangles in the world: `corners`, `normals` (T, 3, 3) and `uvs` (T, 3, 2) float32,
    `material` and `ids` (T,) int32, `seen` (T,) uint8: 1 opaque, 2 transparent."""

    corners: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32]
    uvs: npt.NDArray[np.float32]
    material: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    seen: npt.NDArray[np.uint8]


class Materials(NamedTuple):
    """`diffuse` (M, 3) linear; `specular` (M, 3) at right angles; `shine` (M,) Phong's exponent;
    `opacity` (M,); `texture` (M,) into the textures or -1; `holes` (M,) 1: its alpha is tested."""

    diffuse: npt.NDArray[np.float32]
    specular: npt.NDArray[np.float32]
    shine: npt.NDArray[np.float32]
    opacity: npt.NDArray[np.float32]
    texture: npt.NDArray[np.int32]
    holes: npt.NDArray[np.uint8]


class Textures(NamedTuple):
    """`texels` (N, 4) uint8, sRGB and alpha, all levels of all; `levels` (K, L, 3): start, width,
    height of each level, finest first, the last repeated."""

    texels: npt.NDArray[np.uint8]
    levels: npt.NDArray[np.int64]


class Layer(NamedTuple):
    """What a rasterizing pass sees: `triangle` (H, W) int32, -1 none; `nearness` (H, W) float64,
    1 / metres ahead, 0 where nothing is."""

    triangle: npt.NDArray[np.int32]
    nearness: npt.NDArray[np.float64]


def edge_functions(
    camera: Camera, corners: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """(T, 3, 3) a, b, c of each corner's a x + b y + c, and (T, 4) boxes x0, y0, x1, y1.

    The box of what cannot be seen is empty.
    """
    edges = np.zeros((len(corners), 3, 3))
    boxes = np.zeros((len(corners), 4), np.int32)
    _set_up(corners, camera.matrix, np.array([camera.width, camera.height]), edges, boxes)
    return edges, boxes


@compiled
def _set_up(corners: Array, m: Array, size: Array, edges: Array, boxes: Array) -> None:
    p, low, high = np.empty((3, 3)), np.empty(2), np.empty(2)
    for t in range(len(corners)):
        for k in range(3):
            x, y, z = corners[t, k, 0], corners[t, k, 1], corners[t, k, 2]
            for i in range(3):
                p[k, i] = m[i, 0] * x + m[i, 1] * y + m[i, 2] * z + m[i, 3]
        for k in range(3):
            q, r = p[(k + 1) % 3], p[(k + 2) % 3]
            edges[t, k, 0] = q[1] * r[2] - q[2] * r[1]
            edges[t, k, 1] = q[2] * r[0] - q[0] * r[2]
            edges[t, k, 2] = q[0] * r[1] - q[1] * r[0]
        det = p[0, 0] * edges[t, 0, 0] + p[0, 1] * edges[t, 0, 1] + p[0, 2] * edges[t, 0, 2]
        nearest, farthest = min(p[0, 2], p[1, 2], p[2, 2]), max(p[0, 2], p[1, 2], p[2, 2])
        if abs(det) <= 1e-14 or farthest < NEAR:
            continue
        for k in range(3):
            for i in range(3):
                edges[t, k, i] /= det
        for i in range(2):
            # What reaches behind the camera may be anywhere; else a pixel is touched where its
            # centre lies inside.
            low[i], high[i] = 0.0, size[i]
            if nearest >= NEAR:
                a, b, c = p[0, i] / p[0, 2], p[1, i] / p[1, 2], p[2, i] / p[2, 2]
                low[i] = min(max(np.ceil(min(a, b, c) - 0.5), 0.0), size[i])
                high[i] = min(max(np.floor(max(a, b, c) + 0.5), 0.0), size[i])
        boxes[t, 0], boxes[t, 1] = int(low[0]), int(low[1])
        boxes[t, 2], boxes[t, 3] = int(high[0]), int(high[1])


@compiled
def flat_normals(corners: Array, out: Array) -> None:
    """Unit normals (T, 3) of triangles (T, 3, 3); 0 where one has no area."""
    for t in range(len(corners)):
        a, b, c = corners[t, 0], corners[t, 1], corners[t, 2]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = max(np.sqrt(x * x + y * y + z * z), 1e-20)
        out[t, 0], out[t, 1], out[t, 2] = x / length, y / length, z / length


def empty_layer(camera: Camera) -> Layer:
    """A layer in which nothing is seen."""
    shape = (camera.height, camera.width)
    return Layer(np.full(shape, -1, np.int32), np.zeros(shape))


@compiled
def rasterize(
    edges: Array,
    boxes: Array,
    surfaces: Surfaces,
    materials: Materials,
    textures: Textures,
    wanted: int,
    layer: Layer,
) -> None:
    """Draw the triangles whose `seen` has the bits `wanted` into a layer, the nearest first seen.

    `edges` and `boxes` are `edge_functions` of the surfaces' corners.
    """
    for t in range(len(edges)):
        if not surfaces.seen[t] & wanted or boxes[t, 0] >= boxes[t, 2]:
            continue
        holes = materials.holes[surfaces.material[t]] != 0
        image = materials.texture[surfaces.material[t]]
        a0, b0, c0 = edges[t, 0]
        a1, b1, c1 = edges[t, 1]
        a2, b2, c2 = edges[t, 2]
        for y in range(boxes[t, 1], boxes[t, 3]):
            v = y + 0.5
            for x in range(boxes[t, 0], boxes[t, 2]):
                u = x + 0.5
                e0, e1, e2 = a0 * u + b0 * v + c0, a1 * u + b1 * v + c1, a2 * u + b2 * v + c2
                near = e0 + e1 + e2
                if e0 < 0 or e1 < 0 or e2 < 0 or near <= layer.nearness[y, x]:
                    continue
                if near * NEAR > 1:
                    continue
                if holes and hole(
                    surfaces.uvs[t], e0 / near, e1 / near, e2 / near, image, textures
                ):
                    continue
                layer.nearness[y, x] = near
                layer.triangle[y, x] = t


@compiled
def hole(uvs: Array, b0: Scalar, b1: Scalar, b2: Scalar, image: int, textures: Textures) -> bool:
    """Whether the texture has a hole (alpha below a half) at barycentric coordinates."""
    width, height = textures.levels[image, 0, 1], textures.levels[image, 0, 2]
    u = b0 * uvs[0, 0] + b1 * uvs[1, 0] + b2 * uvs[2, 0]
    v = b0 * uvs[0, 1] + b1 * uvs[1, 1] + b2 * uvs[2, 1]
    x = min(int((u - np.floor(u)) * width), width - 1)
    y = min(int((1 - (v - np.floor(v))) * height), height - 1)
    return bool(textures.texels[textures.levels[image, 0, 0] + y * width + x, 3] < 128)


@compiled
def majority(fine: Array, nearness: Array, out: Array) -> None:
    """(H, W) ids of (2 H, 2 W) ones: the most frequent of four; of equals, the nearest.

    0, nothing, is what three or four of them must say.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            best, most, nearest, nothing = 0, 0, -1.0, 0
            for i in range(4):
                nothing += fine[2 * y + i // 2, 2 * x + i % 2] == 0
            for i in range(4):
                value = fine[2 * y + i // 2, 2 * x + i % 2]
                if (value == 0) != (nothing > 2):
                    continue
                count, near = 0, 0.0
                for j in range(4):
                    if fine[2 * y + j // 2, 2 * x + j % 2] == value:
                        count += 1
                        near = max(near, nearness[2 * y + j // 2, 2 * x + j % 2])
                if count > most or (count == most and near > nearest):
                    best, most, nearest = value, count, near
            out[y, x] = best

"""Things put together in a world, and the pictures that a camera takes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.rendering.catalogue import Piece
from segstudio.models.prompt_training.rendering.grounds import FLOORS, WALLS, texture
from segstudio.models.prompt_training.rendering.lighting import Lights
from segstudio.models.prompt_training.rendering.meshes import Mesh, read_mesh
from segstudio.models.prompt_training.rendering.obj_files import Material
from segstudio.models.prompt_training.rendering.rasterizer import (
    Camera,
    Layer,
    Materials,
    Surfaces,
    Textures,
    edge_functions,
    empty_layer,
    flat_normals,
    majority,
    rasterize,
)
from segstudio.models.prompt_training.rendering.shading import (
    Shadow,
    View,
    World,
    occlusion,
    shade,
)
from segstudio.models.prompt_training.rendering.surfaces import Bytes, Palette, read_texture

OPAQUE, CLEAR, CASTS = 1, 2, 4
_INVISIBLE = 0.05  # opacity below which a face is not there
_SUN = 30  # radii of the lit world away: nearly parallel


@dataclass(frozen=True, eq=False)
class Model:
    """A mesh with the textures (H, W, 4) uint8 of its materials, None where they have none."""

    mesh: Mesh
    images: tuple[Bytes | None, ...]


@dataclass(frozen=True, eq=False)
class Picture:
    """`light` (H, W, 3) float32, of what is seen, times `cover` (H, W) float32, its share of the
    pixel; `ids` (H, W) int32, 0 where nothing is; `depth` (H, W) float32 metres, inf there."""

    light: npt.NDArray[np.float32]
    cover: npt.NDArray[np.float32]
    ids: npt.NDArray[np.int32]
    depth: npt.NDArray[np.float32]


def load(piece: Piece) -> Model:
    """Raises ValueError, OSError as `read_mesh` does; a texture that is no image is left out."""
    mesh = read_mesh(piece)
    read: dict[tuple[object, object], Bytes | None] = {}
    images = []
    for material in mesh.materials:
        key = (material.texture, material.alpha)
        if key not in read:
            path = material.texture or material.alpha
            read[key] = None if path is None else read_texture(path, material.alpha)
        images.append(read[key])
    return Model(mesh, tuple(images))


class Stage:
    """A world under construction: every triangle with its material and its id."""

    def __init__(self) -> None:
        self._palette = Palette()
        self._rows: list[Surfaces] = []
        self._solid: list[npt.NDArray[np.float32]] = []

    def put(
        self,
        model: Model,
        first_id: int,
        place: tuple[float, float, float] = (0.0, 0.0, 0.0),
        turn: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        """A model with its foot's middle at a place, turned about the upright by radians.

        Its parts get the ids from `first_id` on.
        """
        mesh = model.mesh
        numbers, seen = [], []
        for material, image in zip(mesh.materials, model.images, strict=True):
            numbers.append(self._palette.add(material, image))
            clear = CLEAR if material.opacity >= _INVISIBLE else 0
            seen.append(OPAQUE | CASTS if material.opacity > 0.95 else clear)
        c, s = np.cos(turn), np.sin(turn)
        rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
        corners = mesh.corners @ rotation.T * np.float32(scale) + np.array(place, np.float32)
        self._rows.append(
            Surfaces(
                corners,
                (mesh.normals @ rotation.T).astype(np.float32),
                mesh.uvs,
                np.array(numbers, np.int32)[mesh.material],
                (mesh.part + first_id).astype(np.int32),
                np.array(seen, np.uint8)[mesh.material],
            )
        )
        self._solid.append(corners.reshape(-1, 3))

    def put_rectangle(
        self,
        corner: npt.ArrayLike,
        sides: tuple[npt.ArrayLike, npt.ArrayLike],
        number: int,
        image: Bytes | None,
        *,
        tile: float,
        material: Material | None = None,
    ) -> None:
        """A flat rectangle that casts no shadow, with a texture of `tile` metres a side."""
        start, along, up = (np.asarray(part, float) for part in (corner, *sides))
        four = np.array([start, start + along, start + along + up, start + up])
        u, v = np.linalg.norm(along) / tile, np.linalg.norm(up) / tile
        uvs = np.array([[0, 0], [u, 0], [u, v], [0, v]])
        normal = np.cross(along, up)
        normal = np.tile(normal / np.linalg.norm(normal), (2, 3, 1))
        pick = np.array([[0, 1, 2], [0, 2, 3]])
        index = self._palette.add(material or Material("ground"), image)
        self._rows.append(
            Surfaces(
                four[pick].astype(np.float32),
                normal.astype(np.float32),
                uvs[pick].astype(np.float32),
                np.full(2, index, np.int32),
                np.full(2, number, np.int32),
                np.full(2, OPAQUE, np.uint8),
            )
        )

    def photograph(
        self,
        camera: Camera,
        lights: Lights,
        *,
        softness: float = 4.0,
        nearby: float | None = None,
        shadow_side: int = 512,
    ) -> Picture:
        """What the camera sees, from four samples a pixel.

        `softness` of the shadow's border in pixels of its map; `nearby` metres within which things
        darken each other, else a sixth of all that stands there.
        """
        surfaces = Surfaces(*(np.concatenate(columns) for columns in zip(*self._rows, strict=True)))
        tables = (surfaces, self._palette.materials(), self._palette.textures())
        shadow, radius = self._shadow(tables, lights, softness, shadow_side)
        fine = camera.scaled(2)
        edges, boxes = edge_functions(fine, surfaces.corners)
        solid, clear = empty_layer(fine), empty_layer(fine)
        rasterize(edges, boxes, *tables, OPAQUE, solid)
        clear.nearness[:] = solid.nearness
        rasterize(edges, boxes, *tables, CLEAR, clear)
        view = View(camera.place, _rays(fine), fine.matrix)
        flat = np.zeros((len(edges), 3), np.float32)
        flat_normals(surfaces.corners, flat)
        world = World(edges, flat, *tables, lights, view, shadow)
        opening = np.ones((camera.height, camera.width), np.float32)
        occlusion(solid, world, radius / 6 if nearby is None else nearby, opening)
        return _picture(*_composed(world, solid, clear, _smoothed(opening, solid)), clear.nearness)

    def _shadow(
        self,
        tables: tuple[Surfaces, Materials, Textures],
        lights: Lights,
        softness: float,
        side: int,
    ) -> tuple[Shadow, float]:
        points = np.concatenate(self._solid)
        low, high = points.min(axis=0), points.max(axis=0)
        radius = float(np.linalg.norm(high - low)) / 2
        middle = (low + high).astype(np.float64) / 2
        place = middle + lights.to_sun.astype(np.float64) * _SUN * radius
        camera = Camera.looking(place, middle, side / 2 * (_SUN - 1), (side, side))
        layer = empty_layer(camera)
        edges, boxes = edge_functions(camera, tables[0].corners)
        rasterize(edges, boxes, *tables, CASTS, layer)
        shadow = Shadow(layer.nearness, camera.matrix, softness, 2.5 * radius / side)
        return shadow, radius


def _composed(
    world: World, solid: Layer, clear: Layer, opening: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Light, cover and ids of each sample: glass over what is behind it."""
    light = np.zeros((*solid.triangle.shape, 3), np.float32)
    shade(solid, world, opening, light)
    cover = (solid.triangle >= 0).astype(np.float32)
    ids = np.where(solid.triangle >= 0, world.surfaces.ids[solid.triangle], 0).astype(np.int32)
    glass = clear.triangle >= 0
    if not glass.any():
        return light, cover, ids
    before = np.zeros_like(light)
    shade(clear, world, opening, before)
    opacity = world.materials.opacity[world.surfaces.material[clear.triangle]]
    # Where nothing is behind it, glass stands for itself.
    least = np.where(cover > 0, 0.2, 0.6)
    share = np.where(glass, np.maximum(opacity, least), 0).astype(np.float32)
    light = light * (1 - share[..., None]) + before * share[..., None]
    ids = np.where(glass & ((opacity > 0.12) | (ids == 0)), world.surfaces.ids[clear.triangle], ids)
    return np.asarray(light, np.float32), np.asarray(np.maximum(cover, share), np.float32), ids


def _rays(camera: Camera) -> npt.NDArray[np.float64]:
    x, y = camera.width / 2 + camera.shift[0], camera.height / 2 + camera.shift[1]
    back = np.array([[1, 0, -x], [0, 1, -y], [0, 0, camera.focal]]) / camera.focal
    return np.asarray(camera.turn.T @ back)


def _smoothed(opening: npt.NDArray[np.float32], layer: Layer) -> npt.NDArray[np.float32]:
    """The noise of few samples spread over 5 x 5 pixels, not across edges in depth."""
    near = layer.nearness[::2, ::2]
    total, weight = np.zeros_like(opening), np.zeros_like(opening)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            moved = np.roll(near, (dy, dx), axis=(0, 1))
            close = (np.abs(moved - near) < 0.02 * near).astype(np.float32)
            total += np.roll(opening, (dy, dx), axis=(0, 1)) * close
            weight += close
    return np.asarray(np.where(weight > 0, total / np.maximum(weight, 1), 1), np.float32)


def _picture(
    light: npt.NDArray[np.float32],
    cover: npt.NDArray[np.float32],
    fine: npt.NDArray[np.int32],
    nearness: npt.NDArray[np.float64],
) -> Picture:
    height, width = fine.shape[0] // 2, fine.shape[1] // 2
    ids = np.zeros((height, width), np.int32)
    majority(fine, nearness, ids)
    # A lamp's reflection may not outshine the whole pixel: it would be a stair at its border.
    light, cover = _quarter(np.minimum(light, np.float32(4))), _quarter(cover)
    near = np.maximum(
        np.maximum(nearness[::2, ::2], nearness[::2, 1::2]),
        np.maximum(nearness[1::2, ::2], nearness[1::2, 1::2]),
    )
    depth = np.where(near > 0, 1 / np.maximum(near, 1e-9), np.inf)
    return Picture(light, cover, ids, depth.astype(np.float32))


def _quarter(fine: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean of four samples."""
    total = fine[::2, ::2] + fine[::2, 1::2] + fine[1::2, ::2] + fine[1::2, 1::2]
    return np.asarray(total / 4, np.float32)


def developed(light: npt.NDArray[np.float32], exposure: float = 1.0) -> npt.NDArray[np.float32]:
    """Light as it is shown, still linear: above 0.6 it goes softly to 1, as film does."""
    value = light * exposure
    soft = 0.6 + 0.4 * (1 - np.exp(-np.maximum(value - 0.6, 0) / 0.4))
    return np.asarray(np.where(value < 0.6, value, soft), np.float32)


def recoloured(model: Model, rng: np.random.Generator) -> Model:
    """The same thing in other colours: each material's hue and brightness, all textures' hue, and
    of what does not live some textures changed for others, by chance."""
    materials = []
    images: list[Bytes | None] = []
    shift = rng.normal() * 20
    for material, given in zip(model.mesh.materials, model.images, strict=True):
        image = given
        plain = rng.random() < 0.75
        diffuse = _other(np.array(material.diffuse), rng) if image is None and plain else None
        materials.append(
            material
            if diffuse is None
            else replace(material, diffuse=(diffuse[0], diffuse[1], diffuse[2]))
        )
        if image is not None:
            other = not model.mesh.living and image[..., 3].min() == 255 and rng.random() < 0.2
            image = texture(rng, WALLS + FLOORS, []) if other else turned(image, shift)
        images.append(image)
    return Model(replace(model.mesh, materials=tuple(materials)), tuple(images))


def _other(colour: npt.NDArray[np.float64], rng: np.random.Generator) -> list[float]:
    if rng.random() < 0.35:
        grey = rng.uniform(0.05, 0.95)
        return [float(v) for v in np.clip(grey + rng.normal(size=3) * 0.04, 0, 1)]
    hue, strength, value = rng.uniform(0, 6), rng.beta(2, 2), rng.uniform(0.15, 0.95)
    ramp = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    other = value * (1 - strength + strength * ramp)
    keep = rng.uniform(0, 0.4)
    return [float(v) for v in colour * keep + other * (1 - keep)]


def turned(image: Bytes, degrees: float) -> Bytes:
    """A texture with its hue turned, by a rotation about grey."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    third, root = (1 - c) / 3, s / np.sqrt(3)
    matrix = np.full((3, 3), third) + np.eye(3) * c
    matrix += root * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    out = image.copy()
    out[..., :3] = np.clip(image[..., :3] @ matrix.T + 0.5, 0, 255).astype(np.uint8)
    return out

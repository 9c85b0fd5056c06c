"""Models made ready to be rendered: in metres, on the floor, with normals and with parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segstudio.imaging.compiling import Array, Scalar, compiled
from segstudio.models.prompt_training.rendering.catalogue import Piece
from segstudio.models.prompt_training.rendering.obj_files import (
    Floats,
    Ints,
    Material,
    Triangles,
    read_obj,
)

CREASE = 42.0  # degrees: a sharper edge is seen as an edge where the file says nothing
PARTS = 8
_SMALL = 0.02  # of the surface: what is less is part of its neighbour
_ALIKE = 6  # pieces of one material that are parts of their own; of more, all are one

_CLOTHES = 40  # the same of people, whose one texture has all that they wear


@dataclass(frozen=True, eq=False)
class Mesh:
    """`corners`, `normals` (T, 3, 3) float32 in metres, y up, standing on y = 0 with its middle at
    x = z = 0; `uvs` (T, 3, 2) float32; `material` (T,) into `materials`; `part` (T,) from 0;
    `living` people and animals."""

    key: str
    corners: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32]
    uvs: npt.NDArray[np.float32]
    material: Ints
    part: Ints
    materials: tuple[Material, ...]
    size: tuple[float, float, float]
    living: bool

    @property
    def parts(self) -> int:
        return int(self.part.max()) + 1


def read_mesh(piece: Piece) -> Mesh:
    """Raises ValueError, OSError as `read_obj` does, ValueError also for a thing without size."""
    raw = read_obj(piece.path)
    turn = np.array(piece.rotation).reshape(3, 3)
    positions = raw.positions @ turn.T
    used = positions[np.unique(raw.faces)]
    low, extent = used.min(axis=0), np.ptp(used, axis=0)
    if extent.max() <= 0:
        raise ValueError(f"{piece.path} has no size.")
    scale = np.array(piece.size) / np.maximum(extent, 1e-9 * extent.max())
    scale = np.where(extent > 1e-6 * extent.max(), scale, 1.0)
    positions = (positions - low) * scale - [piece.size[0] / 2, 0, piece.size[2] / 2]
    faces, welded = _welded(positions, raw.faces)
    corners = positions[raw.faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(face_normals, axis=1) / 2
    keep = areas > 1e-12 * areas.sum()
    given = raw.normals @ turn.T / scale
    normals = _all_normals(given[keep], face_normals[keep], faces[keep], welded)
    return Mesh(
        piece.key,
        corners[keep].astype(np.float32),
        normals,
        raw.uvs[keep].astype(np.float32),
        raw.material[keep],
        _parts(
            raw,
            *((_torn(raw, faces), _CLOTHES) if piece.person else (faces, _ALIKE)),
            corners,
            areas,
        )[keep],
        raw.materials,
        piece.size,
        piece.category == "Characters",
    )


def _welded(positions: Floats, faces: Ints) -> tuple[Ints, int]:
    """Faces into vertices of which no two lie at one place, and their number."""
    step = max(float(np.ptp(positions[np.unique(faces)], axis=0).max()) * 1e-5, 1e-12)
    grid = np.round(positions / step).astype(np.int64)
    # 21 bits an axis: a step is a hundred-thousandth of the largest side.
    low = grid[faces.ravel()].min(axis=0)
    offset = np.clip(grid - low, 0, (1 << 21) - 1)
    _, index = np.unique(offset @ [1 << 42, 1 << 21, 1], return_inverse=True)
    index = index.ravel()
    return index[faces], int(index.max()) + 1


def _all_normals(
    given: Floats, face_normals: Floats, faces: Ints, vertices: int
) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(given, axis=2)
    units = face_normals / np.linalg.norm(face_normals, axis=1, keepdims=True)
    out = given / np.maximum(lengths, 1e-12)[..., None]
    # A normal that lies nearly in its own face is a mistake of the file.
    wrong = (lengths < 1e-9) | (np.abs(np.einsum("tck,tk->tc", out, units)) < 0.05)
    wrong = wrong.any(axis=1)
    if wrong.any():
        flat = faces.ravel()
        order = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[order], np.arange(vertices + 1))
        smooth = np.zeros((len(flat), 3))
        _smooth(face_normals, units, order, starts, np.cos(np.radians(CREASE)), smooth)
        out[wrong] = smooth.reshape(-1, 3, 3)[wrong]
    return np.asarray(out, np.float32)


@compiled
def _smooth(
    normals: Array, units: Array, order: Array, starts: Array, least: Scalar, out: Array
) -> None:
    """Mean of the faces around each corner that lie within the crease angle, by area."""
    for vertex in range(len(starts) - 1):
        first, end = starts[vertex], starts[vertex + 1]
        for i in range(first, end):
            a = order[i] // 3
            x = y = z = 0.0
            for j in range(first, min(end, first + 64)):
                b = order[j] // 3
                dot = units[a, 0] * units[b, 0] + units[a, 1] * units[b, 1]
                dot += units[a, 2] * units[b, 2]
                if abs(dot) >= least:
                    sign = 1.0 if dot > 0 else -1.0
                    x += sign * normals[b, 0]
                    y += sign * normals[b, 1]
                    z += sign * normals[b, 2]
            length = (x * x + y * y + z * z) ** 0.5
            if length < 1e-20:
                x, y, z, length = units[a, 0], units[a, 1], units[a, 2], 1.0
            out[order[i], 0], out[order[i], 1], out[order[i], 2] = (
                x / length,
                y / length,
                z / length,
            )


def _torn(raw: Triangles, faces: Ints) -> Ints:
    """Faces that hang together only where their texture does: clothes lie apart on a person's."""
    places = np.round(raw.uvs.reshape(-1, 2) * 2048).astype(np.int64)
    near = np.clip(places + (1 << 19), 0, (1 << 20) - 1)
    keys = (faces.ravel() << 40) + (near[:, 0] << 20) + near[:, 1]
    return np.unique(keys, return_inverse=True)[1].reshape(-1, 3).astype(np.int64)


def _parts(raw: Triangles, faces: Ints, alike: int, corners: Floats, areas: Floats) -> Ints:
    """Part of each face: pieces of one material each, the small ones with their neighbours."""
    label = _pieces(raw.material, faces, areas, alike)
    if label.max() == 0:
        label = np.unique(raw.group, return_inverse=True)[1].ravel()
    number = int(label.max()) + 1
    weight = np.asarray(np.bincount(label, areas, number), np.float64)
    low, high = np.full((number, 3), np.inf), np.full((number, 3), -np.inf)
    np.minimum.at(low, label, corners.min(axis=1))
    np.maximum.at(high, label, corners.max(axis=1))
    material = np.zeros(number, dtype=np.int64)
    material[label] = raw.material
    into = _merged(weight, low, high, material)
    return np.unique(into[label], return_inverse=True)[1].ravel().astype(np.int64)


def _pieces(material: Ints, faces: Ints, areas: Floats, alike: int) -> Ints:
    """A number a face: connected pieces of a material where they are few and large, else it all."""
    corner_material = np.repeat(material, 3)
    vertex = np.unique(corner_material * (faces.max() + 1) + faces.ravel(), return_inverse=True)[1]
    vertex = vertex.reshape(-1, 3)
    total = int(vertex.max()) + 1
    ends = np.concatenate([vertex[:, [0, 1]], vertex[:, [1, 2]]])
    graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), (total, total))
    piece = connected_components(graph, directed=False)[1][vertex[:, 0]]
    _, piece = np.unique(piece, return_inverse=True)
    weight = np.bincount(piece, areas)
    owner = np.zeros(len(weight), dtype=np.int64)
    owner[piece] = material
    large = weight >= _SMALL * areas.sum()
    few = np.bincount(owner[large], minlength=int(material.max()) + 1) <= alike
    alone = large & few[owner]
    key = np.where(alone, len(few) + np.arange(len(weight)), owner)
    return np.unique(key[piece], return_inverse=True)[1].ravel().astype(np.int64)


def _merged(weight: Floats, low: Floats, high: Floats, material: Ints) -> Ints:
    """Where each piece goes: the smallest into its nearest, while it is small or they are many."""
    into = np.arange(len(weight))
    weight, low, high = weight.copy(), low.copy(), high.copy()
    alive = np.ones(len(weight), dtype=bool)
    while alive.sum() > 1:
        small = int(np.where(alive, weight, np.inf).argmin())
        if weight[small] >= _SMALL * weight[alive].sum() and alive.sum() <= PARTS:
            break
        gap = np.maximum(0, np.maximum(low - high[small], low[small] - high))
        middle = (low + high) / 2
        far = np.linalg.norm(gap, axis=1) + 0.3 * np.linalg.norm(middle - middle[small], axis=1)
        far *= np.where(material == material[small], 0.7, 1.0)
        far[~alive | (np.arange(len(far)) == small)] = np.inf
        near = int(far.argmin())
        into[into == small] = near
        alive[small] = False
        weight[near] += weight[small]
        low[near], high[near] = (
            np.minimum(low[near], low[small]),
            np.maximum(high[near], high[small]),
        )
        weight[small] = 0
    return into

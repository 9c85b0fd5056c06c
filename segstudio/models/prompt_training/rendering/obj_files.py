"""Wavefront OBJ and MTL files as triangles, tolerant of what exporters write.

Case of file names, backslashes, missing textures and libraries, negative indices, polygons of any
shape, vertices with colours, lines that go on after a backslash. Format: Wavefront's "Object Files
(.obj)" and "MTL material format", Appendix B of the Advanced Visualizer manual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# How many values MTL options before a texture's name take at most.
_OPTIONS = {"-s": 3, "-o": 3, "-t": 3, "-mm": 2}


@dataclass(frozen=True)
class Material:
    """Colours are sRGB, 0 to 1; `opacity` 1 is opaque; `shine` is Phong's exponent."""

    name: str
    diffuse: tuple[float, float, float] = (0.7, 0.7, 0.7)
    specular: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shine: float = 10.0
    opacity: float = 1.0
    texture: Path | None = None
    alpha: Path | None = None


@dataclass(frozen=True, eq=False)
class Triangles:
    """An OBJ file's faces, cut into triangles.

    `positions` (V, 3) and `faces` (T, 3) into it; `uvs` (T, 3, 2), v up; `normals` (T, 3, 3), zero
    where the file gives none; `material` (T,) into `materials`; `group` (T,) a number a group.
    """

    positions: Floats
    faces: Ints
    uvs: Floats
    normals: Floats
    material: Ints
    group: Ints
    materials: tuple[Material, ...]


def find_file(folder: Path, name: str) -> Path | None:
    """The file that a reference means, whatever its case and the system it was written on."""
    name = name.strip().strip('"').replace("\\", "/")
    for wanted in (name, name.rsplit("/", 1)[-1]):
        path = folder / wanted
        if not wanted:
            continue
        if path.is_file():
            return path
        if path.parent.is_dir():
            for other in sorted(path.parent.iterdir()):
                if other.name.lower() == path.name.lower() and other.is_file():
                    return other
    return None


def read_materials(path: Path) -> dict[str, Material]:
    """Materials by name; what cannot be read of one stays at its default."""
    found: dict[str, Material] = {}
    name = ""
    for line in _lines(path):
        key, _, rest = line.partition(" ")
        rest = rest.strip()
        if key == "newmtl":
            name = rest
            found[name] = Material(name)
        elif name:
            found[name] = replace(found[name], **_setting(path.parent, key, rest))
    return found


def _setting(folder: Path, key: str, rest: str) -> dict[str, Any]:
    try:
        if key in {"map_Kd", "map_d", "map_kd"}:
            place = "alpha" if key == "map_d" else "texture"
            return {place: find_file(folder, _texture_name(rest))}
        if key in {"Kd", "Ks"}:
            numbers = [min(max(float(word), 0.0), 1.0) for word in rest.split()[:3]]
            colour = tuple(numbers) if len(numbers) == 3 else (numbers[0],) * 3
            return {"diffuse" if key == "Kd" else "specular": colour}
        if key == "Ns":
            return {"shine": min(max(float(rest), 1.0), 1000.0)}
        if key == "illum" and int(float(rest)) < 2:
            return {"specular": (0.0, 0.0, 0.0)}
        if key in {"d", "Tr"}:
            value = min(max(float(rest.rsplit(maxsplit=1)[-1]), 0.0), 1.0)
            return {"opacity": value if key == "d" else 1 - value}
    except (ValueError, IndexError):
        pass
    return {}


def _texture_name(rest: str) -> str:
    words = rest.split()
    while words and words[0].startswith("-") and len(words) > 1:
        most = _OPTIONS.get(words.pop(0), 1)
        for _ in range(most):
            if len(words) > 1 and (most == 1 or _is_number(words[0])):
                words.pop(0)
    return " ".join(words)


def _is_number(word: str) -> bool:
    return word.lstrip("+-").replace(".", "", 1).isdigit()


def _lines(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    for row in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        line = row.strip().replace("\t", " ")
        if line and line[0] != "#":
            yield line


@dataclass
class _Reading:
    v: list[str] = field(default_factory=list)
    vt: list[str] = field(default_factory=list)
    vn: list[str] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    material: list[int] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)


def read_obj(path: Path) -> Triangles:
    """Raises ValueError where the file holds no face, OSError where it cannot be read."""
    reading = _read(path)
    if not reading.counts:
        raise ValueError(f"{path} holds no face.")
    known: dict[str, Material] = {}
    for name in reading.libraries:
        library = find_file(path.parent, name)
        if library is not None:
            known |= read_materials(library)
    v, vt, vn = _floats(reading.v, 3), _floats(reading.vt, 2), _floats(reading.vn, 3)
    corners = _references(reading.refs)
    for column, table in enumerate((v, vt, vn)):
        outside = (corners[:, column] < 0) | (corners[:, column] >= len(table))
        corners[outside, column] = -1
    triples, polygon = _triangulate(v, corners[:, 0], np.array(reading.counts))
    chosen = corners[triples]
    sound = (chosen[..., 0] >= 0).all(axis=1)
    chosen, polygon = chosen[sound], polygon[sound]
    return Triangles(
        v,
        chosen[..., 0],
        _looked_up(vt, chosen[..., 1]),
        _looked_up(vn, chosen[..., 2]),
        np.array(reading.material)[polygon],
        np.array(reading.group)[polygon],
        tuple(known.get(name, Material(name)) for name in reading.names),
    )


def _read(path: Path) -> _Reading:
    got = _Reading()
    tables = {"v": got.v, "vt": got.vt, "vn": got.vn}
    groups: dict[str, int] = {}
    material = group = -1
    for line in _lines(path):
        key, _, rest = line.partition(" ")
        table = tables.get(key)
        if table is not None:
            table.append(rest)
        elif key == "f":
            refs = rest.split()
            if len(refs) < 3:
                continue
            if material < 0:
                material = got.names.setdefault("", len(got.names))
            if "-" in rest:
                refs = [_from_the_end(ref, got) for ref in refs]
            got.refs.extend(refs)
            got.counts.append(len(refs))
            got.material.append(material)
            got.group.append(max(group, 0))
        elif key == "usemtl":
            material = got.names.setdefault(rest.strip(), len(got.names))
        elif key in {"g", "o"}:
            group = groups.setdefault(rest.strip(), len(groups))
        elif key == "mtllib":
            got.libraries.append(rest)
    return got


def _from_the_end(ref: str, got: _Reading) -> str:
    lengths = (len(got.v), len(got.vt), len(got.vn))
    numbers = []
    for word, length in zip(ref.split("/"), lengths, strict=False):
        number = int(word) if word else 0
        numbers.append(str(number + length + 1 if number < 0 else number) if word else "")
    return "/".join(numbers)


def _floats(rows: list[str], columns: int) -> Floats:
    out = np.zeros((len(rows), columns))
    for index, row in enumerate(rows):
        try:
            numbers = [float(word) for word in row.split()[:columns]]
        except ValueError:
            continue
        out[index, : len(numbers)] = numbers
    return np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0)


def _references(refs: list[str]) -> Ints:
    """(N, 3) indices from 0 of position, texture place, normal; -1 where there is none."""
    kinds: dict[str, int] = {}
    which = np.array([kinds.setdefault(ref, len(kinds)) for ref in refs])
    table = np.full((len(kinds), 3), -1, dtype=np.int64)
    for ref, index in kinds.items():
        for column, word in enumerate(ref.split("/")[:3]):
            if word:
                table[index, column] = int(word) - 1
    return np.asarray(table[which])


def _looked_up(table: Floats, index: Ints) -> Floats:
    padded = np.vstack([table, np.zeros((1, table.shape[1]))])
    return np.asarray(padded[index])


def _triangulate(v: Floats, index: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Places of corners (T, 3) and the polygon of each: fans, or ears where a fan would overlap."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    triples, owners = [], []
    for n in np.unique(counts):
        chosen = np.flatnonzero(counts == n)
        places = starts[chosen, None] + np.arange(n)
        fan = np.stack([np.zeros(n - 2, int), np.arange(1, n - 1), np.arange(2, n)], axis=1)
        if n > 3:
            hollow = _hollow(v[index[places]])
            for polygon, row in zip(chosen[hollow], places[hollow], strict=True):
                cut = row[_ears(v[index[row]])]
                triples.append(cut)
                owners.append(np.full(len(cut), polygon))
            chosen, places = chosen[~hollow], places[~hollow]
        triples.append(places[:, fan].reshape(-1, 3))
        owners.append(np.repeat(chosen, n - 2))
    together = np.concatenate(owners)
    order = np.argsort(together, kind="stable")
    return np.concatenate(triples)[order], together[order]


def _turns(points: Floats) -> tuple[Floats, Floats]:
    """Newell's normal (P, 3) of polygons (P, n, 3), and each corner's turn about it (P, n)."""
    ahead, back = np.roll(points, -1, axis=1), np.roll(points, 1, axis=1)
    normal = np.cross(points, ahead).sum(axis=1)
    turns = np.einsum("pnk,pk->pn", np.cross(points - back, ahead - points), normal)
    return normal, turns


def _hollow(points: Floats) -> npt.NDArray[np.bool_]:
    points = points - points[:, :1]
    normal, turns = _turns(points)
    return np.asarray((turns < -1e-9 * (normal**2).sum(axis=1, keepdims=True)).any(axis=1))


def _ears(points: Floats) -> Ints:
    """A polygon (n, 3) cut into n - 2 triangles, ear by ear (G. H. Meisters, 1975)."""
    points = points - points[0]
    normal, _ = _turns(points[None])
    keep = [axis for axis in range(3) if axis != int(np.abs(normal[0]).argmax())]
    flat = points[:, keep]
    ahead = np.roll(flat, -1, axis=0)
    if (flat[:, 0] * ahead[:, 1] - flat[:, 1] * ahead[:, 0]).sum() < 0:
        flat = flat * [1, -1]
    left, out = list(range(len(flat))), []
    while len(left) > 3:
        corner = next((k for k in range(len(left)) if _is_ear(flat, left, k)), 0)
        out.append((left[corner - 1], left[corner], left[(corner + 1) % len(left)]))
        left.pop(corner)
    return np.array([*out, tuple(left)])


def _is_ear(flat: Floats, left: list[int], k: int) -> bool:
    a, b, c = flat[left[k - 1]], flat[left[k]], flat[left[(k + 1) % len(left)]]
    if _area(a, b, c) <= 0:
        return False
    # A corner on the cut would leave a polygon that touches itself; one at a corner's place may.
    return not any(
        min(_area(a, b, p), _area(b, c, p), _area(c, a, p)) >= 0
        and not any((p == corner).all() for corner in (a, b, c))
        for p in (flat[i] for i in left)
    )


def _area(a: Floats, b: Floats, c: Floats) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

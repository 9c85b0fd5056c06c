"""Furniture catalogues of Sweet Home 3D: what each OBJ model is, how large, which way up.

A catalogue is a Java properties file (ISO 8859-1) with `key#N=value` lines for the N-th piece;
sizes are in centimetres, `modelRotation` is a 3 x 3 matrix by rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_NAME = "PluginFurnitureCatalog.properties"

# Flat things, and what fills a frame or hangs on a wall and says nothing by itself.
_USELESS = re.compile(
    r"plug|socket|dimmer|RJ-?45|antenna|[^a-z]switch|^switch|rounded-|square-|-whites|fleche|passage|"
    r"stationnement|rails|window|showerDoor|sidewalk|smoke-det|frame\d|entry-bell|box_room|fluorescent",
    re.IGNORECASE,
)

_PERSON = re.compile("male|boy|girl|mannequin", re.IGNORECASE)


@dataclass(frozen=True)
class Piece:
    """A model: `key` names it among all; `size` is width, height, depth in metres."""

    key: str
    path: Path
    name: str
    category: str
    size: tuple[float, float, float]
    rotation: tuple[float, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1)
    elevation: float = 0.0

    @property
    def person(self) -> bool:
        return self.category == "Characters" and bool(_PERSON.search(self.path.stem))

    @property
    def useful(self) -> bool:
        return self.category != "Doors and windows" and not _USELESS.search(self.path.stem)


def read_catalogues(folder: Path) -> list[Piece]:
    """All pieces of all catalogues below a folder whose model is there, by key."""
    pieces: dict[str, Piece] = {}
    for path in sorted(folder.rglob(_NAME)):
        for values in _entries(path).values():
            model = path.parent / values.get("model", "").lstrip("/")
            if model.suffix.lower() != ".obj" or not model.is_file():
                continue
            key = "_".join((path.parent.name, model.parent.name, model.stem))
            pieces.setdefault(re.sub(r"[^A-Za-z0-9_-]", "-", key), _piece(key, model, values))
    return [pieces[key] for key in sorted(pieces)]


def _entries(path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        match = re.match(r"\s*(\w+)#(\d+)\s*=\s*(.*)", line)
        if match:
            key, number, value = match.groups()
            found.setdefault(number, {})[key] = value.strip()
    return found


def _piece(key: str, model: Path, values: dict[str, str]) -> Piece:
    size = tuple(float(values.get(side, "50")) / 100 for side in ("width", "height", "depth"))
    turn = tuple(float(word) for word in values.get("modelRotation", "").split())
    return Piece(
        re.sub(r"[^A-Za-z0-9_-]", "-", key),
        model,
        values.get("name", model.stem),
        values.get("category", ""),
        (size[0], size[1], size[2]),
        turn if len(turn) == 9 else tuple(np.eye(3).ravel().tolist()),
        float(values.get("elevation", "0")) / 100,
    )

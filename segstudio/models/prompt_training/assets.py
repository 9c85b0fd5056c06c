"""All that a composer draws from, as it lies in a folder of made data.

`cut_outs_KIND/` and `scenes_KIND/` hold cut-outs and scenes (see scene.py), `photos/` photographs
as NAME.jpg and, at half their size, half/NAME.jpg. What comes of photographs (`photos/`,
`cut_outs_photos/`, `scenes_photos/`) is named NAME or NAME-..., so that it can be left out by NAME.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.scene import (
    CUT_OUTS,
    SCENES,
    CutOutLine,
    Scene,
    SceneLine,
    cut_out_lines,
    read_cut_out,
    read_scene,
    scene_lines,
)
from segstudio.models.prompt_training.shelf import Shelf

PHOTOS = "photos"
HALF = "half"
MIB = 1 << 20
_LARGE, _SMALL = 4 * MIB, MIB  # bytes of a labelled photograph and of a rendered scene, about

Image = npt.NDArray[np.uint8]
Line = TypeVar("Line", CutOutLine, SceneLine)


@dataclass(frozen=True, eq=False)
class Piece:
    """A cut-out as it is pasted: `rgba` (h, w, 4) uint8 with alpha multiplied in, `parts` (h, w)
    uint8, 0 outside, 1 and up within; `subject` what its views share; `kind` its folder's."""

    rgba: Image
    parts: Image
    subject: str
    kind: str


@dataclass(frozen=True)
class _CutOutKey:
    folder: Path
    line: CutOutLine
    kind: str


@dataclass(frozen=True)
class _SceneKey:
    folder: Path
    line: SceneLine


PieceShelf = Shelf[_CutOutKey, Piece]
SceneShelf = Shelf[_SceneKey, Scene]
PhotoShelf = Shelf[Path, Image]


class Assets:
    """The shelves of a folder: `pieces` and `scenes` by kind, `photos` and `halves`.

    `without`: names of photographs that must not be seen, nor anything made of them.
    """

    def __init__(
        self, folder: Path, seed: int, *, without: Collection[str] = (), mebibytes: int = 700
    ) -> None:
        self._without = frozenset(without)
        share = mebibytes * MIB // 14
        self.pieces: dict[str, PieceShelf] = {}
        self.views: dict[str, dict[str, list[int]]] = {}
        self.scenes: dict[str, SceneShelf] = {}
        pieces = {
            kind: [_CutOutKey(path, line, kind) for line in self._lines(cut_out_lines(path), kind)]
            for kind, path in _kinds(folder, "cut_outs_", CUT_OUTS)
        }
        scenes = {
            kind: [_SceneKey(path, line) for line in self._lines(scene_lines(path), kind)]
            for kind, path in _kinds(folder, "scenes_", SCENES)
        }
        sizes = {kind: _LARGE if kind == PHOTOS else _SMALL for kind in scenes}
        for kind, part in _shares(pieces, 4 * share).items():
            self.pieces[kind] = Shelf(
                pieces[kind], _piece, _piece_size, budget=part, typical=MIB * 3 // 8, seed=seed
            )
            self.views[kind] = _views(pieces[kind])
        for kind, part in _shares(scenes, 6 * share, sizes).items():
            self.scenes[kind] = Shelf(
                scenes[kind], _scene, _scene_size, budget=part, typical=sizes[kind], seed=seed
            )
        whole = [path for path in sorted((folder / PHOTOS).glob("*.jpg")) if self._seen(path.stem)]
        halves = [path.parent / HALF / path.name for path in whole]
        self.photos: PhotoShelf = Shelf(
            whole, _photo, _nbytes, budget=share, typical=9 * MIB // 4, seed=seed
        )
        self.halves: PhotoShelf = Shelf(
            halves, _photo, _nbytes, budget=3 * share, typical=9 * MIB // 16, seed=seed
        )

    def turn(self, number: int) -> None:
        """Turn all shelves: what is drawn next comes from another, overlapping choice."""
        for pieces in self.pieces.values():
            pieces.turn(number)
        for scenes in self.scenes.values():
            scenes.turn(number)
        self.photos.turn(number)
        self.halves.turn(number)

    def _seen(self, name: str) -> bool:
        return name.split("-", 1)[0] not in self._without

    def _lines(self, lines: Iterator[Line], kind: str) -> Iterator[Line]:
        """All lines that may be seen; one that is just being written ends them."""
        try:
            for line in lines:
                if kind != PHOTOS or self._seen(line.name):
                    yield line
        except msgspec.DecodeError:
            return

    def another_view(self, rng: np.random.Generator, piece: Piece) -> Piece:
        """Another view of the same subject where there is one, or else the piece itself."""
        views = self.views[piece.kind].get(piece.subject, [])
        if not views:
            return piece
        return self.pieces[piece.kind].take(views[int(rng.integers(len(views)))])


def _kinds(folder: Path, start: str, index: str) -> list[tuple[str, Path]]:
    paths = sorted(path for path in folder.glob(f"{start}*") if (path / index).is_file())
    return [(path.name.removeprefix(start), path) for path in paths]


def _shares(
    kinds: Mapping[str, Sized], budget: int, sizes: Mapping[str, int] = MappingProxyType({})
) -> dict[str, int]:
    """The budget's parts for kinds that hold anything: as the roots of what they hold,
    times what one of them takes."""
    roots = {kind: len(keys) ** 0.5 * sizes.get(kind, 1) for kind, keys in kinds.items() if keys}
    return {kind: int(budget * root / sum(roots.values())) for kind, root in roots.items()}


def _views(keys: list[_CutOutKey]) -> dict[str, list[int]]:
    views: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        if key.line.subject:
            views[key.line.subject].append(index)
    return dict(views)


def _piece(key: _CutOutKey) -> Piece:
    cut_out = read_cut_out(key.folder, key.line)
    rgba = cut_out.rgba.copy()
    alpha = rgba[..., 3:].astype(np.uint16)
    rgba[..., :3] = (rgba[..., :3] * alpha + 127) // 255
    parts = cut_out.parts
    if parts is None or not parts.any():
        parts = (rgba[..., 3] > 0).astype(np.uint8)
    return Piece(rgba, parts, key.line.subject, key.kind)


def _piece_size(piece: Piece) -> int:
    return piece.rgba.nbytes + piece.parts.nbytes


def _scene(key: _SceneKey) -> Scene:
    return read_scene(key.folder, key.line)


def _scene_size(scene: Scene) -> int:
    return scene.image.nbytes + scene.ids.nbytes


def _photo(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"The photo {path} cannot be read.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _nbytes(image: Image) -> int:
    return image.nbytes

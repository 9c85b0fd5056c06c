"""All that a composer draws from, as it lies in a folder of made data.

`cut_outs_KIND/` and `scenes_KIND/` hold cut-outs and scenes (see scene.py), `photos/` photographs
as NAME.jpg and, at half their size, half/NAME.jpg. What comes of photographs (`photos/`,
`cut_outs_photos/`, `scenes_photos/`) is named NAME or NAME-..., so that it can be left out by NAME.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
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

Image = npt.NDArray[np.uint8]
Line = TypeVar("Line")


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
        self, folder: Path, *, without: Collection[str] = (), mebibytes: int = 400
    ) -> None:
        self._without = frozenset(without)
        share = mebibytes * MIB
        paths = dict(_kinds(folder, "cut_outs_", CUT_OUTS))
        self.pieces: dict[str, PieceShelf] = {}
        self.views: dict[str, dict[str, list[int]]] = {}
        for kind, path in paths.items():
            keys = [_CutOutKey(path, line, kind) for line in self._lines(cut_out_lines(path), kind)]
            if keys:
                self.pieces[kind] = Shelf(keys, _piece, _piece_size, share // 4 // len(paths), 0.7)
                self.views[kind] = _views(keys)
        scenes = dict(_kinds(folder, "scenes_", SCENES))
        self.scenes: dict[str, SceneShelf] = {}
        for kind, path in scenes.items():
            lines = [_SceneKey(path, line) for line in self._lines(scene_lines(path), kind)]
            if lines:
                self.scenes[kind] = Shelf(lines, _scene, _scene_size, share * 3 // 8 // len(scenes))
        whole = [path for path in sorted((folder / PHOTOS).glob("*.jpg")) if self._seen(path.stem)]
        halves = [path.parent / HALF / path.name for path in whole]
        self.photos: PhotoShelf = Shelf(whole, _photo, _nbytes, share // 6, 0.8)
        self.halves: PhotoShelf = Shelf(halves, _photo, _nbytes, share * 5 // 24)

    def _seen(self, name: str) -> bool:
        return name.split("-", 1)[0] not in self._without

    def _lines(self, lines: Iterator[Line], kind: str) -> Iterator[Line]:
        """All lines that may be seen; one that is just being written ends them."""
        try:
            for line in lines:
                if kind != PHOTOS or self._seen(line.name):  # type: ignore[attr-defined]
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

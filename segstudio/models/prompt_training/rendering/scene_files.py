"""Making scenes by the thousand: which models each is made from, and the folder that they fill."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np

from segstudio.core import whole_files
from segstudio.models.prompt_training.rendering.catalogue import Piece
from segstudio.models.prompt_training.rendering.cut_outs import SOURCE, png
from segstudio.models.prompt_training.rendering.placing import fits
from segstudio.models.prompt_training.rendering.scenes import Choice, Photos, Supplies, make_scene
from segstudio.models.prompt_training.rendering.stage import load
from segstudio.models.prompt_training.rendering.surfaces import Bytes, read_texture
from segstudio.models.prompt_training.scene import SCENES, Scene, SceneLine, scene_lines

_BLOCK = 100  # scenes from the same models: reading them costs as much as a scene
_TOGETHER = 26  # models for one theme in a block
_MANY = 40_000  # triangles: larger models are left to the cut-outs
_THEMES = ("room", "room", "room", "outside", "table", "table")
_TILING = re.compile(
    r"wood|stone|fabric|brick|parquet|marble|leather|oak|teak|teca|rattan|pino|tileable", re.I
)


@dataclass(frozen=True, eq=False)
class Shelf:
    """Where scenes come from: all pieces, and photos and textures for what is around them."""

    pieces: list[Piece]
    photos: Photos
    textures: list[Bytes]
    seed: int


def read_textures(folders: list[Path]) -> list[Bytes]:
    """Pictures that can cover a floor: of the models' textures those whose name says so."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            beside = any(path.parent.glob("*.obj"))
            if path.suffix.lower() not in {".jpg", ".png", ".jpeg"} or (
                beside and not _TILING.search(path.stem)
            ):
                continue
            image = read_texture(path)
            if image is not None and min(image.shape[:2]) >= 96 and image[..., 3].min() == 255:
                found.append(image)
    return found


def _loaded(pieces: list[Piece], rng: np.random.Generator, count: int) -> Choice:
    out: Choice = []
    for index in rng.permutation(len(pieces)):
        if len(out) == count:
            break
        try:
            model = load(pieces[int(index)])
        except (OSError, ValueError):
            continue
        if len(model.mesh.part) <= _MANY:
            out.append((pieces[int(index)], model))
    return out


def supplies(shelf: Shelf, block: int) -> list[Supplies]:
    """What the scenes of a block are made from, theme by theme."""
    rng = np.random.default_rng([shelf.seed, 1, block])
    small = _loaded([p for p in shelf.pieces if fits(p, "table")], rng, _TOGETHER)
    out = {"table": Supplies("table", small, small, shelf.photos, shelf.textures)}
    for theme in ("room", "outside"):
        choice = _loaded([p for p in shelf.pieces if fits(p, theme)], rng, _TOGETHER)
        out[theme] = Supplies(theme, choice, small, shelf.photos, shelf.textures)
    return [out[theme] for theme in _THEMES if out[theme].choice]


def make_scenes(shelf: Shelf, target: Path, numbers: range, said: Callable[[str], None]) -> None:
    """Write the scenes of these numbers, but for what is there and listed."""
    for folder in ("images", "ids"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    lines: dict[str, SceneLine] = {}
    if (target / SCENES).exists():
        lines = {line.name: line for line in scene_lines(target)}
    for block in sorted({number // _BLOCK for number in numbers}):
        mine = [n for n in numbers if n // _BLOCK == block and _name(shelf, n) not in lines]
        kinds = supplies(shelf, block) if mine else []
        for number in mine if kinds else ():
            rng = np.random.default_rng([shelf.seed, 2, number])
            scene = make_scene(kinds[int(rng.integers(len(kinds)))], rng)
            if scene is not None:
                name = _name(shelf, number)
                _write(target, name, scene, int(rng.integers(92, 96)))
                lines[name] = SceneLine(name, SOURCE, scene.targets)
        if mine:
            _list(target, lines)
            said(f"{len(lines)} scenes")


def _name(shelf: Shelf, number: int) -> str:
    return f"{shelf.seed:03d}_{number:05d}"


def _write(target: Path, name: str, scene: Scene, quality: int) -> None:
    image = np.ascontiguousarray(scene.image[..., ::-1])
    done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError(f"The scene {name} cannot be written as JPEG.")
    whole_files.put(target / "ids" / f"{name}.png", png(scene.ids))
    whole_files.put(target / "images" / f"{name}.jpg", jpeg.tobytes())


def _list(target: Path, lines: dict[str, SceneLine]) -> None:
    rows = (msgspec.json.encode(lines[name]) + b"\n" for name in sorted(lines))
    whole_files.put(target / SCENES, b"".join(rows))

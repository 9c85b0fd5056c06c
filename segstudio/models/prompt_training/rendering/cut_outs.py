"""Models alone, from many sides, as cut-outs with their parts."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from segstudio.core import whole_files
from segstudio.models.prompt_training.rendering.catalogue import Piece
from segstudio.models.prompt_training.rendering.lighting import lights
from segstudio.models.prompt_training.rendering.stage import (
    Model,
    Stage,
    developed,
    load,
    recoloured,
)
from segstudio.models.prompt_training.rendering.surfaces import encoded
from segstudio.models.prompt_training.rendering.views import around
from segstudio.models.prompt_training.scene import CUT_OUTS, CutOut, CutOutLine

SOURCE = "sweethome3d-furniture"
_LEAST = 0.02  # of the thing's pixels: a smaller part is its neighbour's
Photos = list[npt.NDArray[np.uint8]]


def cut_out(model: Model, rng: np.random.Generator, photos: Photos) -> CutOut | None:
    """One view under one light; None where hardly anything is seen."""
    if rng.random() < 0.35:
        model = recoloured(model, rng)
    stage = Stage()
    stage.put(model, 1)
    camera = around(model.mesh, rng, int(rng.integers(192, 321)))
    photo = photos[rng.integers(len(photos))] if photos and rng.random() < 0.7 else None
    picture = stage.photograph(camera, lights(rng, photo), softness=rng.uniform(1, 8))
    seen = np.argwhere(picture.cover > 0)
    if len(seen) == 0:
        return None
    (top, left), (bottom, right) = seen.min(axis=0), seen.max(axis=0) + 1
    box = (slice(top, bottom), slice(left, right))
    cover, ids = picture.cover[box], picture.ids[box]
    height, width = cover.shape
    if (cover >= 0.5).mean() < 0.06 or min(height, width) < 0.05 * max(height, width):
        return None
    light = picture.light[box] / np.maximum(cover, np.float32(1e-3))[..., None]
    colour = encoded(developed(np.asarray(light, np.float32), rng.uniform(0.75, 1.15)))
    rgba = np.round(np.dstack([colour, cover]) * 255).astype(np.uint8)
    # A pixel that is half covered at most belongs to the thing only where the majority says so.
    parts = np.where(rgba[..., 3] > 0, ids, 0)
    parts = large_parts(parts)
    return CutOut(rgba, parts.astype(np.uint8) if parts.max() > 1 else None)


def large_parts(parts: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Parts of less than a fiftieth given to the neighbour that they touch most, renumbered."""
    parts = parts.copy()
    while True:
        areas = np.bincount(parts.ravel())
        areas[0] = 0
        numbers = np.flatnonzero(areas)
        if len(numbers) < 2:
            break
        small = int(numbers[areas[numbers].argmin()])
        if areas[small] >= _LEAST * areas.sum():
            break
        parts[parts == small] = _most_touched(parts, small, areas)
    numbers = np.unique(parts)
    names = np.zeros(int(numbers.max()) + 1, np.int32)
    names[numbers[numbers > 0]] = np.arange(1, (numbers > 0).sum() + 1)
    return np.asarray(names[parts])


def _most_touched(parts: npt.NDArray[np.int32], small: int, areas: npt.NDArray[np.int64]) -> int:
    touched = np.zeros(len(areas), np.int64)
    pairs = ((parts[1:], parts[:-1]), (parts[:, 1:], parts[:, :-1]))
    for one, other in (*pairs, *((b, a) for a, b in pairs)):
        np.add.at(touched, other[one == small], 1)
    touched[[0, small]] = 0
    return int(touched.argmax() if touched.any() else np.where(areas > 0, areas, 0).argmax())


def png(pixels: npt.NDArray[np.uint8 | np.uint16]) -> bytes:
    """A PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def make_cut_outs(
    pieces: list[Piece],
    target: Path,
    views: range,
    *,
    seed: int,
    photos: Photos,
    said: Callable[[str], None],
) -> None:
    """Write these views of each useful piece, but for what is there, and list all that is there."""
    target.mkdir(parents=True, exist_ok=True)
    for index, piece in enumerate(pieces):
        names = {view: f"{piece.key}_{view:02d}" for view in views}
        missing = [view for view in views if not (target / f"{names[view]}.png").exists()]
        if not missing:
            continue
        try:
            model = load(piece)
        except (OSError, ValueError) as error:
            said(f"{piece.key} is left out: {error}")
            continue
        for view in missing:
            rng = np.random.default_rng([seed, zlib.crc32(piece.key.encode()), view])
            made = cut_out(model, rng, photos)
            if made is not None:
                _write(target, names[view], made)
        if index % 50 == 49:
            list_cut_outs(pieces, target)
            said(f"{index + 1} of {len(pieces)} models")
    list_cut_outs(pieces, target)


def _write(target: Path, name: str, made: CutOut) -> None:
    if made.parts is not None:
        whole_files.put(target / f"{name}.parts.png", png(made.parts))
    whole_files.put(target / f"{name}.png", png(made.rgba))


def list_cut_outs(pieces: list[Piece], target: Path) -> None:
    """Write the list of the cut-outs that lie in a folder."""
    lines = []
    there = {path.name for path in target.glob("*.png")}
    for piece in pieces:
        for view in range(100):
            if f"{piece.key}_{view:02d}.png" in there:
                line = CutOutLine(f"{piece.key}_{view:02d}", SOURCE, piece.key)
                lines.append(msgspec.json.encode(line))
    whole_files.put(target / CUT_OUTS, b"".join(line + b"\n" for line in lines))

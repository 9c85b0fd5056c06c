"""Images with everything in them that may be asked for: what prompt models are trained on.

A scene on disk is a line of `scenes.jsonl` beside two files, `images/NAME.jpg` (or .png) and
`ids/NAME.png` (16-bit grey); a cut-out is a line of `cut_outs.jsonl` beside `NAME.png` (RGBA) and,
where it has parts, `NAME.parts.png` (8-bit grey). Lines are JSON: see SceneLine and CutOutLine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

SCENES, CUT_OUTS = "scenes.jsonl", "cut_outs.jsonl"

Kind = Literal["object", "part", "group", "region"]


class Target(msgspec.Struct, frozen=True):
    """A mask that a user may want: the union of these ids of the scene's map.

    `kind`: a whole thing, a part of one, several things that belong together, or a region of stuff
    (sky, grass, a wall).
    """

    ids: tuple[int, ...]
    kind: Kind = "object"


class SceneLine(msgspec.Struct, frozen=True):
    """`name` is the files' stem; `source` a key of the table of sources."""

    name: str
    source: str
    targets: tuple[Target, ...]


class CutOutLine(msgspec.Struct, frozen=True):
    """`name` is the files' stem; `subject` what views of one and the same model share."""

    name: str
    source: str
    subject: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """`image` (H, W, 3) uint8 RGB; `ids` (H, W) uint16, 0 where nothing is named.

    Ids are atoms: no two masks overlap but by sharing ids. Targets may be partly or wholly hidden.
    """

    image: npt.NDArray[np.uint8]
    ids: npt.NDArray[np.uint16]
    targets: tuple[Target, ...]

    def mask(self, target: Target) -> npt.NDArray[np.bool_]:
        """(H, W) bool."""
        chosen = np.zeros(int(self.ids.max()) + 1, dtype=bool)
        chosen[[number for number in target.ids if number < len(chosen)]] = True
        return np.asarray(chosen[self.ids])


@dataclass(frozen=True, eq=False)
class CutOut:
    """A thing without its background, cropped to what is seen of it.

    `rgba` (h, w, 4) uint8, alpha not multiplied in; `parts` (h, w) uint8, 0 outside, or None for a
    thing of one part.
    """

    rgba: npt.NDArray[np.uint8]
    parts: npt.NDArray[np.uint8] | None = None


def scene_lines(folder: Path) -> Iterator[SceneLine]:
    """The scenes of a folder, as listed."""
    for line in (folder / SCENES).read_bytes().splitlines():
        yield msgspec.json.decode(line, type=SceneLine)


def read_scene(folder: Path, line: SceneLine) -> Scene:
    """Raises FileNotFoundError where a file is gone or no image."""
    paths = (folder / "images" / f"{line.name}{end}" for end in (".jpg", ".png"))
    path = next((path for path in paths if path.exists()), None)
    image = None if path is None else cv2.imread(str(path), cv2.IMREAD_COLOR)
    ids = cv2.imread(str(folder / "ids" / f"{line.name}.png"), cv2.IMREAD_UNCHANGED)
    if image is None or ids is None:
        raise FileNotFoundError(f"The scene {line.name} in {folder} cannot be read.")
    return Scene(np.ascontiguousarray(image[..., ::-1]), ids.astype(np.uint16), line.targets)


def cut_out_lines(folder: Path) -> Iterator[CutOutLine]:
    """The cut-outs of a folder, as listed."""
    for line in (folder / CUT_OUTS).read_bytes().splitlines():
        yield msgspec.json.decode(line, type=CutOutLine)


def read_cut_out(folder: Path, line: CutOutLine) -> CutOut:
    """Raises FileNotFoundError where a file is gone or no image."""
    rgba = cv2.imread(str(folder / f"{line.name}.png"), cv2.IMREAD_UNCHANGED)
    if rgba is None:
        raise FileNotFoundError(f"The cut-out {line.name} in {folder} cannot be read.")
    path = folder / f"{line.name}.parts.png"
    parts: npt.NDArray[np.uint8] | None = None
    if path.exists():
        parts = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), dtype=np.uint8)
    return CutOut(np.asarray(rgba[..., [2, 1, 0, 3]], dtype=np.uint8, order="C"), parts)

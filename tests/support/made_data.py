"""A small folder of made data: everything that a composer draws from, of a few pixels each."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np

from segstudio.models.prompt_training.scene import CutOutLine, SceneLine, Target


def write_cut_outs(folder: Path, kind: str, names: list[str], *, parts: bool = False) -> None:
    """Discs of 60 px in colours of their own; with `parts` an upper and a lower half."""
    place = folder / f"cut_outs_{kind}"
    place.mkdir(parents=True)
    lines = []
    for number, name in enumerate(names):
        rgba = np.zeros((60, 60, 4), np.uint8)
        cv2.circle(rgba, (30, 30), 28, (40 * number % 256, 200, 90, 255), -1)
        cv2.imwrite(str(place / f"{name}.png"), rgba)
        if parts:
            halves = np.where(np.arange(60)[:, None] < 30, 1, 2) * (rgba[..., 3] > 0)
            cv2.imwrite(str(place / f"{name}.parts.png"), halves.astype(np.uint8))
        lines.append(msgspec.json.encode(CutOutLine(name, "drawn", name[:3])))
    (place / "cut_outs.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def write_scenes(folder: Path, kind: str, names: list[str]) -> None:
    """Scenes of 96 x 128: sky over ground, each a region, and a square on them."""
    place = folder / f"scenes_{kind}"
    for part in ("images", "ids"):
        (place / part).mkdir(parents=True)
    ids = np.ones((96, 128), np.uint16)
    ids[50:] = 2
    ids[30:70, 40:80] = 3
    image = np.array([[0, 0, 0], [230, 160, 90], [40, 110, 60], [30, 30, 200]], np.uint8)[ids]
    targets = (Target((1,), "region"), Target((2,), "region"), Target((3,)))
    for name in names:
        cv2.imwrite(str(place / "images" / f"{name}.png"), image)
        cv2.imwrite(str(place / "ids" / f"{name}.png"), ids)
    lines = [msgspec.json.encode(SceneLine(name, "drawn", targets)) for name in names]
    (place / "scenes.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def write_photos(folder: Path, levels: dict[str, int]) -> None:
    """Photos of 128 x 160 and their halves, each of one level of grey."""
    (folder / "photos" / "half").mkdir(parents=True)
    for name, level in levels.items():
        photo = np.full((128, 160, 3), level, np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{name}.jpg"), photo)
        cv2.imwrite(str(folder / "photos" / "half" / f"{name}.jpg"), photo[::2, ::2])


def write_everything(folder: Path) -> Path:
    """All of it."""
    write_cut_outs(folder, "3d", ["car0", "car1", "dog0", "dog1"], parts=True)
    write_cut_outs(folder, "clipart", ["sun", "hat"])
    write_cut_outs(folder, "photos", ["000-00", "001-00"])
    write_scenes(folder, "3d", ["room"])
    write_scenes(folder, "photos", ["000", "001"])
    write_photos(folder, {"000": 60, "001": 120, "002": 180})
    return folder

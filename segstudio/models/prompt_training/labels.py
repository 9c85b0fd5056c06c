"""Masks outlined by hand on photographs: read, made into scenes and cut-outs, packed for keeping.

    python -m segstudio.models.prompt_training.labels make LABELS PHOTOS MADE [--without NAME ...]
    python -m segstudio.models.prompt_training.labels pack LABELS PHOTOS FILE.json
    python -m segstudio.models.prompt_training.labels unpack FILE.json PHOTOS LABELS

LABELS/NAME/index.json: mask's name -> {file, kind}, beside 8-bit PNGs of the size of
PHOTOS/NAME.jpg. PHOTOS/photos.json: a list of {name, sha256, ...}, the sum being that of the file
that the photograph was made of. A packed file holds COCO RLE by that sum. `make` writes
MADE/scenes_photos and MADE/cut_outs_photos.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask
from segstudio.core.whole_files import put
from segstudio.models.prompt_training.photo_cut_outs import cut
from segstudio.models.prompt_training.scene import (
    CUT_OUTS,
    SCENES,
    CutOutLine,
    Kind,
    Scene,
    SceneLine,
    Target,
)

INDEX = "index.json"

Bools = npt.NDArray[np.bool_]


class _IndexEntry(msgspec.Struct):
    file: str
    kind: Kind


class _PhotoEntry(msgspec.Struct):
    name: str
    sha256: str


class PackedMask(msgspec.Struct):
    """`counts` is COCO's compressed RLE."""

    name: str
    kind: Kind
    counts: str


class PackedPhoto(msgspec.Struct):
    """`size` (height, width) of the masks' frame."""

    size: tuple[int, int]
    masks: list[PackedMask]


@dataclass(frozen=True, eq=False)
class Label:
    """A mask (H, W) bool, what it is called and what kind of target it is."""

    name: str
    kind: Kind
    mask: Bools


def labelled_names(labels: Path) -> list[str]:
    """The photographs that have labels."""
    return sorted(path.parent.name for path in labels.glob(f"*/{INDEX}"))


def read_labels(labels: Path, name: str) -> list[Label]:
    """The labels of a photograph that are not empty. Raises FileNotFoundError."""
    folder = labels / name
    index = msgspec.json.decode((folder / INDEX).read_bytes(), type=dict[str, _IndexEntry])
    found = []
    for called, entry in index.items():
        mask = cv2.imread(str(folder / entry.file), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise FileNotFoundError(f"The mask {entry.file} of photo {name} cannot be read.")
        if mask.any():
            found.append(Label(called, entry.kind, np.asarray(mask > 127)))
    return found


def atoms(masks: Sequence[Bools]) -> tuple[npt.NDArray[np.uint16], list[tuple[int, ...]]]:
    """The smallest pieces that every mask is a union of: their map (H, W), 0 where no mask is, and
    each mask's ids."""
    ids = np.zeros(masks[0].shape, np.int32)
    for mask in masks:
        code = 2 * ids + mask  # 0 where no mask has been so far
        known = np.flatnonzero(np.bincount(code.ravel())[1:]) + 1
        table = np.zeros(int(code.max()) + 1, np.int32)
        table[known] = np.arange(1, len(known) + 1)
        ids = table[code]
    members = [tuple(np.flatnonzero(np.bincount(ids[mask])).tolist()) for mask in masks]
    return ids.astype(np.uint16), members


def labelled_scene(image: npt.NDArray[np.uint8], labels: Sequence[Label]) -> Scene:
    """`image` (H, W, 3) uint8 RGB with a target for each label."""
    ids, members = atoms([label.mask for label in labels])
    kinds = [label.kind for label in labels]
    return Scene(image, ids, tuple(map(Target, members, kinds)))


def make(labels: Path, photos: Path, made: Path, without: Collection[str] = ()) -> tuple[int, int]:
    """Scenes and cut-outs of all labelled photographs but those `without`; how many of each."""
    scenes, cut_outs = made / "scenes_photos", made / "cut_outs_photos"
    for folder in (scenes / "images", scenes / "ids", cut_outs):
        folder.mkdir(parents=True, exist_ok=True)
    scene_lines: list[SceneLine] = []
    cut_out_lines: list[CutOutLine] = []
    for name in labelled_names(labels):
        read = cv2.imread(str(photos / f"{name}.jpg"), cv2.IMREAD_COLOR)
        found = read_labels(labels, name)
        if read is None or name in without or not found:
            continue
        image = read.astype(np.uint8)
        scene = labelled_scene(image, found)
        shutil.copyfile(photos / f"{name}.jpg", scenes / "images" / f"{name}.jpg")
        put(scenes / "ids" / f"{name}.png", cv2.imencode(".png", scene.ids)[1].tobytes())
        scene_lines.append(SceneLine(name, "photos", scene.targets))
        cut_out_lines += _write_cut_outs(cut_outs, name, image, found)
    put(scenes / SCENES, _lines(scene_lines))
    put(cut_outs / CUT_OUTS, _lines(cut_out_lines))
    return len(scene_lines), len(cut_out_lines)


def _write_cut_outs(
    folder: Path, name: str, image: npt.NDArray[np.uint8], labels: Sequence[Label]
) -> Iterator[CutOutLine]:
    parts = [label.mask for label in labels if label.kind == "part"]
    for number, label in enumerate(labels):
        found = cut(image, label.mask, parts) if label.kind == "object" else None
        if found is None:
            continue
        rgba, part_map = found
        stem = f"{name}-{number:02d}"
        put(folder / f"{stem}.png", cv2.imencode(".png", rgba)[1].tobytes())
        put(folder / f"{stem}.parts.png", cv2.imencode(".png", part_map)[1].tobytes())
        yield CutOutLine(stem, "photos", f"{name}-{label.name.rstrip('0123456789 _')}")


def _lines(records: Sequence[msgspec.Struct]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def pack(labels: Path, photos: Path) -> bytes:
    """All labels as JSON: {SHA-256: PackedPhoto}, one photograph a line."""
    packed = {}
    for name, key in _sums(photos).items():
        if (labels / name / INDEX).is_file() and (found := read_labels(labels, name)):
            masks = [
                PackedMask(label.name, label.kind, Mask.from_array(label.mask).counts.decode())
                for label in found
            ]
            height, width = found[0].mask.shape
            packed[key] = PackedPhoto((height, width), masks)
    rows = [f'"{key}":{msgspec.json.encode(photo).decode()}' for key, photo in packed.items()]
    return ("{\n" + ",\n".join(rows) + "\n}\n").encode()


def unpack(content: bytes, photos: Path, labels: Path) -> list[str]:
    """Write packed labels out as they were; the names of their photographs."""
    packed = msgspec.json.decode(content, type=dict[str, PackedPhoto])
    names = []
    for name, key in _sums(photos).items():
        photo = packed.get(key)
        if photo is None:
            continue
        folder, index = labels / name, {}
        folder.mkdir(parents=True, exist_ok=True)
        for number, packed_mask in enumerate(photo.masks):
            mask = Mask.from_coco(photo.size, packed_mask.counts).to_array()
            file = f"{number:02d}.png"
            grey = mask.astype(np.uint8) * np.uint8(255)
            put(folder / file, cv2.imencode(".png", grey)[1].tobytes())
            index[packed_mask.name] = _IndexEntry(file, packed_mask.kind)
        put(folder / INDEX, msgspec.json.encode(index))
        names.append(name)
    return names


def _sums(photos: Path) -> dict[str, str]:
    entries = msgspec.json.decode((photos / "photos.json").read_bytes(), type=list[_PhotoEntry])
    return {entry.name: entry.sha256 for entry in entries}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("verb", choices=["make", "pack", "unpack"])
    parser.add_argument("source", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    if options.verb == "make":
        print(*make(options.source, options.photos, options.target, options.without))
    elif options.verb == "pack":
        put(options.target, pack(options.source, options.photos))
    else:
        print(*unpack(options.source.read_bytes(), options.photos, options.target))


if __name__ == "__main__":
    main()

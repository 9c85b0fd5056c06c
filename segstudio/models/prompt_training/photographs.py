"""Photographs of all sources as numbered JPEGs.

Numbers follow from the list of files alone, so that they stay where a photograph is missing: JPEG
XL is read where the package `pillow-jxl-plugin` is installed, and passed over elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
from collections.abc import Mapping
from pathlib import Path

import msgspec
from PIL import Image, ImageOps

from segstudio.core.errors import BadInputError
from segstudio.core.whole_files import put
from segstudio.models.prompt_training.sources import PHOTO_FOLDERS

PHOTOS = "photos.json"
LONGEST = 1024  # px
_SUFFIXES = frozenset({".jpg", ".png", ".webp", ".jxl"})
_JPEG_XL = ".jxl"


class PhotoEntry(msgspec.Struct):
    """A photograph `name`.jpg: which `file` of a source it was made of, that file's sum, and its
    own size (width, height)."""

    name: str
    source: str
    file: str
    sha256: str
    size: tuple[int, int]


def numbered(sums: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Photo's name ("000" and up) -> file in the folder of raw data."""
    files = {file for of_source in sums.values() for file in of_source}
    found = []
    for folder in PHOTO_FOLDERS:
        within = [Path(file) for file in files if str(Path(file).parent) == folder]
        found += sorted(path for path in within if path.suffix.lower() in _SUFFIXES)
    return {f"{number:03d}": path.as_posix() for number, path in enumerate(found)}


def make_photos(
    raw: Path, photos: Path, sums: Mapping[str, Mapping[str, str]]
) -> tuple[int, list[str]]:
    """Write NAME.jpg (longest side 1024) and photos.json; how many there are, and sentences on
    those that are missing. What is there of the same file stays."""
    photos.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_jxl")
    before = _entries(photos)
    entries, missing, absent = [], [], []
    for name, file in numbered(sums).items():
        path = raw / file
        if not path.is_file():
            absent.append(name)
            continue
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        known = before.get(name)
        if known is not None and known.sha256 == sha256 and (photos / f"{name}.jpg").is_file():
            entries.append(known)
            continue
        try:
            size = _write(content, photos / f"{name}.jpg")
        except OSError as error:
            if path.suffix != _JPEG_XL:
                raise BadInputError(f"{path} cannot be read as an image ({error}).") from error
            missing.append(
                f"Photo {name} is missing: {file} is JPEG XL; `pip install pillow-jxl-plugin`, "
                "and fetch again."
            )
            continue
        entries.append(PhotoEntry(name, file.split("/")[0], file, sha256, size))
    if absent:
        missing.append(f"Photos are missing whose files were not fetched: {', '.join(absent)}.")
    put(photos / PHOTOS, msgspec.json.format(msgspec.json.encode(entries), indent=1))
    return len(entries), missing


def _entries(photos: Path) -> dict[str, PhotoEntry]:
    try:
        content = (photos / PHOTOS).read_bytes()
        entries = msgspec.json.decode(content, type=list[PhotoEntry])
    except (OSError, msgspec.DecodeError):
        return {}
    return {entry.name: entry for entry in entries}


def _write(content: bytes, target: Path) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=93, subsampling=0)
    put(target, buffer.getvalue())
    return image.size

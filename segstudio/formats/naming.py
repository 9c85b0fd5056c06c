"""File names for a flat folder, safe on every file system and stable from export to export."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import PurePosixPath

from segstudio.core.category import Category
from segstudio.core.image import ImageRecord

_RESERVED = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in range(1, 10)}
)


def export_stems(images: Iterable[ImageRecord]) -> dict[int, str]:
    """A file stem for each image id: its path with folders joined by "_", made safe.

    Ask for all images of a project at once: where two would get the same stem (also when only
    case or Unicode form differ, as some file systems fold them), the later one gets "_2", "_3" ...
    """
    return unique_stems(
        (image.id, safe_stem(image.path.removesuffix(PurePosixPath(image.path).suffix)))
        for image in images
    )


def category_stems(categories: Iterable[Category]) -> dict[int, str]:
    """A folder name for each category id: its name made safe, and unique as `export_stems`."""
    return unique_stems((category.id, safe_stem(category.name)) for category in categories)


def unique_stems(stems: Iterable[tuple[int, str]]) -> dict[int, str]:
    """The wanted stem for each id; see `export_stems` for two that want the same."""
    taken: set[str] = set()
    result = {}
    for number, wanted in stems:
        stem, count = wanted, 1
        while _folded(stem) in taken:
            count += 1
            stem = f"{wanted}_{count}"
        taken.add(_folded(stem))
        result[number] = stem
    return result


def renamed_splits(images: Iterable[ImageRecord], held: Callable[[str], str]) -> tuple[str, ...]:
    """A sentence for each split that comes back under another name, which `held` gives."""
    found = [(split, held(split)) for split in sorted({image.split for image in images})]
    return tuple(
        f"The split “{split}” comes back as “{name}”." if name else f"The split “{split}” is lost."
        for split, name in found
        if name != split
    )


def safe_stem(text: str) -> str:
    """`text` as a file name without suffix: letters, digits, "-", "_" and "." only.

    No blanks (list files are split at them), no leading dot or dash, no name that Windows keeps
    for devices, at most 200 bytes of UTF-8; never empty.
    """
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(letter if _allowed(letter) else "_" for letter in composed)
    kept = kept.lstrip(".-").rstrip(".")
    if kept.split(".")[0].lower() in _RESERVED:
        kept = f"_{kept}"
    return _shortened(kept) or "image"


def _allowed(letter: str) -> bool:
    return letter in "-_." or unicodedata.category(letter)[0] in "LNM"


def _shortened(name: str) -> str:
    """At most 200 bytes, so that a suffix still fits into a file system's 255."""
    data = name.encode()
    if len(data) <= 200:
        return name
    return data[:180].decode(errors="ignore") + "_" + sha256(data).hexdigest()[:12]


def _folded(stem: str) -> str:
    return unicodedata.normalize("NFKC", stem).casefold()


def said_path(text: str) -> str:
    """`text` if it is a relative path of an image file that stays where it is, else ""."""
    plain = re.fullmatch(r"[^\0\\:]+\.[A-Za-z]{3,4}", text) is not None
    return text if plain and not text.startswith("/") and ".." not in text.split("/") else ""

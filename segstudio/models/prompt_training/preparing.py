"""Make photographs and flat cut-outs ready for the composer; a command that may be run again.

    python -m segstudio.models.prompt_training.preparing RAW PHOTOS MADE
        [--without NAME ...] [--only WHAT ...]

RAW holds folders of sources (openclipart-png, fluent-emoji-3d, gcompris/fish_cutouts), PHOTOS
NAME.jpg; MADE gets cut_outs_clipart, cut_outs_emoji, cut_outs_fish and photos.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from segstudio.core.whole_files import put
from segstudio.models.prompt_training.assets import HALF, PHOTOS
from segstudio.models.prompt_training.scene import CUT_OUTS, CutOutLine

SIDE = 320  # px, the longest side of a cut-out
_LONGEST = 1024  # px, of a photograph
_LEAST = 400  # px of a cut-out that are seen
_MOST_BYTES = 300_000  # of a file of clip art; larger ones take long and show no more

# Folders of the clip art that hold no things: signs, flags, letters, icons, maps, cards.
_NO_THINGS = re.compile(
    r"signs_and_symbols|/shapes/|icons|buttons|logos|/cards|/special/|roadsigns|/geography/(?!astro)"
    r"|stickmen|flowchart|diagrams|/decorations|folders|chess|dice|alphabet|/patterns|linked"
)

# Emoji that are letters, arrows, squares, buttons, flags: ranges of the first code point.
_NO_EMOJI = (
    (0x0023, 0x00AE),
    (0x2000, 0x25FF),
    (0x2648, 0x2653),
    (0x2660, 0x2668),
    (0x2700, 0x2707),
    (0x2753, 0x27BF),
    (0x2900, 0x2B55),
    (0x3000, 0x3300),
    (0x1F100, 0x1F2FF),
    (0x1F4F4, 0x1F4F6),
    (0x1F500, 0x1F50A),
    (0x1F518, 0x1F524),
    (0x1F52F, 0x1F53D),
    (0x1F6AB, 0x1F6B1),
    (0x1F6B3, 0x1F6B3),
    (0x1F6B7, 0x1F6BE),
    (0x1F7E0, 0x1F7F0),
)
_SKINS = re.compile("1f3f[b-f]")

Rgba = npt.NDArray[np.uint8]


def trimmed(image: object, side: int = SIDE) -> Rgba | None:
    """(h, w, 4) uint8 RGBA, cropped to what is seen and at most `side` px long; None where this is
    no single thing: too small, too thin, a filled rectangle, or scattered."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 4:
        return None
    rows, columns = np.nonzero(image[..., 3] > 24)
    if image.dtype != np.uint8 or len(rows) < _LEAST:
        return None
    image = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = image.shape[:2]
    if max(height, width) > 6 * min(height, width):
        return None
    image = shrunk(image, side / max(height, width))
    seen = (image[..., 3] > 127).astype(np.uint8)
    if not 0.12 < seen.mean() < 0.95 or seen.sum() < _LEAST:
        return None
    stats = cv2.connectedComponentsWithStats(seen)[2]
    if stats[1:, cv2.CC_STAT_AREA].max() < 0.85 * seen.sum():
        return None
    return np.ascontiguousarray(image)


def shrunk(image: Rgba, scale: float) -> Rgba:
    """The mean over areas, colours weighted by alpha."""
    if scale >= 1:
        return image
    weighted = image.astype(np.float32)
    weighted[..., :3] *= weighted[..., 3:] / 255
    shrunk = cv2.resize(weighted, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = shrunk.astype(np.float32)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def write_cut_outs(
    found: Iterator[tuple[str, str, Rgba]], folder: Path, source: str
) -> list[CutOutLine]:
    """Names, subjects and BGRA pictures as a new folder of cut-outs; what lay there is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = []
    for name, subject, picture in found:
        (folder / f"{name}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        lines.append(CutOutLine(name, source, subject))
    put(folder / CUT_OUTS, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return lines


def clip_art(folder: Path) -> Iterator[tuple[str, str, Rgba]]:
    """Names, subjects and pictures of what the clip art's useful folders hold."""
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        place = path.as_posix().removeprefix(folder.as_posix())
        if path.is_symlink() or path.stat().st_size > _MOST_BYTES or _NO_THINGS.search(place):
            continue
        picture = trimmed(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        if picture is not None:
            yield f"{number:05d}", f"{number:05d}", picture


def emoji(folder: Path) -> Iterator[tuple[str, str, Rgba]]:
    """The same of emoji, without doubles in other skin tones and without signs."""
    for path in sorted(folder.glob("*.webp")):
        code = path.stem.split("-")[0]
        if _SKINS.search(path.stem) or "20e3" in path.stem or not re.fullmatch("[0-9a-f]+", code):
            continue
        if any(first <= int(code, 16) <= last for first, last in _NO_EMOJI):
            continue
        picture = trimmed(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        if picture is not None:
            yield path.stem, path.stem, picture


def fish(folder: Path) -> Iterator[tuple[str, str, Rgba]]:
    """The same of fish that are drawn twice, side by side."""
    for path in sorted(folder.glob("*.webp")):
        both = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if both is None:
            continue
        half = both.shape[1] // 2
        for side, frame in (("a", both[:, :half]), ("b", both[:, half:])):
            picture = trimmed(frame)
            if picture is not None:
                yield f"{path.stem}{side}", path.stem, picture


def prepare_photos(folder: Path, out: Path, without: Collection[str] = ()) -> list[str]:
    """NAME.jpg at no more than 1024 px and half/NAME.jpg; the names that were written."""
    shutil.rmtree(out, ignore_errors=True)
    (out / HALF).mkdir(parents=True)
    names = []
    for path in sorted(folder.glob("*.jpg")):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None or path.stem in without:
            continue
        scale = min(1.0, _LONGEST / max(image.shape[:2]))
        for target, factor in ((out, scale), (out / HALF, scale / 2)):
            size = [max(1, round(length * factor)) for length in image.shape[1::-1]]
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
            put(target / path.name, jpeg.tobytes())
        names.append(path.stem)
    return names


_SOURCES: tuple[tuple[str, str, str, Callable[[Path], Iterator[tuple[str, str, Rgba]]]], ...] = (
    ("gcompris", "gcompris/fish_cutouts", "cut_outs_fish", fish),
    ("fluent-emoji-3d", "fluent-emoji-3d", "cut_outs_emoji", emoji),
    ("openclipart-png", "openclipart-png", "cut_outs_clipart", clip_art),
)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("raw", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("made", type=Path)
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME")
    targets = [PHOTOS, *(target for _source, _place, target, _pictures in _SOURCES)]
    parser.add_argument("--only", nargs="*", default=targets, choices=targets)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    if PHOTOS in options.only:
        names = prepare_photos(options.photos, options.made / PHOTOS, options.without)
        print(f"{PHOTOS}: {len(names)}")
    for source, place, target, pictures in _SOURCES:
        if target not in options.only:
            continue
        lines = write_cut_outs(pictures(options.raw / place), options.made / target, source)
        print(f"{target}: {len(lines)}", flush=True)


if __name__ == "__main__":
    main()

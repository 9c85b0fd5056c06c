"""What the indices and colours of VOC's class maps mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from segstudio.core.errors import BadInputError
from segstudio.formats.checked import shown
from segstudio.formats.found import Fault, Place
from segstudio.formats.index_maps import Indices, map_header, read_colour_ids, read_indices
from segstudio.formats.palette import BORDER, voc_palette
from segstudio.formats.source_files import SourceFolder

# The classes of the VOC challenges from 2007 on, in the order of their indices.
VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
_BACKGROUND = frozenset({"_background_", "__background__", "background", "bg"})
_IGNORED = frozenset({"__ignore__", "_ignore_"})
_COLOUR = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3})")
_MOST_TEXT = 4 << 20
_MOST_CLASSES = 10_000


@dataclass(frozen=True)
class ClassTable:
    """`names` by index (without the background), and the index of each colour, as R + 256 G +
    65536 B. `file` is what says so; "" for VOC's own classes. `background` are the indices that
    are none."""

    names: Mapping[int, str]
    colours: Mapping[int, int]
    file: str = ""
    places: Mapping[int, Place] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    background: frozenset[int] = frozenset({0})


def read_class_table(source: SourceFolder, folders: tuple[str, ...]) -> ClassTable:
    """From the first of `class_names.txt` and `labelmap.txt` in the folders; else VOC's own.

    Raises BadInputError, with file and line, for what is no text or has no place for a class.
    """
    for name, read in (("class_names.txt", _from_names), ("labelmap.txt", _from_label_map)):
        for folder in folders:
            path = source.file(folder + name, Place(folder + name))
            if path is not None:
                return read(source, path)
    return ClassTable(dict(enumerate(VOC_CLASSES, start=1)), _palette_indices())


def _from_names(source: SourceFolder, path: Path) -> ClassTable:
    """One name a line, as labelme writes and reads them: the first is that of index 0."""
    lines = source.text_of(path, _MOST_TEXT).replace("\r\n", "\n").split("\n")
    rows = [(line, " ".join(name.split())) for line, name in enumerate(lines, start=1)]
    rows = [(line, name) for line, name in rows if name]
    if rows and rows[0][1].lower() in _IGNORED:
        del rows[0]  # it is -1 there
    first = 0 if rows and rows[0][1].lower() in _BACKGROUND else 1
    return _table(source, path, rows, first, {0})


def _from_label_map(source: SourceFolder, path: Path) -> ClassTable:
    """CVAT's `label:color_rgb:parts:actions`; colours may be missing."""
    rows: list[tuple[int, str]] = []
    colours: list[int | None] = []
    for line, text in enumerate(source.text_of(path, _MOST_TEXT).splitlines(), start=1):
        if not text.strip() or text.startswith("# "):
            continue
        name, _, rest = text.partition(":")
        match = _COLOUR.match(rest.replace(" ", ""))
        values = [int(value) for value in match.groups()] if match else []
        if any(value > 255 for value in values):
            raise BadInputError(
                f"{source.place(path, f'line {line}')}: a colour has values from 0 to 255."
            )
        rows.append((line, " ".join(name.split())))
        colours.append(values[0] + 256 * values[1] + 65536 * values[2] if values else None)
    first = 0 if any(name.lower() in _BACKGROUND for _, name in rows) else 1
    none = {
        index for index, (_, name) in enumerate(rows, start=first) if name.lower() in _BACKGROUND
    }
    table = _table(source, path, rows, first, none | {0})
    if all(colour is None for colour in colours):
        return table
    red, green, blue = voc_palette()[BORDER]
    indices = {0: 0, red + 256 * green + 65536 * blue: BORDER}
    for index, colour in enumerate(colours, start=first):
        if colour is not None:
            indices[colour] = 0 if index in none else index
    return replace(table, colours=indices)


def _table(
    source: SourceFolder,
    path: Path,
    rows: list[tuple[int, str]],
    first: int,
    background: set[int],
) -> ClassTable:
    if len(rows) > _MOST_CLASSES:
        raise BadInputError(f"{source.place(path)}: it has {len(rows)} lines; classes are fewer.")
    names: dict[int, str] = {}
    taken: set[str] = set()
    places: dict[int, Place] = {}
    faults: list[Fault] = []
    for index, (line, name) in enumerate(rows, start=first):
        place = source.place(path, f"line {line}")
        if not name:
            faults.append(Fault(place, "The class has no name."))
        elif index not in background:
            if name in taken:
                faults.append(Fault(place, f"The class “{shown(name)}” is there twice."))
            names[index], places[index] = name, place
            taken.add(name)
    file = source.place(path).file
    none = frozenset(background) - set(names)
    return ClassTable(names, _palette_indices(), file, places, tuple(faults), none)


def _palette_indices() -> dict[int, int]:
    return {r + 256 * g + 65536 * b: index for index, (r, g, b) in enumerate(voc_palette())}


def read_class_map(
    source: SourceFolder, path: Path, size: tuple[int, int], table: ClassTable
) -> Indices:
    """(H, W) class indices of a palette, grey or RGB PNG; see `read_indices` for the errors."""
    return _read_map(source, path, size, table.colours)


def read_object_map(source: SourceFolder, path: Path, size: tuple[int, int]) -> Indices:
    """(H, W) object numbers of a palette, grey or RGB (by VOC's palette) PNG."""
    return _read_map(source, path, size, _palette_indices())


def border_of(indices: Indices) -> int:
    """The index that belongs to nobody: the largest there can be."""
    return int(np.iinfo(indices.dtype).max)


def _read_map(
    source: SourceFolder, path: Path, size: tuple[int, int], colours: Mapping[int, int]
) -> Indices:
    header = map_header(source, path)
    if header.palette or header.channels < 3:
        return read_indices(source, path, size)
    ids = read_colour_ids(source, path, size)
    kinds, where = np.unique(ids, return_inverse=True)
    for colour in _unknown(kinds.tolist(), colours):
        rgb = colour & 255, colour >> 8 & 255, colour >> 16
        raise BadInputError(
            f"{source.place(path)}: it has pixels of the colour {rgb}, which stands for nothing."
        )
    values = np.array([colours[colour] for colour in kinds.tolist()])
    if values.max() > BORDER:
        raise BadInputError(f"{source.place(path)}: it has more colours than a VOC palette.")
    return values.astype(np.uint8)[where].reshape(ids.shape)


def _unknown(kinds: list[int], colours: Mapping[int, int]) -> Iterator[int]:
    return (colour for colour in kinds if colour not in colours)

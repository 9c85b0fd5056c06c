"""Tables of categories beside label maps: which id, or colour, means what.

Read are text (`id name R G B`, `R G B name`, `id name`, names alone, CVAT's `name:R,G,B::`), CSV
with a header (commas, semicolons or tabs; ADE20K's objectInfo150), and JSON (a list of records, or
names by id). Written is CSV with the header `id,name,r,g,b,supercategory,isthing,ignore`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from segstudio.core.category import parse_colour
from segstudio.core.errors import BadInputError
from segstudio.formats.checked import shown
from segstudio.formats.found import Place
from segstudio.formats.json_files import load_json
from segstudio.formats.source_files import SourceFolder

TABLE = "categories.csv"  # what we write
TABLE_NAMES = (
    *(TABLE, "categories.json", "classes.txt", "classes.csv", "classes.json", "class_dict.csv"),
    *("label_colors.txt", "labels.txt", "labels.csv", "labels.json", "labelmap.txt"),
    *("objectInfo150.txt", "objectInfo150.csv", "object150_info.csv", "class_names.txt"),
    *("id2label.json",),
)
MOST_ID = 65_535
_MOST_TEXT = 4 << 20
_COLUMNS = {
    "id": ("id", "idx", "index", "value", "labelid"),
    "name": ("name", "label", "class", "category"),
    "colour": ("color", "colour", "rgb"),
    "supercategory": ("supercategory", "group"),
    "isthing": ("isthing", "hasinstances", "instances"),
    "stuff": ("stuff",),
    "ignore": ("ignore", "ignored", "ignoreineval"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
}
_MEANING = {word: column for column, words in _COLUMNS.items() for word in words}
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_YES, _NO = {"1", "true", "yes", "1.0"}, {"0", "false", "no", "", "0.0"}

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class TableRow:
    """What an id of a label map means; None where the table does not say."""

    id: int
    name: str
    place: Place
    rgb: Rgb | None = None
    supercategory: str = ""
    isthing: bool | None = None
    ignore: bool | None = None


def find_table(source: SourceFolder) -> Path | None:
    """The table of a source, by the usual names, in its folder itself."""
    for name in TABLE_NAMES:
        path = source.file(name, Place(name))
        if path is not None:
            return path
    return None


def read_table(
    source: SourceFolder, path: Path, *, may_be_empty: bool = False
) -> tuple[TableRow, ...]:
    """The rows of a table, ids unique and at most `MOST_ID`.

    Raises BadInputError, with file, line or entry and reason, for anything else.
    """
    if path.suffix.lower() == ".json":
        found = _json_rows(load_json(source, path), source, path)
    else:
        lines = source.text_of(path, _MOST_TEXT).splitlines()
        found = _text_rows(lines, source, path)
    rows: list[TableRow] = []
    seen: set[int] = set()
    for row in found:  # no more of them are held than there are ids
        if row.id > MOST_ID:
            raise BadInputError(f"{row.place}: the id {row.id} is larger than {MOST_ID}.")
        if row.id in seen:
            raise BadInputError(f"{row.place}: the id {row.id} is there twice.")
        seen.add(row.id)
        rows.append(row)
    if not rows and not may_be_empty:
        raise BadInputError(f"{source.place(path)}: the table names no category.")
    return tuple(rows)


def write_table(path: Path, rows: Iterable[TableRow]) -> None:
    """Write the rows as CSV, the smallest id first."""
    path.write_bytes(table_text(rows))


def table_text(rows: Iterable[TableRow]) -> bytes:
    """What `write_table` writes, UTF-8."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "name", "r", "g", "b", "supercategory", "isthing", "ignore"))
    for row in sorted(rows, key=lambda row: row.id):
        flags = ["" if flag is None else int(flag) for flag in (row.isthing, row.ignore)]
        writer.writerow((row.id, row.name, *(row.rgb or ("", "", "")), row.supercategory, *flags))
    return text.getvalue().encode("utf-8", "replace")


def _text_rows(lines: list[str], source: SourceFolder, path: Path) -> Iterator[TableRow]:
    kept = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not kept:
        return
    header = _header(kept[0][1])
    if header is not None:
        delimiter, columns = header
        yield from _csv_rows(lines[kept[0][0] :], kept[0][0], delimiter, columns, source, path)
        return
    shape = next(shape for shape in _SHAPES if shape(kept[0][1], 0) is not None)
    for index, (number, line) in enumerate(kept):
        parts = shape(line, index)
        place = source.place(path, f"line {number}")
        if parts is None:
            raise BadInputError(f"{place}: “{shown(line)}” is not written as the lines before.")
        yield _row(parts, index, place)


def _header(line: str) -> tuple[str, list[str]] | None:
    """The delimiter and the meaning of each column, where the line is the header of a CSV."""
    for delimiter in ("\t", ",", ";"):
        columns = [_MEANING.get(_plain(word), "") for word in line.split(delimiter)]
        if len(columns) > 1 and "name" in columns:
            return delimiter, columns
    return None


def _csv_rows(  # noqa: PLR0917 - the text, where it begins, how it is read, where it stands
    lines: list[str],
    before: int,
    delimiter: str,
    columns: list[str],
    source: SourceFolder,
    path: Path,
) -> Iterator[TableRow]:
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    index = 0
    while True:
        start = before + reader.line_num + 1
        place = source.place(path, f"line {start}")
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadInputError(f"{place}: this is not valid CSV ({error}).") from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            pairs = zip(columns, cells, strict=False)
            yield _row({name: cell.strip() for name, cell in pairs if name}, index, place)
            index += 1


def _json_rows(value: Any, source: SourceFolder, path: Path) -> Iterator[TableRow]:
    if isinstance(value, dict):
        for name in ("categories", "labels", "classes"):
            if isinstance(value.get(name), list | dict):
                value = value[name]
                break
    if isinstance(value, dict):
        value = [{"id": key, **_record(item)} for key, item in value.items()]
    elif isinstance(value, list):
        value = [_record(item) for item in value]
    else:
        raise BadInputError(f"{source.place(path)}: a table is a list, or names by id.")
    for index, entry in enumerate(value):
        parts = {_MEANING.get(_plain(key), ""): item for key, item in entry.items()}
        yield _row(parts, index, source.place(path, f"entry {index}"))


def _record(item: object) -> dict[str, Any]:
    return item if isinstance(item, dict) else {"name": item}


def _row(parts: Mapping[str, Any], index: int, place: Place) -> TableRow:
    """A row from what its columns say. Raises BadInputError, with the place, for nonsense."""
    name = parts.get("name")
    if not isinstance(name, str) or not name.strip():
        raise BadInputError(f"{place}: the row has no name.")
    colour = parts.get("colour")
    if colour is None and {"r", "g", "b"} <= parts.keys():
        channels = [parts["r"], parts["g"], parts["b"]]
        colour = channels if any(str(value) for value in channels) else None
    isthing = _flag(parts.get("isthing"), place)
    stuff = _flag(parts.get("stuff"), place)
    group = parts.get("supercategory")
    return TableRow(
        id=_number(parts.get("id", index), "id", place),
        name=name.strip(),
        place=place,
        rgb=_colour(colour, place),
        supercategory=group if isinstance(group, str) else "",
        isthing=not stuff if isthing is None and stuff is not None else isthing,
        ignore=_flag(parts.get("ignore"), place),
    )


def _number(value: object, what: str, place: Place) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise BadInputError(f"{place}: the {what} “{shown(text)}” is not a number from 0 on.")
    return int(text)


def _colour(value: object, place: Place) -> Rgb | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.startswith("#"):
        try:
            return parse_colour(value)
        except ValueError:
            raise BadInputError(f"{place}: “{shown(value)}” is not a colour.") from None
    channels = re.split(r"[\s,;]+", value.strip(" ()[]")) if isinstance(value, str) else value
    if not isinstance(channels, list) or len(channels) != 3:
        raise BadInputError(f"{place}: a colour is red, green and blue, or #rrggbb.")
    red, green, blue = (_number(channel, "colour", place) for channel in channels)
    if max(red, green, blue) > 255:
        raise BadInputError(f"{place}: a colour has a channel above 255.")
    return red, green, blue


def _flag(value: object, place: Place) -> bool | None:
    text = str(value).strip().lower()
    if value is None or text == "":
        return None
    if text not in _YES | _NO:
        raise BadInputError(f"{place}: “{shown(text)}” is neither 1 nor 0.")
    return text in _YES


def _plain(word: str) -> str:
    return word.strip().strip('"').replace("_", "").replace(" ", "").lower()


# -- lines of text, each shape as what it says of its columns, or None -------------------------

_Shape = Callable[[str, int], "dict[str, Any] | None"]


def _cvat(line: str, index: int) -> dict[str, Any] | None:
    found = re.fullmatch(r"\s*(.+):(\d+),(\d+),(\d+):[^:]*:[^:]*", line)
    return found and {"id": index, "name": found[1], "colour": list(found.groups()[1:])}


def _id_name_colour(line: str, _: int) -> dict[str, Any] | None:
    found = re.fullmatch(r"\s*(\d+)\s+(.*\S)\s+(\d+)\s+(\d+)\s+(\d+)\s*", line)
    return found and {"id": found[1], "name": found[2], "colour": list(found.groups()[2:])}


def _colour_name(line: str, index: int) -> dict[str, Any] | None:
    found = re.fullmatch(r"\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)\s+(.*\S)\s*", line)
    return found and {"id": index, "name": found[4], "colour": list(found.groups()[:3])}


def _id_name(line: str, _: int) -> dict[str, Any] | None:
    found = re.fullmatch(r"\s*(\d+)\s*[\s:,]\s*(.*\S)\s*", line)
    return found and {"id": found[1], "name": found[2]}


def _name(line: str, index: int) -> dict[str, Any] | None:
    return {"id": index, "name": line.strip()}


_SHAPES: tuple[_Shape, ...] = (_cvat, _colour_name, _id_name_colour, _id_name, _name)

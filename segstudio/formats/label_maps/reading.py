"""Reading label maps: PNGs of category ids or colours, with a table that says what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.category_table import TABLE, TableRow, find_table, read_table
from segstudio.formats.contract import option
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundDataset,
    FoundImage,
    MaskMaker,
    Place,
)
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.index_maps import (
    index_masks,
    map_header,
    read_colour_ids,
    read_indices,
)
from segstudio.formats.label_maps.cityscapes import MAP_NAME, PER_CLASS, cityscapes_table
from segstudio.formats.label_maps.layouts import MapFile, MapLayout
from segstudio.formats.source_files import SourceFolder
from segstudio.imaging.mask_parts import mask_parts
from segstudio.imaging.read import read_size

KEY = "label-maps"
# What tables call the pixels that belong to nothing.
_NOTHING = frozenset(
    {"void", "unlabelled", "unlabeled", "ignore", "ignored", "background", "unknown", "none"}
)
CUSTOM = (0, 255, 65_535)  # ids of nothing by custom, where no table names them
_MOST_FAULTS = 5  # ids without a meaning that are named one by one, for each map


@dataclass(frozen=True, kw_only=True)
class LabelMapsImportOptions(ImportOptions):
    """Options of the label map import."""

    table: str = option(
        "",
        "Table",
        "The file that says what each id or colour means; empty: the one that lies there by one of "
        "the usual names (classes.txt, categories.csv, objectInfo150.txt ...). A path in the "
        "source, or a full one.",
    )
    maps: str = option(
        "",
        "Folder of the maps",
        "Where in the source the maps are; empty: the usual folders (labels, annotations, gtFine, "
        "trainannot ...), or the source itself.",
    )
    objects: str = option(
        "auto",
        "Annotations",
        "category: one for each category on an image. part: one for each connected part. auto: one "
        "for each object where the source has instance maps, as Cityscapes, else as category.",
        choices=("auto", "category", "part"),
    )
    ignore: str = option(
        "",
        "Ids of nothing",
        "Numbers with commas between whose pixels belong to no category; empty: 255, what the "
        "table calls void or unlabelled, and 0 if the table does not name it; none: no id.",
    )


@dataclass(frozen=True)
class LabelMapsImport:
    """Reads folders of label maps: flat, CamVid, ADE20K, Cityscapes, and our own export."""

    key: str = KEY
    title: str = "Label maps"
    description: str = "A folder of PNGs of category ids or colours, with a table of categories."
    options: type[LabelMapsImportOptions] = LabelMapsImportOptions

    def recognises(self, source: Path) -> bool:
        """See `ImportFormat.recognises`."""
        try:
            if not source.is_dir() or (source / "SegmentationClass").is_dir():
                return False
            folder = SourceFolder(source)
            layout = MapLayout(folder)
            found = next(layout.maps(CancelToken()), None)
            if found is None:
                return False
            if MAP_NAME.fullmatch(found.path.name):
                return True
            known, grey = (
                find_table(folder) is not None,
                map_header(folder, found.path).channels < 3,
            )
            return (known and (grey or layout.named)) or (grey and found.file is not None)
        except (OSError, BadInputError, RecursionError):
            return False

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ImportFormat.read`. A map that cannot be read is a fault."""
        chosen = (
            options if isinstance(options, LabelMapsImportOptions) else LabelMapsImportOptions()
        )
        if not source.is_dir():
            raise BadInputError(f"“{source.name}” is no folder; choose the one with the maps.")
        folder = SourceFolder(source)
        table = _table_path(folder, chosen.table)
        layout = MapLayout(
            folder,
            chosen.maps,
            ours=table is not None and table.name == TABLE,
            by_instance=chosen.objects == "auto",
        )
        maps = [item for item in layout.maps(cancel) if chosen.split in {"", item.split}]
        if not maps and table is None:
            raise BadInputError(f"“{source.name}” holds no label map that could be read.")
        meaning = _meaning(folder, table, maps, chosen.ignore)
        reader = _Reader(folder, chosen.objects, meaning)
        yield from reader.table()
        for done, item in enumerate(maps):
            cancel.check()
            report(Progress(done, len(maps), f"Reading {item.path.name}"))
            yield from reader.map(item)
        report(Progress(len(maps), len(maps), "Read"))


@dataclass(frozen=True)
class Meaning:
    """What the ids of a source mean.

    Without a table (`rows` is empty) each id is a category of its own. `ignored` are ids of
    nothing; `empty` is the one that stands for pixels that nobody labelled.
    """

    rows: Mapping[int, TableRow]
    ignored: frozenset[int]
    empty: int
    table: str

    def is_category(self, number: int) -> bool:
        return number not in self.ignored and (number in self.rows or not self.rows)


def _table_path(folder: SourceFolder, name: str) -> Path | None:
    if not name:
        return find_table(folder)
    if Path(name).is_absolute():
        path: Path | None = Path(name) if Path(name).is_file() else None
    else:
        path = folder.file(name, Place(name))
    if path is None:
        raise BadInputError(f"There is no table “{name}”; name a file of the source, or its path.")
    return path


def _meaning(
    folder: SourceFolder, table: Path | None, maps: Sequence[MapFile], ignore: str
) -> Meaning:
    rows: tuple[TableRow, ...] = ()
    name = ""
    if table is not None:
        inside = table.is_relative_to(folder.root)
        rows = read_table(folder if inside else SourceFolder(table.parent), table)
        name = folder.place(table).file
    elif maps and MAP_NAME.fullmatch(maps[0].path.name):
        rows, name = cityscapes_table(), "Cityscapes' labels"
    by_id = {row.id: row for row in rows}
    ignored = _ignored(by_id, ignore)
    named = sorted(number for number in ignored if number in by_id)
    unnamed = sorted(number for number in ignored if number not in by_id)
    empty = next(iter([*named, *unnamed]), None)
    if empty is None:
        empty = next(number for number in (*CUSTOM, *range(65_536)) if number not in by_id)
    return Meaning(by_id, ignored, empty, name)


def _ignored(rows: Mapping[int, TableRow], chosen: str) -> frozenset[int]:
    """The ids of nothing, as chosen, as the table says, or by custom."""
    if chosen.strip().lower() == "none":
        return frozenset()
    parts = [part.strip() for part in chosen.split(",") if part.strip()]
    if parts:
        if not all(re.fullmatch(r"\d{1,5}", part, re.ASCII) for part in parts):
            raise BadInputError(
                f"Ids of nothing are numbers with commas between, as in 0,255; not {chosen!r}."
            )
        return frozenset(int(part) for part in parts)
    said = {number for number, row in rows.items() if row.ignore}
    called = {
        number
        for number, row in rows.items()
        if row.ignore is None and row.name.strip("_").casefold() in _NOTHING
    }
    custom = {number for number in CUSTOM if number not in rows}
    return frozenset(said | called | custom)


class _Piece(NamedTuple):
    """A mask of a map, of the category of that id."""

    number: int
    mask: Mask
    iscrowd: bool = False


@dataclass
class _Reader:
    """Reads one map after the other; remembers the ids that it has made categories of."""

    folder: SourceFolder
    objects: str
    meaning: Meaning
    _told: set[int] = field(default_factory=set)

    def table(self) -> Iterator[Found]:
        """What the table says: its categories, and its ids of nothing for the way back."""
        rows = self.meaning.rows.values()
        nothing: list[dict[str, Any]] = []
        for number in sorted(self.meaning.ignored):
            row = self.meaning.rows.get(number)
            rgb = [*row.rgb] if row is not None and row.rgb is not None else None
            nothing.append({"id": number, "name": row.name if row else "", "rgb": rgb})
        yield FoundDataset({"empty": self.meaning.empty, "ignored": nothing})
        for row in rows:
            if row.id not in self.meaning.ignored:
                yield FoundCategory(
                    key=str(row.id),
                    name=row.name,
                    place=row.place,
                    supercategory=row.supercategory,
                    isthing=row.isthing is not False,
                    colour="#{:02x}{:02x}{:02x}".format(*row.rgb) if row.rgb else "",
                    record={"id": row.id},
                )

    def map(self, item: MapFile) -> Iterator[Found]:
        """One image, and a piece for each annotation; a fault if the map cannot be read."""
        place = self.folder.place(item.path)
        try:
            masks = self._masks(item)
        except BadInputError as error:
            reason = str(error).removeprefix(f"{place}: ").removeprefix(f"{place} ")
            yield Fault(place, reason[:1].upper() + reason[1:])
            return
        classes = {number: self._class(number, item) for number in masks}
        known = {n: mask for n, mask in masks.items() if self.meaning.is_category(classes[n])}
        rest = [n for n in masks if n not in known and classes[n] not in self.meaning.ignored]
        for number in rest[:_MOST_FAULTS]:
            yield Fault(place, self._unknown(classes[number], masks[number]))
        size = next(iter(masks.values())).size
        kept = {
            str(n): masks[n].counts.decode("ascii")
            for n in masks
            if classes[n] in self.meaning.ignored and n != self.meaning.empty
        }
        key = item.path.relative_to(self.folder.root).with_suffix("").as_posix()
        yield FoundImage(
            key=key,
            name=item.name,
            place=place,
            also=item.also,
            file=item.file,
            size=size,
            split=item.split,
            record={"ignored": kept} if kept else {},
        )
        for piece in self._pieces(known, item):
            yield from self._untold(piece.number, place)
            yield FoundAnnotation(
                image=key,
                category=str(piece.number),
                mask=_maker(piece.mask),
                place=place,
                iscrowd=piece.iscrowd,
            )

    def _class(self, number: int, item: MapFile) -> int:
        return number // PER_CLASS if item.instances and number >= PER_CLASS else number

    def _masks(self, item: MapFile) -> dict[int, Mask]:
        """The mask of each id. Colours become the ids of the table."""
        header = map_header(self.folder, item.path)
        if _size_of(item.file) not in {None, header.size}:  # before it is decoded
            raise BadInputError(
                f"The map is {header.size[1]} x {header.size[0]} pixels and its image is not."
            )
        colours = {row.rgb for row in self.meaning.rows.values() if row.rgb is not None}
        if header.channels < 3 or header.depth == 16 or not colours:
            return index_masks(read_indices(self.folder, item.path))
        found = index_masks(read_colour_ids(self.folder, item.path))
        by_colour = self._by_colour()
        if not set(found) <= set(by_colour):
            grey = _grey(found)
            if grey is not None:
                return grey
            code = next(code for code in found if code not in by_colour)
            raise BadInputError(self._unknown_colour(code, found[code]))
        return {by_colour[code]: mask for code, mask in found.items()}

    def _by_colour(self) -> dict[int, int]:
        """Ids by R + 256 G + 65536 B. Raises BadInputError where a colour means two things."""
        result: dict[int, int] = {}
        for row in self.meaning.rows.values():
            if row.rgb is None:
                continue
            code = row.rgb[0] + (row.rgb[1] << 8) + (row.rgb[2] << 16)
            other = result.setdefault(code, row.id)
            if other != row.id and not {other, row.id} <= self.meaning.ignored:
                raise BadInputError(
                    f"{row.place}: the colour {row.rgb} is also that of the id {other}, so maps "
                    "of colours cannot be read with this table."
                )
        return result

    def _unknown(self, number: int, mask: Mask) -> str:
        x, y = _first_pixel(mask)
        return (
            f"The id {number}, of {mask.area} pixels, the first at ({x}, {y}), is not in the table "
            f"{self.meaning.table}; add it there, or to the ids of nothing."
        )

    def _unknown_colour(self, code: int, mask: Mask) -> str:
        x, y = _first_pixel(mask)
        rgb = (code & 255, code >> 8 & 255, code >> 16)
        return (
            f"The colour {rgb}, of {mask.area} pixels, the first at ({x}, {y}), is not in the "
            f"table {self.meaning.table}."
        )

    def _untold(self, number: int, place: Place) -> Iterator[FoundCategory]:
        """The category of an id that no table names, when it comes for the first time."""
        if not self.meaning.rows and number not in self._told:
            self._told.add(number)
            name = f"class {number}"
            yield FoundCategory(str(number), name, place, record={"id": number})

    def _pieces(self, masks: Mapping[int, Mask], item: MapFile) -> Iterator[_Piece]:
        for number, mask in masks.items():
            row = self.meaning.rows.get(self._class(number, item))
            if item.instances:
                # Below 1000 a thing is a group of objects that nobody told apart.
                group = number < PER_CLASS and row is not None and row.isthing is True
                yield _Piece(self._class(number, item), mask, group)
            elif self.objects == "part":
                yield from (_Piece(number, part) for part in mask_parts(mask))
            else:
                yield _Piece(number, mask)


def _size_of(file: Path | None) -> tuple[int, int] | None:
    """(H, W) of an image, if it is there and can be read."""
    try:
        return None if file is None else read_size(file)
    except BadInputError:
        return None


def _grey(found: Mapping[int, Mask]) -> dict[int, Mask] | None:
    """A map of colours that are all grey, as ids; None if one is not."""
    if any(code & 255 != code >> 8 & 255 or code & 255 != code >> 16 for code in found):
        return None
    return {code & 255: mask for code, mask in found.items()}


def _first_pixel(mask: Mask) -> tuple[int, int]:
    """(x, y) of the mask's first pixel, column by column."""
    x, y = divmod(int(mask.runs[0]), mask.size[0])
    return x, y


def _maker(mask: Mask) -> MaskMaker:
    def make(size: tuple[int, int]) -> Mask:
        if mask.size != size:
            raise BadInputError(
                f"The map is of {mask.size[1]} x {mask.size[0]} pixels and its image of "
                f"{size[1]} x {size[0]}."
            )
        return mask

    return make

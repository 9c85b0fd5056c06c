"""Folders of label maps as label sets: PNGs of ids (or colours), with or without a table.

The layouts, tables and PNGs are those of the label map import. Other than there, 0 is a category
like any other unless a table leaves it out, as scores are wont to count it:

- with a table, its rows are the categories; rows that it calls ignored, void or unlabelled, and
  the ids 0, 255 and 65535 where it has no row for them, are nothing;
- without one, the ids 0 to 253 are the categories, and 255 is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import IGNORE, MOST_CATEGORIES
from segstudio.core.progress import CancelToken
from segstudio.engine.label_set import (
    LabelledImage,
    Nothing,
    OpenLabelSet,
    SetCategory,
    SetImage,
)
from segstudio.formats.category_table import TABLE, TableRow, find_table, read_table
from segstudio.formats.index_maps import map_header, read_colour_ids, read_indices
from segstudio.formats.label_maps.layouts import MapLayout
from segstudio.formats.source_files import SourceFolder

_VOID = frozenset({"void", "ignore", "ignored"})
_UNLABELLED = frozenset({"unlabelled", "unlabeled", "unknown", "none", "nothing"})
_VOID_IDS = (255, 65_535)  # by custom, where no table names them
_MOST_ID = 65_535


@dataclass(frozen=True)
class LabelMapFolder:
    """A folder of label maps as a `LabelSet`.

    `table` names the file that says what each id means; None: the one that lies there by one of
    the usual names, if any. `void` are ids that must not be scored, whatever the table says.
    """

    folder: Path
    table: Path | None = None
    void: tuple[int, ...] = ()
    kind: str = field(default="folder", init=False)
    count: int | None = field(default=None, init=False)

    @property
    def key(self) -> str:
        return str(self.folder)

    @property
    def value(self) -> str:
        return str(self.folder)

    @property
    def title(self) -> str:
        return self.folder.name or str(self.folder)

    def own_table(self) -> Path | None:
        """The table that is named or lies there; None if there is none."""
        return self.table or find_table(SourceFolder(self.folder))

    @contextmanager
    def opened(self, cancel: CancelToken) -> Iterator[OpenLabelSet]:
        """See `LabelSet.opened`. Raises BadInputError for no folder, no maps, a wrong table."""
        if not self.folder.is_dir():
            raise BadInputError(f"“{self.folder}” is no folder; name one of label maps.")
        path = self.own_table()
        rows: tuple[TableRow, ...] = ()
        if path is not None:
            if not path.is_file():
                raise BadInputError(f"There is no table of categories “{path}”.")
            rows = read_table(SourceFolder(path.parent), path)
        yield _OpenFolder(SourceFolder(self.folder), rows, self.void, path, cancel)


class _OpenFolder:
    """Maps of a folder, in the order of their names."""

    def __init__(
        self,
        source: SourceFolder,
        rows: Sequence[TableRow],
        void: Sequence[int],
        table: Path | None,
        cancel: CancelToken,
    ) -> None:
        self.open_table = not rows
        self._source = source
        self._rows = rows
        self._table = table.name if table is not None else ""
        self.categories = _categories(rows, void)
        self._places = self._by_id(void)
        ours = table is not None and table.name == TABLE and table.parent == source.root
        layout = MapLayout(source, ours=ours, by_instance=False)
        self.images = [
            SetImage(item.name, str(item.path), split=item.split, also=item.also)
            for item in layout.maps(cancel)
        ]
        if not self.images:
            raise BadInputError(f"“{source.root}” holds no label map (a PNG of category ids).")

    def read(self, image: SetImage) -> LabelledImage:
        """See `OpenLabelSet.read`. Raises BadInputError for an id that is not in the table."""
        path = Path(image.key)
        header = map_header(self._source, path)
        if header.channels >= 3 and header.depth == 8 and self._by_colour:
            return self._of_colours(path)
        indices = read_indices(self._source, path)
        places = self._places
        found = places[indices]
        strange = found < 0
        if strange.any():
            number = int(indices[strange][0])
            where = f"the table {self._table}" if self._table else f"0 to {MOST_CATEGORIES - 2}"
            raise BadInputError(f"{image.name} has the id {number}, which is not in {where}.")
        return LabelledImage(found.astype(np.uint8))

    def _of_colours(self, path: Path) -> LabelledImage:
        pixels = read_colour_ids(self._source, path)
        codes, inverse = np.unique(pixels, return_inverse=True)
        places = [self._by_colour.get(int(code), -1) for code in codes]
        if -1 in places:
            code = int(codes[places.index(-1)])
            rgb = (code & 255, code >> 8 & 255, code >> 16)
            name = self._source.place(path)
            raise BadInputError(
                f"{name} has the colour {rgb}, which is not in the table {self._table}."
            )
        return LabelledImage(np.array(places, dtype=np.uint8)[inverse].reshape(pixels.shape))

    @cached_property
    def _by_colour(self) -> dict[int, int]:
        """Places by R + 256 G + 65536 B, where the table says colours."""
        return {
            row.rgb[0] + (row.rgb[1] << 8) + (row.rgb[2] << 16): int(self._places[row.id])
            for row in reversed(self._rows)
            if row.rgb is not None
        }

    def _by_id(self, void: Sequence[int]) -> npt.NDArray[np.int16]:
        """(65536,) the place of each id; -1 for ids of no meaning, `IGNORE` for unlabelled."""
        places = np.full(_MOST_ID + 1, -1, dtype=np.int16)
        nowhere = next(at for at, row in enumerate(self.categories) if row.nothing == "void")
        places[list(_VOID_IDS)] = nowhere
        if self.open_table:
            places[:MOST_CATEGORIES] = np.arange(MOST_CATEGORIES)
            places[MOST_CATEGORIES - 1] = -1
        else:
            places[0] = IGNORE
            for place, row in enumerate(self._rows):
                places[row.id] = place
        places[[number for number in void if number <= _MOST_ID]] = nowhere
        return places


def _categories(rows: Sequence[TableRow], void: Sequence[int]) -> list[SetCategory]:
    """The table's rows, or the ids; then one for void."""
    if not rows:
        names = [SetCategory(str(number)) for number in range(MOST_CATEGORIES - 1)]
    else:
        names = [
            SetCategory(
                row.name,
                "#{:02x}{:02x}{:02x}".format(*row.rgb) if row.rgb else "",
                row.isthing is True,
                "void" if row.id in void else _nothing(row),
            )
            for row in rows
        ]
    if len(names) >= MOST_CATEGORIES:
        raise BadInputError(
            f"The table has {len(names)} categories and {MOST_CATEGORIES - 1} can be compared."
        )
    return [*names, SetCategory("void", nothing="void")]


def _nothing(row: TableRow) -> Nothing:
    name = row.name.strip("_ ").casefold()
    if row.ignore is False:
        return ""
    if name in _VOID:
        return "void"
    return "unlabelled" if row.ignore or name in _UNLABELLED else ""

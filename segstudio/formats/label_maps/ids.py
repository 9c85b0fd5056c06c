"""Which number, and colour, each category has in the label maps of an export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.origin import OriginKind
from segstudio.core.project_view import ProjectView
from segstudio.formats.category_table import MOST_ID, Rgb, TableRow
from segstudio.formats.found import Place
from segstudio.formats.label_maps.cityscapes import MOST_STUFF_ID, MOST_THING_ID
from segstudio.formats.label_maps.reading import CUSTOM, KEY
from segstudio.formats.numbering import kept_numbers
from segstudio.formats.palette import voc_palette

_PLACE = Place("the project")


@dataclass(frozen=True)
class MapIds:
    """`ids` and `colours` by the project's category id; `nothing` are the rows of no category.

    `empty` is the id of pixels that no annotation covers; it is that of one of `nothing`.
    """

    categories: Mapping[int, Category]
    ids: Mapping[int, int]
    colours: Mapping[int, Rgb]
    nothing: tuple[TableRow, ...]
    empty: int

    @property
    def largest(self) -> int:
        """The largest number of a category, or of empty pixels."""
        return max((*self.ids.values(), self.empty))

    def rows(self) -> list[TableRow]:
        """The table: categories, and ids of nothing but those that mean it by custom."""
        rows = [
            TableRow(
                id=self.ids[number],
                name=category.name,
                place=_PLACE,
                rgb=self.colours[number],
                supercategory=category.supercategory,
                isthing=category.isthing,
                ignore=False,
            )
            for number, category in self.categories.items()
        ]
        own = (row for row in self.nothing if row.name or row.id not in CUSTOM)
        return [
            *rows,
            *(row if row.name else replace(row, name=f"nothing {row.id}") for row in own),
        ]


def map_ids(view: ProjectView, categories: Sequence[Category], layout: str) -> MapIds:
    """Numbers as the project's label maps had them when they were imported; new ones above.

    Where none was, 0 is nothing and the categories are 1, 2, 3 ... Raises BadInputError where the
    maps cannot hold that many: 65535 and, in Cityscapes' layout, 64 of things.
    """
    source = view.origins(OriginKind.PROJECT, [0], KEY).get(0)
    nothing = _nothing(source.record if source else {})
    origins = view.origins(OriginKind.CATEGORY, [row.id for row in categories], KEY)
    wanted = {
        number: int(origin.key)
        for number, origin in origins.items()
        if origin.key.isascii() and origin.key.isdigit() and len(origin.key) <= 5
    }
    if layout == "cityscapes":  # 0 * 1000 + n would be the number of another class
        things = {row.id for row in categories if row.isthing}
        wanted = {number: kept for number, kept in wanted.items() if kept or number not in things}
        fitting = tuple(row for row in nothing if row.id <= MOST_STUFF_ID)
        nothing = fitting or _nothing({})
    reserved = {row.id for row in nothing}
    if not wanted:
        wanted = {row.id: number for number, row in enumerate(categories, start=1)}
    ids = kept_numbers((row.id for row in categories), wanted, reserved)
    largest_thing = max((ids[row.id] for row in categories if row.isthing), default=0)
    if layout == "cityscapes" and (
        largest_thing > MOST_THING_ID or max(ids.values(), default=0) > MOST_STUFF_ID
    ):
        raise BadInputError(
            f"Cityscapes' instance maps hold things with numbers up to {MOST_THING_ID} and stuff "
            f"up to {MOST_STUFF_ID}, and this project has more; choose another layout."
        )
    if max(ids.values(), default=0) > MOST_ID:
        raise BadInputError(
            f"Label maps hold numbers up to {MOST_ID} and this project has more categories; "
            "export COCO, or delete the categories that are not used."
        )
    colours = {row.id: row.rgb for row in categories}
    if layout == "colours":
        colours = _colours(categories, [row.rgb for row in nothing if row.rgb is not None])
    return MapIds({row.id: row for row in categories}, ids, colours, nothing, nothing[0].id)


def _nothing(record: Mapping[str, Any]) -> tuple[TableRow, ...]:
    """The ids of nothing as the source had them, that of empty pixels first."""
    empty = record.get("empty")
    if not isinstance(empty, int) or not 0 <= empty <= MOST_ID:
        empty = 0
    rows: dict[int, TableRow] = {}
    said = record.get("ignored")
    for entry in said if isinstance(said, list) else []:
        number, name, rgb = (entry.get(key) for key in ("id", "name", "rgb"))
        if isinstance(number, int) and 0 <= number <= MOST_ID:
            colour = (rgb[0], rgb[1], rgb[2]) if isinstance(rgb, list) and len(rgb) == 3 else None
            rows[number] = TableRow(number, str(name), _PLACE, colour, ignore=True)
    first = rows.pop(empty, TableRow(empty, "", _PLACE, ignore=True))
    named = replace(first, name=first.name or "unlabelled", rgb=first.rgb or (0, 0, 0))
    return named, *rows.values()


def _colours(categories: Sequence[Category], taken: Sequence[Rgb]) -> dict[int, Rgb]:
    """Each category's colour; where two have the same, the later gets one that is free."""
    used = {*taken, (0, 0, 0)}
    result = {}
    for category in categories:
        colour = category.rgb
        if colour in used:
            colour = next(_free(used))
        used.add(colour)
        result[category.id] = colour
    return result


def _free(used: set[Rgb]) -> Iterator[Rgb]:
    yield from (colour for colour in voc_palette() if colour not in used)
    for code in range(1 << 24):
        colour = (code >> 16, code >> 8 & 255, code & 255)
        if colour not in used:
            yield colour

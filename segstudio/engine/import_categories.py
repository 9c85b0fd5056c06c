"""What becomes of a source's categories: those of the project by name, new ones, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count

from segstudio.core.category import Category, category_colour
from segstudio.core.errors import BadInputError
from segstudio.engine.category_choice import KEYS
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget, ImportCategory
from segstudio.formats.checked import shown, tidy_name

_COLOUR = re.compile("#[0-9a-f]{6}")


def suggested_targets(
    names: Sequence[str], categories: Sequence[Category]
) -> tuple[CategoryTarget, ...]:
    """For each name of a source the project's category of that name, or a new one.

    A name that differs only in case counts where one category alone of the project has it, and
    no other name of the source means that.
    """
    exact = {category.name: category.id for category in categories}
    folded: dict[str, list[int]] = {}
    for category in categories:
        folded.setdefault(category.name.casefold(), []).append(category.id)
    tidy = [tidy_name(name) for name in names]
    wanted: dict[str, int] = {}
    for name in tidy:
        wanted[name.casefold()] = wanted.get(name.casefold(), 0) + 1
    targets = []
    for name in tidy:
        alike = folded.get(name.casefold(), [])
        if name in exact:
            targets.append(CategoryTarget(exact[name]))
        elif len(alike) == 1 and wanted[name.casefold()] == 1:
            targets.append(CategoryTarget(alike[0]))
        else:
            targets.append(CategoryTarget(0, name))
    return tuple(targets)


def targets_by_name(
    categories: Sequence[ImportCategory], renamed: Mapping[str, str], left_out: Sequence[str]
) -> dict[str, CategoryTarget]:
    """The suggested mapping, but for `renamed` categories (the source's name to the project's) and
    those `left_out` by the source's name.

    Raises BadInputError for a name that the source does not have.
    """
    keys = {tidy_name(category.name): category.key for category in categories}
    chosen = {category.key: category.target for category in categories}
    changed = {name: CategoryTarget(0, tidy_name(to)) for name, to in renamed.items()}
    for name, target in (changed | dict.fromkeys(left_out, LEFT_OUT)).items():
        key = keys.get(tidy_name(name))
        if key is None:
            known = ", ".join(sorted(keys)[:20]) or "none"
            raise BadInputError(
                f"The source has no category “{shown(name)}”; its categories are: {shown(known)}."
            )
        chosen[key] = target
    return chosen


class CategoryPlaces:
    """The project's category of each category of a source, and those that are to be made."""

    def __init__(
        self,
        found: Sequence[ImportCategory],
        mapping: Mapping[str, CategoryTarget],
        categories: Sequence[Category],
        new_id: Callable[[], int],
    ) -> None:
        """Categories that `mapping` does not name go where they were suggested to go.

        Raises BadInputError where a target is not in the project (any more).
        """
        self.made: list[Category] = []
        self.ids: dict[str, int] = {}  # by the source's key; without those left out
        self._new_id = new_id
        self._by_name = {category.name: category.id for category in categories}
        self._known = {category.id for category in categories}
        self._keys = iter([key for key in KEYS if key not in {c.key for c in categories}])
        self._used = {category.colour for category in categories}
        self._colours = self._free_colours()
        for each in found:
            target = mapping.get(each.key, each.target)
            if number := self._place(each, target):
                self.ids[each.key] = number

    def _place(self, found: ImportCategory, target: CategoryTarget) -> int:
        if target.category_id:
            if target.category_id not in self._known:
                raise BadInputError(
                    f"The category that “{shown(found.name)}” was to become is not in the project "
                    "any more; look at the source again."
                )
            return target.category_id
        name = tidy_name(target.name)
        if not name:
            return 0
        if name not in self._by_name:
            made = self._made(found, name)
            self.made.append(made)
            self._by_name[name] = made.id
        return self._by_name[name]

    def _made(self, found: ImportCategory, name: str) -> Category:
        colour = found.colour.lower()
        if not _COLOUR.fullmatch(colour):
            colour = next(self._colours)
        self._used.add(colour)
        number, key = self._new_id(), next(self._keys, "")
        return Category(number, name, colour, found.supercategory, found.isthing, key)

    def _free_colours(self) -> Iterator[str]:
        return (colour for colour in map(category_colour, count()) if colour not in self._used)

"""Names, colours and keys of categories: what a new one gets, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from segstudio.core.category import Category, category_colour, parse_colour
from segstudio.core.errors import BadInputError

KEYS = "123456789"


def new_category(
    category_id: int, name: str, others: Sequence[Category], colour: str | None = None
) -> Category:
    """A category with the first colour and the first digit that no other one has.

    Raises BadInputError for a name that is empty or taken, or for text that is no colour.
    """
    colours = {category.colour for category in others}
    free_colour = next(text for text in map(category_colour, count()) if text not in colours)
    taken = {category.key for category in others}
    key = next((digit for digit in KEYS if digit not in taken), "")
    return check_category(Category(category_id, name, colour or free_colour, key=key), others)


def check_category(category: Category, others: Sequence[Category]) -> Category:
    """The category with its name tidied. Raises BadInputError as `new_category`."""
    name = " ".join(category.name.split())
    if not name:
        raise BadInputError("A category needs a name.")
    if any(other.name == name and other.id != category.id for other in others):
        raise BadInputError(f"There is already a category {name}; choose another name.")
    try:
        parse_colour(category.colour)
    except ValueError:
        raise BadInputError(
            f"{category.colour!r} is not a colour; write it as #rrggbb, like #e69f00."
        ) from None
    if category.key and category.key not in KEYS:
        raise BadInputError("A category's key is one of the digits 1 to 9.")
    return replace(category, name=name, colour=category.colour.lower())


def with_key_moved(
    old: Category, new: Category, others: Sequence[Category]
) -> tuple[tuple[Category, ...], tuple[Category, ...]]:
    """Rows before and after: `old` becomes `new`; who had the new key gets the old one."""
    for other in others:
        if new.key and other.key == new.key and other.id != new.id:
            return (old, other), (new, replace(other, key=old.key))
    return (old,), (new,)

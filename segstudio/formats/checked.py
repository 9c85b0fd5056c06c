"""What every source must keep to, whatever its format: names that are unique, and known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from segstudio.core.errors import BadInputError
from segstudio.formats.found import Fault, Found, FoundAnnotation, FoundCategory, FoundImage

MOST_CATEGORIES = 100_000
MOST_NAME = 1_000  # letters of a category's name, a hundred times what a list can show

_Key: TypeAlias = "int | str"


def checked(found: Iterable[Found]) -> Iterator[Found]:
    """The same pieces, but for each that clashes with an earlier one, or names what is not there, a
    `Fault`.

    Keys of categories, of images and (where they have one) of annotations are unique in the source;
    names of categories are not empty and unique, blanks made one. An annotation's image and
    category came before it. Takes about 60 bytes an annotation that has a key.

    Raises BadInputError where there are more categories than any project could use.
    """
    seen = _Seen()
    for piece in found:
        if isinstance(piece, FoundCategory):
            yield seen.category(piece)
        elif isinstance(piece, FoundImage):
            yield seen.image(piece)
        elif isinstance(piece, FoundAnnotation):
            yield seen.annotation(piece)
        else:
            yield piece


def tidy_name(name: str) -> str:
    """A category's name as a project has it: no blanks around it, single ones inside."""
    return " ".join(name.split())


def shown(text: str) -> str:
    """A name from a source for a sentence: short, on one line, and valid Unicode."""
    short = text if len(text) <= 80 else f"{text[:77]}..."
    plain = short.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in plain)


class _Seen:
    """The keys and names that have gone by."""

    def __init__(self) -> None:
        self._categories: set[str] = set()
        self._names: set[str] = set()
        self._images: set[_Key] = set()
        self._annotations: set[_Key] = set()

    def category(self, piece: FoundCategory) -> Found:
        name = tidy_name(piece.name)
        if piece.key in self._categories:
            return Fault(piece.place, f"The category id “{shown(piece.key)}” is there twice.")
        if not name:
            return Fault(piece.place, "A category has no name.")
        if len(name) > MOST_NAME:
            return Fault(piece.place, f"The category's name “{shown(name)}” is too long.")
        if not _is_text(f"{piece.key}{name}{piece.supercategory}"):
            return Fault(piece.place, f"The category's name “{shown(name)}” is not valid Unicode.")
        if name in self._names:
            return Fault(piece.place, f"Two categories have the name “{shown(name)}”.")
        if len(self._categories) >= MOST_CATEGORIES:
            raise BadInputError(
                f"{piece.place}: there are more than {MOST_CATEGORIES} categories; "
                "the source names something else by that word."
            )
        self._categories.add(piece.key)
        self._names.add(name)
        return piece

    def image(self, piece: FoundImage) -> Found:
        key = _compact(piece.key)
        if not _is_text(f"{piece.key}{piece.name}{piece.split}"):
            return Fault(piece.place, f"The name “{shown(piece.name)}” is not valid Unicode.")
        if key in self._images:
            return Fault(piece.place, f"The image id “{shown(piece.key)}” is there twice.")
        self._images.add(key)
        return piece

    def annotation(self, piece: FoundAnnotation) -> Found:
        if _compact(piece.image) not in self._images:
            return Fault(
                piece.place, f"It is on an image “{shown(piece.image)}” that is not there."
            )
        if piece.category not in self._categories:
            return Fault(
                piece.place, f"It has a category “{shown(piece.category)}” that is not there."
            )
        if not _is_text(f"{piece.key}{piece.tool}{piece.model_key}"):
            return Fault(piece.place, "A name in it is not valid Unicode.")
        if piece.key:
            key = _compact(piece.key)
            if key in self._annotations:
                return Fault(piece.place, f"The annotation id “{shown(piece.key)}” is there twice.")
            self._annotations.add(key)
        return piece


def _compact(key: str) -> _Key:
    """A number where the key is one written in the plain way: it takes a third of the memory."""
    if len(key) <= 18 and key.isascii() and key.isdecimal() and (key[0] != "0" or key == "0"):
        return int(key)
    return key


def _is_text(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

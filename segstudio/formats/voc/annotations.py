"""The annotations of one image of VOC, put together from its maps and its XML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.formats.boxes import BOX_ONLY, box_mask
from segstudio.formats.found import Fault, FoundAnnotation, MaskMaker, Place
from segstudio.formats.index_maps import Indices, index_masks
from segstudio.formats.source_files import SourceFolder
from segstudio.formats.voc.classes import (
    VOC_CLASSES,
    ClassTable,
    border_of,
    read_class_map,
    read_object_map,
)
from segstudio.formats.voc.matching import majority, matched
from segstudio.formats.voc.pages import VocObject, VocPage

_Pieces = Iterator[FoundAnnotation | Fault]


@dataclass(frozen=True)
class VocImage:
    """What there is of one image: `key` names it, `classes` and `objects` are its maps.

    `strict`: that one of them is missing, or that the two maps do not agree, is a fault.
    """

    folder: SourceFolder
    key: str
    page: VocPage
    path: Path | None  # of the page
    classes: Path | None
    objects: Path | None
    size: tuple[int, int] | None
    strict: bool = False

    @property
    def whole(self) -> bool:
        """Whether the XML and both maps are there; one of boxes alone has none."""
        boxes = bool(self.page.objects) and not self.page.segmented
        maps = (self.classes is not None) + (self.objects is not None)
        return self.path is not None and maps == (0 if boxes else 2)


def found_annotations(image: VocImage, table: ClassTable, *, boxes: bool) -> _Pieces:
    """From the back to the front; `boxes`: also the objects of which there is only a box.

    A map that cannot be read is a `Fault`, and then nothing of the image is used.
    """
    for number, item in enumerate(image.page.objects, start=1):
        if image.path is not None and isinstance(item, BadInputError):
            yield Fault.of(image.folder.place(image.path, f"object {number}"), item, image.key)
    path = image.objects or image.classes
    if image.strict and not image.whole:
        text = "An XML or one of the two label maps is missing."
        yield Fault(Place(image.key), text, image.key)
    if path is None or image.size is None:
        pieces: dict[float, FoundAnnotation] = {}
        left, numbered = list(range(len(image.page.objects))), True
    else:
        try:
            drawn = _Drawn(image, table, image.size)
        except BadInputError as error:
            places = [image.folder.place(at) for at in (path, image.classes) if at is not None]
            said = next((at for at in places if str(error).startswith(at.file)), places[0])
            yield Fault.of(said, error, image.key)
            return
        yield from drawn.faults
        pieces, left, numbered = drawn.pieces, drawn.left, drawn.numbered
    if boxes:
        for at in left:
            item = image.page.objects[at]
            if isinstance(item, VocObject):
                pieces[at + 1 if numbered else len(image.page.objects) * 2**16 + at] = _boxed(
                    image, item
                )
    for depth in sorted(pieces):
        yield pieces[depth]


class _Drawn:
    """What the maps of an image say: `pieces` by depth, and the objects `left` without pixels.

    `numbered` is whether the maps count objects as the XML does.
    """

    def __init__(self, image: VocImage, table: ClassTable, size: tuple[int, int]) -> None:
        self.pieces: dict[float, FoundAnnotation] = {}
        self.faults: list[Fault] = []
        self.left = list(range(len(image.page.objects)))
        self.numbered = False
        self._image, self._table = image, table
        classes = None
        if image.classes is not None and (image.objects is None or _knows(table, image.page)):
            classes = read_class_map(image.folder, image.classes, size, table)
        if image.objects is not None:
            objects = read_object_map(image.folder, image.objects, size)
            self._take_objects(image.objects, objects, classes)
            if image.strict and classes is not None and image.classes is not None:
                self._compare(image.classes, objects, classes)
            if classes is not None:
                classes = np.where(objects == 0, classes, np.zeros_like(classes))
        if classes is not None and image.classes is not None:
            self._take_classes(image.classes, classes)

    def _take_objects(self, path: Path, objects: Indices, classes: Indices | None) -> None:
        masks = index_masks(objects)
        for nobody in (0, border_of(objects)):
            masks.pop(nobody, None)
        kinds = {}
        if classes is not None:
            kinds = majority(objects, classes, self._table.background | {border_of(classes)})
        names = {
            number: self._table.names[kind]
            for number, kind in kinds.items()
            if number in masks and kind in self._table.names
        }
        places = matched(masks, names, self._image.page.objects)
        self.numbered = all(at == number - 1 for number, at in places.items())
        self.left = sorted(set(self.left) - set(places.values()))
        for number, mask in masks.items():
            item = self._image.page.objects[places[number]] if number in places else None
            place = self._image.folder.place(path, f"object {number}")
            if isinstance(item, VocObject):
                self.pieces[number] = _masked(self._image, item.name, mask, item.place, item)
            elif number in names and item is None:
                self.pieces[number] = _masked(self._image, names[number], mask, place)
            elif item is None:
                self.faults.append(self._nameless(place, number, kinds))

    def _take_classes(self, path: Path, classes: Indices) -> None:
        """One annotation a class, of the pixels that no object has; they lie behind them."""
        by_name: dict[str, list[int]] = {}
        for at in self.left:
            item = self._image.page.objects[at]
            if isinstance(item, VocObject):
                by_name.setdefault(item.name, []).append(at)
        for index, mask in index_masks(classes).items():
            if index in self._table.background or index == border_of(classes):
                continue
            place = self._image.folder.place(path, f"index {index}")
            name = self._table.names.get(index)
            if name is None:
                self.faults.append(self._unknown(place, index))
                continue
            only = by_name.get(name, []) if self._image.objects is None else []
            one = self._image.page.objects[only[0]] if len(only) == 1 else None
            if isinstance(one, VocObject):
                self.left.remove(only[0])
            else:
                one = None
            # Behind all objects, which count from 1.
            depth = -1 / (index + 1)
            self.pieces[depth] = _masked(self._image, name, mask, place, one)

    def _compare(self, path: Path, objects: Indices, classes: Indices) -> None:
        """Every pixel of the class map must be the class of its object, border and all."""
        index = {name: index for index, name in self._table.names.items()}
        expected = np.zeros(int(objects.max()) + 1, dtype=np.int64)
        for number, piece in self.pieces.items():
            expected[int(number)] = index.get(piece.category, -1)
        if (border := border_of(objects)) < len(expected):
            expected[border] = border_of(classes)
        wrong = np.argwhere(expected[objects] != classes)
        if len(wrong):
            y, x = (int(value) for value in wrong[0])
            place = self._image.folder.place(path, f"x {x}, y {y}")
            text = f"{len(wrong)} pixels are of another class than in the object map and the XML."
            self.faults.append(Fault(place, text, self._image.key))

    def _nameless(self, place: Place, number: int, kinds: Mapping[int, int]) -> Fault:
        if number in kinds:
            return self._unknown(place, kinds[number])
        text = "The object has no class, neither in a class map nor in an XML."
        return Fault(place, text, self._image.key)

    def _unknown(self, place: Place, index: int) -> Fault:
        where = self._table.file or "VOC's own classes"
        return Fault(place, f"The class index {index} has no name in {where}.", self._image.key)


def _knows(table: ClassTable, page: VocPage) -> bool:
    """Whether the table's names are those that the XML uses; VOC's own are only taken for want of
    others."""
    names = {item.name for item in page.objects if isinstance(item, VocObject)}
    return bool(table.file) or names <= set(VOC_CLASSES)


def _masked(
    image: VocImage, name: str, mask: Mask, place: Place, item: VocObject | None = None
) -> FoundAnnotation:
    if item is None:
        return FoundAnnotation(image.key, name, _exactly(mask), place)
    return FoundAnnotation(
        image.key,
        name,
        _exactly(mask),
        place,
        attributes=item.attributes,
        record=item.record(own_box=item.box != mask.box and _fits(item, mask.size)),
        box=item.box,
    )


def _boxed(image: VocImage, item: VocObject) -> FoundAnnotation:
    return FoundAnnotation(
        image.key,
        item.name,
        lambda size: box_mask(*item.box, size),
        item.place,
        attributes={**item.attributes, BOX_ONLY: True},
        record=item.record(own_box=True),
        box=item.box,
    )


def _fits(item: VocObject, size: tuple[int, int]) -> bool:
    """Whether the box can stand for the object where nothing else is left of it."""
    try:
        box_mask(*item.box, size)
    except BadInputError:
        return False
    return True


def _exactly(mask: Mask) -> MaskMaker:
    def make(size: tuple[int, int]) -> Mask:
        if size != mask.size:
            raise BadInputError(
                f"Its map is {mask.size[1]} x {mask.size[0]} pixels and its image "
                f"{size[1]} x {size[0]}."
            )
        return mask

    return make

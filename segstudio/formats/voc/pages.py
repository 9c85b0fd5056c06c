"""The XML of one image, as Pascal VOC and the many tools that write it have it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box
from segstudio.formats.found import Place
from segstudio.formats.source_files import SourceFolder
from segstudio.formats.voc.writing import CORNERS, FLAGS, NO_POSE
from segstudio.formats.xml_trees import kept_trees, load_xml, text_of

_MOST_SIDE = 1 << 24
_PAGE_TAGS = frozenset(
    {"folder", "filename", "path", "source", "size", "segmented", "object"}
    | {"database", "annotation", "image"}  # labelme has them beside each other
)
_OBJECT_TAGS = frozenset({"name", "pose", "bndbox", *FLAGS})
_NO = frozenset({"", "0", "0.0", "false", "no", "unspecified"})


@dataclass(frozen=True)
class VocObject:
    """One object: `box` is half-open, in image pixels; `corners` as the file has them."""

    place: Place
    name: str
    box: Box
    corners: tuple[str, str, str, str]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    more: tuple[Any, ...] = ()

    def record(self, *, own_box: bool) -> dict[str, Any]:
        """What an origin keeps of it; the box where it is not simply the mask's."""
        record: dict[str, Any] = {"bndbox": list(self.corners)} if own_box else {}
        return {**record, "more": list(self.more)} if self.more else record


@dataclass(frozen=True)
class VocPage:
    """One XML: `size` is (H, W), None if it does not say; a faulty object is the error."""

    filename: str = ""
    image: str = ""  # what `source` calls the image
    size: tuple[int, int] | None = None
    objects: tuple[VocObject | BadInputError, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    segmented: bool = False  # whether it says that there are maps


def read_page(source: SourceFolder, path: Path) -> VocPage:
    """Read one XML. Raises BadInputError, with file and line, where it is none of VOC's."""
    root = load_xml(source, path)
    if root.tag != "annotation":
        raise BadInputError(
            f"{source.place(path)}: its first element is not “annotation”, as VOC's is."
        )
    record: dict[str, Any] = {}
    for key in ("database", "annotation"):
        if text := text_of(root, f"source/{key}"):
            record[key] = text
    try:
        if more := kept_trees(root, _PAGE_TAGS):
            record["more"] = more
    except BadInputError as error:
        raise BadInputError(f"{source.place(path)}: {error}") from None
    objects: list[VocObject | BadInputError] = []
    for number, item in enumerate(root.iterfind("object"), start=1):
        place = source.place(path, f"object {number}")
        try:
            objects.append(_object(item, place))
        except BadInputError as error:
            objects.append(error)
    return VocPage(
        text_of(root, "filename"),
        root.findtext("source/image") or "",
        _size(root, source.place(path, "size")),
        tuple(objects),
        record,
        text_of(root, "segmented").lower() not in _NO,
    )


def _size(root: ET.Element, place: Place) -> tuple[int, int] | None:
    """(H, W); None where nothing or zeros stand, as some tools write them."""
    texts = text_of(root, "size/height"), text_of(root, "size/width")
    if texts in {("", ""), ("0", "0")}:
        return None
    try:
        height, width = (int(text) for text in texts if len(text) < 20)
    except ValueError:
        raise BadInputError(f"{place}: width and height are not whole numbers.") from None
    if not (0 < height <= _MOST_SIDE and 0 < width <= _MOST_SIDE):
        raise BadInputError(f"{place}: no image is {width} x {height} pixels.")
    return height, width


def _object(item: ET.Element, place: Place) -> VocObject:
    name = " ".join(text_of(item, "name").split())
    if not name:
        raise BadInputError("The object has no name.")
    xmin, ymin, xmax, ymax = (text_of(item, f"bndbox/{corner}") for corner in CORNERS)
    corners = xmin, ymin, xmax, ymax
    attributes: dict[str, Any] = {
        flag: True for flag in FLAGS if text_of(item, flag).lower() not in _NO
    }
    pose = text_of(item, "pose")
    if pose and pose != NO_POSE:
        attributes["pose"] = pose
    more = tuple(kept_trees(item, _OBJECT_TAGS))
    return VocObject(place, name, box_of(corners), corners, attributes, more)


def box_of(corners: tuple[str, str, str, str]) -> Box:
    """The half-open box of VOC's corners, which count from 1 and hold the last pixel.

    Raises BadInputError for what is not four finite numbers in order.
    """
    try:
        xmin, ymin, xmax, ymax = (float(text) for text in corners)
    except ValueError:
        raise BadInputError("The corners of its box are not four numbers.") from None
    if not all(map(math.isfinite, (xmin, ymin, xmax, ymax))):
        raise BadInputError("A corner of its box is not a finite number.")
    if xmax < xmin or ymax < ymin:
        raise BadInputError("Its box ends before it begins.")
    return Box(xmin - 1, ymin - 1, xmax, ymax)

"""What an import format finds in a source, piece by piece, and where each piece stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segstudio.core.annotation import Stage
from segstudio.core.mask import Box, Mask

MaskMaker = Callable[[tuple[int, int]], Mask]


@dataclass(frozen=True)
class Place:
    """Where in a source: the file, relative to it, and the line or entry, if one is meant.

    Reads as "annotations/a.json, annotations[17]" or "Annotations/b.xml, line 4".
    """

    file: str
    entry: str = ""

    def __str__(self) -> str:
        return f"{self.file}, {self.entry}" if self.entry else self.file


@dataclass(frozen=True)
class FoundDataset:
    """What the source says of itself as a whole and SegStudio has no field for (COCO's `info`)."""

    record: Mapping[str, Any]


@dataclass(frozen=True)
class FoundCategory:
    """A category; `key` is how the source's annotations name it, unique in the source.

    `colour` is "#rrggbb", or "" to leave it to the project. `record`: see `core.origin.Origin`.
    """

    key: str
    name: str
    place: Place
    supercategory: str = ""
    isthing: bool = True
    colour: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundImage:
    """An image; `key` is how the source's annotations name it, unique in the source.

    `name` is what the source calls its file, with forward slashes; `also` are other names under
    which a project may have it, the best first. `file` is the image file in the source, if it is
    there (seen to lie inside), `data` gives the bytes of one that is embedded. `size` is (H, W) as
    the source says it, None if it does not. `labelled` is False where the source says nothing of
    the image, not even that there is nothing on it. `by_area` is True where the order of its
    annotations says nothing of their depth: crowds, then the larger ones, lie at the back.
    """

    key: str
    name: str
    place: Place
    also: tuple[str, ...] = ()
    file: Path | None = None
    data: Callable[[], bytes] | None = None
    size: tuple[int, int] | None = None
    split: str = ""
    labelled: bool = True
    by_area: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundAnnotation:
    """An annotation of the image and the category of those keys.

    `mask` draws it on an image of (H, W) and raises BadInputError, naming what is wrong but not
    where, if it cannot; it is not called before the image is known to have that size. `key` is the
    source's own name for the annotation, "" if it has none. `box` is the half-open box in image
    pixels that the source says beside the mask, if it says one. Those of one image come from the
    back to the front, unless the image says `by_area`.
    """

    image: str
    category: str
    mask: MaskMaker
    place: Place
    key: str = ""
    iscrowd: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    stage: Stage = Stage.ASSISTED
    tool: str = ""
    model_key: str = ""
    predicted_iou: float | None = None
    stability: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    box: Box | None = None


@dataclass(frozen=True)
class Fault:
    """An entry that cannot be used: where it stands and why, in one sentence.

    `image` is the key of the image that it is about, "" where that is not known.
    """

    place: Place
    reason: str
    image: str = ""

    @classmethod
    def of(cls, place: Place, error: Exception, image: str = "") -> Fault:
        """The error as a fault: its sentence without the place that it may begin with, which counts
        where it is of the same file and says more (a line)."""
        text = str(error)
        if text.startswith(f"{place}: "):
            text = text.removeprefix(f"{place}: ")
        elif text.startswith((f"{place.file}, ", f"{place.file}: ")):
            entry, _, text = text.removeprefix(place.file).partition(": ")
            place = Place(place.file, entry.removeprefix(", "))
        elif text.startswith(f"{place.file} "):
            text = f"It {text.removeprefix(place.file).lstrip()}"
        if not text.split(" ", 1)[0].endswith(":"):  # no path inside the entry, as "bbox[2]: ..."
            text = text[:1].upper() + text[1:]
        return cls(place, text, image)


Found = FoundDataset | FoundCategory | FoundImage | FoundAnnotation | Fault

"""What a format can hold of a project, and what is lost in it: said before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from segstudio.core.annotation import Annotation
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box, Mask
from segstudio.formats.boxes import BOX_ONLY


class LossKind(StrEnum):
    """Why a format cannot hold an annotation as it is."""

    EMPTY = "empty"  # a mask without a pixel
    HOLES = "holes"  # filled
    PARTS = "parts"  # joined, or made annotations of their own
    OVERLAP = "overlap"  # covered pixels are gone
    COVERED = "covered"  # all pixels were covered: the annotation is gone, or only its box is left
    INSTANCES = "instances"  # several of one category became one
    BORDER = "border"  # pixels given to a border that belongs to nobody
    OUTLINE = "outline"  # pixels gained or lost along the outline
    CROWD = "crowd"  # no longer marked as a crowd
    CATEGORY = "category"  # the category, or its exact name, is gone
    DEPTH = "depth"  # which lies in front is gone
    ATTRIBUTES = "attributes"
    SIZE = "size"  # a mask of another size than its image


@dataclass(frozen=True)
class Loss:
    """One annotation that comes back otherwise.

    `path` is the image's path in the project; `pixels` how many pixels of the mask are gained or
    lost, 0 where the loss is none of pixels; `text` says it in one sentence.
    """

    kind: LossKind
    path: str
    annotation_id: int
    text: str
    pixels: int = 0


def pixel_count(count: int) -> str:
    """ "1 pixel", "12 pixels": for the text of a loss."""
    return f"{count} pixel" if count == 1 else f"{count} pixels"


@dataclass(frozen=True)
class HeldAnnotation:
    """An annotation as a file of the format holds it, as it will be read back.

    `ids` are those of the project's annotations that it stands for: several where a format makes
    one of them. `category` is the name as the file has it. `box` is the box that the file says
    beside the mask, where it is another than the mask's own. `attributes` are those that come back,
    with the `scores` (predicted IoU, stability); None where the format holds none, and then neither
    is compared. A holding gives them for all annotations or for none.
    """

    ids: tuple[int, ...]
    category: str
    mask: Mask
    iscrowd: bool = False
    box: Box | None = None
    attributes: Mapping[str, Any] | None = None
    scores: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class HeldImage:
    """What a format holds of one image: `name` is its `FoundImage.name` when read back.

    Annotations come from the back to the front, as the format's reader gives them. Where a format
    holds no order, `ordered` is False. `losses` say all in which `annotations` differ from those
    of the project: for each annotation that is gone or has other pixels, another category name or
    crowd flag, or loses an attribute that is held, at least one. `listed` is False where the files
    do not even name the image. `split` is the one that comes back, None where it is not compared.
    """

    name: str
    annotations: tuple[HeldAnnotation, ...]
    losses: tuple[Loss, ...] = ()
    ordered: bool = True
    listed: bool = True
    split: str | None = None


def attributes_lost(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    """The names of attributes that come back otherwise, sorted.

    One that says "no" or nothing may as well be missing, and `BOX_ONLY` of what is a box no more.
    """
    return sorted(
        str(key)
        for key, value in wanted.items()
        if value and held.get(key) != value and key != BOX_ONLY
    )


class Holding(Protocol):
    """What one export, with its options, holds of a project. Works on masks alone: the writer
    paints, this one reckons, so that neither can hide the other's error."""

    @property
    def always_lost(self) -> tuple[str, ...]:
        """What the format holds of no annotation, a sentence each (depth, scores, attributes)."""
        ...

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """Reckon for one image and the annotations that `drawn_annotations` gives of it."""
        ...


@runtime_checkable
class LosesAlways(Protocol):
    """A `Holding` that loses something of every annotation and does not say so for each of them:
    `always_kinds`, which `always_lost` puts into words."""

    @property
    def always_kinds(self) -> frozenset[LossKind]: ...


@runtime_checkable
class NamesCategories(Protocol):
    """A `Holding` of a format that lists all categories of the project: their names, as the
    `FoundCategory` pieces have them when read back."""

    @property
    def category_names(self) -> tuple[str, ...]: ...

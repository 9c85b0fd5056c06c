"""Cut-outs read back: what the index says, and masks from the alpha of its PNGs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from PIL import Image

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundImage,
    Place,
)
from segstudio.formats.holding import HeldAnnotation, HeldImage, Loss, LossKind
from segstudio.formats.json_files import load_json, shaped
from segstudio.formats.selection import Selection
from segstudio.formats.source_files import SourceFolder

INDEX = "cut-outs.json"
_Pixel = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]


class _Row(msgspec.Struct):
    """One cut-out in the index; `box` is half-open, x0, y0, x1, y1."""

    file: str
    image: str
    annotation: int
    category: str
    box: tuple[_Pixel, _Pixel, _Pixel, _Pixel]


class _Index(msgspec.Struct):
    cut_outs: list[_Row]


def index_text(path: str) -> str:
    """An image's path as the index has it: bytes that are not UTF-8 become "?"."""
    return path.encode("utf-8", "replace").decode()


def read_cut_outs(folder: Path, report: ProgressSink, cancel: CancelToken) -> Iterator[Found]:
    """What an export of cut-outs holds; see `ImportFormat.read`. PNGs are opened for their masks.

    A cut-out that is not listed, or listed and not there, comes as a `Fault`.
    """
    source = SourceFolder(folder)
    place = Place(INDEX)
    rows = shaped(load_json(source, folder / INDEX), _Index, place).cut_outs
    for name in dict.fromkeys(row.category for row in rows):
        yield FoundCategory(name, name, place)
    for name in dict.fromkeys(row.image for row in rows):
        yield FoundImage(name, name, place)
    listed = set()
    for number, row in enumerate(rows):
        cancel.check()
        report(Progress(number, len(rows), f"Reading {row.file}"))
        entry = Place(INDEX, f"cut_outs[{number}]")
        listed.add(row.file)
        file = source.file(row.file, entry)
        if file is None:
            yield Fault(entry, f"“{row.file}” is not there.")
            continue
        mask = _Alpha(file, Box(*row.box))
        box = Box(*map(float, row.box))
        yield FoundAnnotation(row.image, row.category, mask, entry, str(row.annotation), box=box)
    for path in source.listed("**/*.png", cancel):
        if (name := path.relative_to(folder).as_posix()) not in listed:
            yield Fault(Place(name), "This cut-out is not in the index.")


@dataclass(frozen=True)
class _Alpha:
    """The mask of one cut-out; a `MaskMaker`."""

    file: Path
    box: Box

    def __call__(self, size: tuple[int, int]) -> Mask:
        x0, y0, x1, y1 = (int(value) for value in self.box)
        if not (x0 < x1 <= size[1] and y0 < y1 <= size[0]):
            raise BadInputError("the box does not lie in the image")
        try:
            with Image.open(self.file, formats=["PNG"]) as opened:
                if opened.size != (x1 - x0, y1 - y0) or opened.mode != "RGBA":
                    raise BadInputError("the PNG is not RGBA of the size of its box")
                pixels = np.asarray(opened)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise BadInputError(f"the PNG cannot be read ({error})") from error
        alpha = pixels[:, :, 3]
        if not np.isin(alpha, (0, 255)).all():
            raise BadInputError("the PNG has pixels that are neither clear nor opaque")
        if pixels[alpha == 0].any():
            raise BadInputError("the PNG has colour where it is clear")
        return Mask.from_crop(alpha, (x0, y0), size)


@dataclass(frozen=True)
class CutOutsHolding:
    """What cut-outs hold of a project; see `Holding` and `ChoosesObjects`.

    `chosen` are the images to cut from, `wanted` the annotations (none named: all of them).
    """

    categories: Sequence[Category]
    chosen: Selection
    wanted: frozenset[int]
    margin: int

    @property
    def always_lost(self) -> tuple[str, ...]:
        return (
            "Images without an object leave no trace.",
            "Attributes, scores, and how an annotation came to be are not written.",
            "Of a category only its name is written.",
        )

    def selection(self) -> Selection:
        return self.chosen

    def chooses(self, annotation_id: int) -> bool:
        return not self.wanted or annotation_id in self.wanted

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        names = {category.id: category.name for category in self.categories}
        held, losses = [], []
        for row in annotations:
            if not self.chooses(row.id):
                continue
            box = self._box(row.mask.box, image)
            held.append(HeldAnnotation((row.id,), names[row.category_id], row.mask, box=box))
            if row.iscrowd:
                text = "It is no longer marked as a crowd."
                losses.append(Loss(LossKind.CROWD, image.path, row.id, text))
        name = index_text(image.path)
        return HeldImage(name, tuple(held), tuple(losses), listed=bool(held))

    def _box(self, box: Box, image: ImageRecord) -> Box:
        left, top = max(box.x0 - self.margin, 0), max(box.y0 - self.margin, 0)
        right, bottom = box.x1 + self.margin, box.y1 + self.margin
        return Box(left, top, min(right, image.width), min(bottom, image.height))

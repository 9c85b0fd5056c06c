"""Reading YOLO-seg: data.yaml, images, and a text file of polygons for each.

As Ultralytics lays it out (https://docs.ultralytics.com/datasets/segment/): a line is a class and a
polygon, x y x y ... as parts of width and height. The label file of `.../images/a/b.jpg` is
`.../labels/a/b.txt`, or lies beside the image where no folder is called images. A polygon is drawn
as Ultralytics draws it: cut off to whole pixels, then OpenCV's `fillPoly`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.boxes import BOX_ONLY, box_mask
from segstudio.formats.checked import shown
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundImage,
    MaskMaker,
    Place,
)
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.source_files import SourceFolder
from segstudio.formats.yolo.layout import Layout, SplitFolder, read_layout

KEY = "yolo-seg"
MOST_LABEL_BYTES = 16 << 20
_MOST_LINE = 4 << 20  # letters: 200,000 points and more
_BEYOND = 0.01  # how far coordinates may lie outside of 0 to 1, as Ultralytics lets them


@dataclass(frozen=True)
class YoloImport:
    """Reads YOLO-seg datasets."""

    key: str = KEY
    title: str = "YOLO-seg"
    description: str = "A folder with data.yaml, images and labels (polygons), or that data.yaml."
    options: type[ImportOptions] = ImportOptions

    def recognises(self, source: Path) -> bool:
        """See `ImportFormat.recognises`."""
        try:
            if source.is_file():
                return source.suffix.lower() in {".yaml", ".yml"}
            names = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt")
            described = any((source / name).is_file() for name in names)
            return described and any(islice(source.rglob("*.txt"), 1))
        except (OSError, ValueError, RecursionError):
            return False

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ImportFormat.read`. An image without a label file counts as one with nothing on it,
        as it does in training."""
        folder = SourceFolder(source if source.is_dir() else source.parent)
        layout = read_layout(folder, None if source.is_dir() else source)
        yield from layout.faults
        for index, name in sorted(layout.names.items()):
            yield FoundCategory(str(index), name, Place(layout.file, f"names[{index}]"))
        done = 0
        known: set[str] = set()
        for split in layout.splits:
            if options.split not in {"", split.name}:
                continue
            for image, labels in split.pages(folder, cancel):
                cancel.check()
                name = image.as_posix()
                if name in known:  # a list of files may name one again, or a folder hold another
                    continue
                known.add(name)
                report(Progress(done, 0, f"Reading {image.name}"))
                done += 1
                yield from _page(folder, layout, split, image, labels)
        report(Progress(done, done, "Read"))


def _page(
    folder: SourceFolder, layout: Layout, split: SplitFolder, image: Path, labels: Path
) -> Iterator[Found]:
    """One image, which need not be there, and what its label file says."""
    name = image.relative_to(folder.root).as_posix()
    said = labels.relative_to(folder.root).as_posix()
    try:
        there = folder.file(said, folder.place(labels))
        place = folder.place(labels if there else image)
        file = folder.file(name, place)
        yield FoundImage(name, name, place, also=(image.name,), file=file, split=split.name)
        lines = folder.text_of(labels, MOST_LABEL_BYTES).splitlines() if there else []
    except BadInputError as error:
        yield Fault.of(folder.place(labels), error, name)
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = folder.place(labels, f"line {number}")
        try:
            if len(line) > _MOST_LINE:
                raise BadInputError("The line is longer than any outline makes one.")
            yield _annotation(line.split(), name, layout.names, place, f"{name}#{number}")
        except BadInputError as error:
            yield Fault.of(place, error, name)


def _annotation(
    words: Sequence[str], image: str, names: dict[int, str], place: Place, key: str
) -> FoundAnnotation:
    index = _class(words[0], names)
    values = _numbers(words[1:])
    attributes: dict[str, object] = {}
    record: dict[str, object] = {}
    maker: MaskMaker
    if len(values) == 4:
        attributes[BOX_ONLY] = True
        maker = _Box(*values.tolist())
    elif len(values) >= 6 and len(values) % 2 == 0:
        maker = _Outline(values.reshape(-1, 2))
        record["coordinates"] = " ".join(words[1:])
    else:
        raise BadInputError(
            f"A line is a class and a polygon of at least 3 points, or a box of 4 numbers; this "
            f"one has {len(values)} numbers after the class."
        )
    return FoundAnnotation(
        image, str(index), maker, place, key, attributes=attributes, record=record
    )


def _class(word: str, names: dict[int, str]) -> int:
    try:
        index = int(word) if word.isascii() and word.isdigit() else int(_whole(word))
    except (ValueError, OverflowError):
        raise BadInputError(f"“{shown(word)}” is not the number of a class.") from None
    if index not in names:
        raise BadInputError(f"There is no class {shown(word)} in {len(names)} classes.")
    return index


def _whole(word: str) -> float:
    """A whole number that some programs write as 3.0."""
    value = float(word)
    if value != int(value):
        raise ValueError
    return value


def _numbers(words: Sequence[str]) -> npt.NDArray[np.float64]:
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        raise BadInputError("A coordinate is not a number.") from None
    if not np.isfinite(values).all():
        raise BadInputError("A coordinate is not a finite number.")
    if np.any((values < -_BEYOND) | (values > 1 + _BEYOND)):
        raise BadInputError("A coordinate lies outside of the image, which reaches from 0 to 1.")
    return values


@dataclass(frozen=True, eq=False)
class _Outline:
    """A polygon's (N, 2) xy as parts of width and height; a `MaskMaker`."""

    points: npt.NDArray[np.float64]

    def __call__(self, size: tuple[int, int]) -> Mask:
        height, width = size
        pixels = (self.points * (width, height)).astype(np.int32)
        low = np.clip(pixels.min(axis=0), 0, (width - 1, height - 1))
        high = np.clip(pixels.max(axis=0), 0, (width - 1, height - 1))
        columns, rows = (high - low + 1).tolist()
        canvas = np.zeros((rows, columns), dtype=np.uint8)
        cv2.fillPoly(canvas, [np.ascontiguousarray(pixels - low.astype(np.int32))], 1)
        return Mask.from_crop(canvas, (int(low[0]), int(low[1])), size)


@dataclass(frozen=True)
class _Box:
    """Centre and sides of a box as parts of width and height; a `MaskMaker`."""

    x: float
    y: float
    width: float
    height: float

    def __call__(self, size: tuple[int, int]) -> Mask:
        height, width = size
        return box_mask(
            (self.x - self.width / 2) * width,
            (self.y - self.height / 2) * height,
            (self.x + self.width / 2) * width,
            (self.y + self.height / 2) * height,
            size,
        )

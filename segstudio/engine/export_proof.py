"""Reads an export back, by the format's own reader, and compares it with what it should hold.

The first reading keeps a digest of every annotation, so that memory hardly grows with the export.
Only where digests differ are the files read again, to say what the difference is.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, ProgressSink, ignore_progress
from segstudio.core.project_view import ProjectView
from segstudio.engine.export_differences import DIGEST, FoundRow, compare_rows, digest
from segstudio.engine.export_losses import Announcement, ExpectedImage
from segstudio.formats.contract import (
    MOST_LISTED,
    Difference,
    ExportFormat,
    ExportOptions,
    Proof,
)
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundImage,
)
from segstudio.formats.holding import HeldAnnotation
from segstudio.formats.selection import drawn_annotations
from segstudio.imaging.read import read_size

MOST_READ_AGAIN = 200  # images of which every difference is told; of others only that there is one


@dataclass
class Differences:
    """Every difference is counted, the first `MOST_LISTED` are kept."""

    total: int = 0
    listed: list[Difference] = field(default_factory=list)

    def add(self, path: str, text: str, annotation_id: int = 0) -> None:
        self.total += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(Difference(path, text, annotation_id))


@dataclass(frozen=True)
class Export:
    """One export that was written: what, how, and where the files are now."""

    member: ExportFormat
    view: ProjectView
    options: ExportOptions
    folder: Path


def prove(
    export: Export,
    announced: Announcement,
    without: frozenset[str],
    report: ProgressSink,
    cancel: CancelToken,
) -> Proof:
    """Compare the files with the project, image by image.

    Masks pixel for pixel, category names, crowd flags, boxes where the files say them, the order
    of overlap, attributes and scores where the format holds them, sizes and splits of images, and
    that nothing else is there. What comes back otherwise than in
    the project must be among the losses that were announced. `without` are the paths of images
    that were left out while writing.

    Raises Cancelled, OSError as the disk does.
    """
    expected = [item for item in announced.expected if item.image.path not in without]
    found = Differences()
    for difference in announced.unannounced:
        if difference.path not in without:
            found.add(difference.path, difference.text, difference.annotation_id)
    first = _FirstReading(expected, found)
    try:
        pieces = export.member.reread(export.folder, export.options, report, cancel)
        for piece in pieces:
            cancel.check()
            first.take(piece)
    except BadInputError as error:
        if expected:  # where nothing was written there may be nothing that a reader would take
            found.add("", f"The files cannot be read back: {error}")
        return Proof(first.images, first.annotations, tuple(found.listed), found.total)
    wrong = first.finish(announced.categories)
    _tell(export, wrong, found, cancel)
    return Proof(first.images, first.annotations, tuple(found.listed), found.total)


class _Names:
    """Gives the images found back to those expected, by name, and the categories their names."""

    def __init__(self, expected: list[ExpectedImage]) -> None:
        self.categories: dict[str, str] = {}
        self.images: dict[str, ExpectedImage] = {}
        self._waiting: dict[str, deque[ExpectedImage]] = defaultdict(deque)
        for item in expected:
            self._waiting[item.name].append(item)

    def image(self, piece: FoundImage) -> ExpectedImage | None:
        """The image that this one is; None if none, or no more, of its name is expected."""
        waiting = self._waiting.get(piece.name)
        if not waiting:
            return None
        item = self.images[piece.key] = waiting.popleft()
        return item


class _FirstReading:
    """Digests of what is found, by image, and every difference that shows without details."""

    def __init__(self, expected: list[ExpectedImage], differences: Differences) -> None:
        self._expected = expected
        self._differences = differences
        self._names = _Names(expected)
        self._digests: dict[int, bytearray] = {}
        self._of_other_size: set[int] = set()
        self.images = 0
        self.annotations = 0

    def take(self, piece: Found) -> None:
        if isinstance(piece, FoundAnnotation):
            self._annotation(piece)
        elif isinstance(piece, FoundImage):
            self._image(piece)
        elif isinstance(piece, FoundCategory):
            self._names.categories[piece.key] = piece.name
        elif isinstance(piece, Fault):
            item = self._names.images.get(piece.image)
            path = item.image.path if item else ""
            self._differences.add(path, f"{piece.place}: {piece.reason}")

    def _image(self, piece: FoundImage) -> None:
        item = self._names.image(piece)
        if item is None:
            text = f"The files name an image “{piece.name}”, which should not be there."
            self._differences.add("", text)
            return
        self.images += 1
        self._digests[item.image.id] = bytearray()
        says = "The files say that"
        size = piece.size
        if size in {None, item.image.size} and piece.file is not None:
            says = f"In “{piece.file.name}”"
            try:
                size = read_size(piece.file)
            except BadInputError as error:
                self._differences.add(item.image.path, f"Its image cannot be read: {error}")
        if size not in {None, item.image.size}:
            self._of_other_size.add(item.image.id)
            self._differences.add(item.image.path, _other_size(says, size, item.image))
        if item.split not in {None, piece.split}:
            text = f"The files say that it is of the split “{piece.split}”, not “{item.split}”."
            self._differences.add(item.image.path, text)

    def _annotation(self, piece: FoundAnnotation) -> None:
        item = self._names.images.get(piece.image)
        if item is None or item.image.id in self._of_other_size:
            return  # told with the image
        try:
            row = found_row(piece, self._names.categories, item)
        except BadInputError as error:
            self._differences.add(item.image.path, f"{piece.place}: {error}")
            return
        self.annotations += 1
        self._digests[item.image.id] += digest(row.held)

    def finish(self, categories: tuple[str, ...] | None) -> list[ExpectedImage]:
        """Note what is missing; returns the images whose annotations are not as expected."""
        wrong = []
        for item in self._expected:
            found = self._digests.get(item.image.id)
            if found is None:
                if item.listed:
                    self._differences.add(item.image.path, "The image is not in the files.")
            elif item.image.id not in self._of_other_size and not _same(item, found):
                wrong.append(item)
        names = sorted(self._names.categories.values())
        if categories is not None and names != sorted(categories):
            self._differences.add("", _other_categories(names, sorted(categories)))
        return wrong


def found_row(
    piece: FoundAnnotation, categories: dict[str, str], expected: ExpectedImage
) -> FoundRow:
    """What the files say of one annotation. Raises BadInputError if its mask cannot be drawn."""
    mask = piece.mask(expected.image.size)
    name = categories.get(piece.category, piece.category)
    held = HeldAnnotation((), name, mask, piece.iscrowd, piece.box)
    if expected.worded:
        scores = piece.predicted_iou, piece.stability
        held = replace(held, attributes=piece.attributes, scores=scores)
    return FoundRow(held, piece.place)


def _same(item: ExpectedImage, found: bytearray) -> bool:
    if item.ordered or found == item.digests:
        return found == item.digests
    return sorted(_cut(found)) == sorted(_cut(item.digests))


def _cut(digests: bytes | bytearray) -> list[bytes]:
    return [bytes(digests[at : at + DIGEST]) for at in range(0, len(digests), DIGEST)]


def _other_size(says: str, size: tuple[int, int] | None, image: ImageRecord) -> str:
    height, width = size or (0, 0)
    return (
        f"{says} it is {width} x {height} pixels; in the project it is {image.width} x "
        f"{image.height}."
    )


def _other_categories(found: list[str], wanted: list[str]) -> str:
    more = [name for name in found if name not in wanted]
    less = [name for name in wanted if name not in found]
    told = [
        f"{what} {', '.join(f'“{name}”' for name in names[:20])}"
        for what, names in (("missing:", less), ("too many:", more))
        if names
    ]
    return f"The categories are not those of the project ({'; '.join(told) or 'one comes twice'})."


def _tell(
    export: Export, wrong: list[ExpectedImage], differences: Differences, cancel: CancelToken
) -> None:
    """Read the files again for the images that differ, and say how."""
    detailed = wrong[:MOST_READ_AGAIN]
    if not detailed:
        return
    rows: dict[int, list[FoundRow]] = {item.image.id: [] for item in detailed}
    for image_id, row in _rows_again(export, detailed, cancel):
        rows[image_id].append(row)
    holding = export.member.holding(export.view, export.options)
    categories = tuple(export.view.categories())
    for item in detailed:
        drawn, _ = drawn_annotations(export.view, item.image, categories)
        held = holding.image(item.image, drawn)
        told = compare_rows(held, rows[item.image.id])
        for text, annotation_id in told:
            differences.add(item.image.path, text, annotation_id)
        if not told:  # the project changed under us, or a reader that reads differently each time
            differences.add(item.image.path, "Its annotations changed while they were compared.")
    for item in wrong[MOST_READ_AGAIN:]:
        differences.add(item.image.path, "Its annotations are not those of the project.")


def _rows_again(
    export: Export, wanted: list[ExpectedImage], cancel: CancelToken
) -> Iterator[tuple[int, FoundRow]]:
    """The annotations of the wanted images, with their image's id."""
    names = _Names(wanted)
    pieces = export.member.reread(export.folder, export.options, ignore_progress, cancel)
    for piece in pieces:
        cancel.check()
        if isinstance(piece, FoundCategory):
            names.categories[piece.key] = piece.name
        elif isinstance(piece, FoundImage):
            names.image(piece)
        elif isinstance(piece, FoundAnnotation) and piece.image in names.images:
            item = names.images[piece.image]
            try:
                yield item.image.id, found_row(piece, names.categories, item)
            except BadInputError:
                continue  # told in the first reading

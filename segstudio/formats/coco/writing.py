"""Writing COCO instances: one JSON after the other, a record at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from segstudio.core.category import Category
from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.coco.entries import KEY
from segstudio.formats.coco.numbers import BATCH, Numbering
from segstudio.formats.coco.returning import annotation_entry, category_entry, image_entry
from segstudio.formats.contract import Skipped
from segstudio.formats.selection import drawn_annotations

_CHUNK = 256  # records encoded at once: memory stays level, calls stay few
_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
_LISTS = frozenset({"images", "annotations", "categories"})
Splits = Sequence[tuple[str, Sequence[ImageRecord]]]


@dataclass(frozen=True)
class Origins:
    """What records were in COCO; nothing of it if the export should be as of our own making."""

    view: ProjectView
    wanted: bool

    def of(self, kind: OriginKind, ids: Sequence[int]) -> Mapping[int, Origin]:
        """By the ids of those that were there."""
        return self.view.origins(kind, ids, KEY) if self.wanted and ids else {}


@dataclass
class CocoWriter:
    """Writes the JSON of one split after the other and counts what it wrote.

    `names` are the `file_name` of each image that is written, by id. Steps of the progress are
    images, `done` of `total`.
    """

    view: ProjectView
    categories: Sequence[Category]
    origins: Origins
    as_polygons: bool
    names: Mapping[int, str]
    report: ProgressSink
    cancel: CancelToken
    skipped: list[Skipped] = field(default_factory=list)
    done: int = 0
    total: int = 0
    annotations: int = 0

    def write(self, folder: Path, splits: Splits) -> None:
        """Write `instances_SPLIT.json` for each; a split is a safe file name."""
        by_id = self.origins.of(OriginKind.CATEGORY, [row.id for row in self.categories])
        numbering = Numbering()
        for category in self.categories:
            numbering.add(category.id, by_id.get(category.id))
        self._category_numbers = numbering.numbers()
        self._category_entries = [
            category_entry(row, self._category_numbers.of(row.id), by_id.get(row.id))
            for row in self.categories
        ]
        self._number(splits)
        for split, images in splits:
            self._write(folder / f"instances_{split}.json", split, images)

    def _number(self, splits: Splits) -> None:
        """Find the ids that images and annotations had, which a new one must not meet."""
        images, annotations = Numbering(), Numbering()
        for file, (_, members) in enumerate(splits):
            for some in _in_batches(members):
                origins = self.origins.of(OriginKind.IMAGE, [image.id for image in some])
                for image in some:
                    images.add(image.id, origins.get(image.id), file)
                    if self.origins.wanted:
                        self._number_annotations(annotations, image, file)
        self._image_numbers, self._numbers = images.numbers(), annotations.numbers()

    def _number_annotations(self, numbering: Numbering, image: ImageRecord, file: int) -> None:
        self.cancel.check()
        ids = [row.id for row in self.view.annotations(image.id)]
        origins = self.origins.of(OriginKind.ANNOTATION, ids)
        for number in ids:
            numbering.add(number, origins.get(number), file)

    def _write(self, path: Path, split: str, images: Sequence[ImageRecord]) -> None:
        with path.open("wb") as file:
            before = b"{"
            for key, value in self._remarks(split).items():
                file.write(before + orjson.dumps(key) + b":" + _dump(value))
                before = b","
            file.write(b',"categories":' + _dump(self._category_entries))
            file.write(b',"images":')
            _stream(file, self._images(images))
            file.write(b',"annotations":')
            _stream(file, self._annotations(images))
            file.write(b"}\n")

    def _remarks(self, split: str) -> dict[str, Any]:
        """What the source said of itself, of this split if it had the same ones."""
        ours = {"info": {"description": self.view.name, "version": "1.0"}, "licenses": []}
        origin = self.origins.of(OriginKind.PROJECT, (0,)).get(0)
        by_split = origin.record.get("by_split") if origin is not None else None
        if not isinstance(by_split, Mapping) or not by_split:
            return ours
        record = by_split.get(split, next(iter(by_split.values())))
        return ours | {key: value for key, value in record.items() if key not in _LISTS}

    def _images(self, images: Sequence[ImageRecord]) -> Iterator[dict[str, Any]]:
        for some in _in_batches(images):
            origins = self.origins.of(OriginKind.IMAGE, [image.id for image in some])
            for image in some:
                number = self._image_numbers.of(image.id)
                yield image_entry(image, number, self.names[image.id], origins.get(image.id))

    def _annotations(self, images: Sequence[ImageRecord]) -> Iterator[dict[str, Any]]:
        for image in images:
            self.cancel.check()
            self.report(Progress(self.done, self.total, f"Writing {image.path}"))
            self.done += 1
            drawn, faults = drawn_annotations(self.view, image, self.categories)
            self.skipped.extend(faults)
            origins = self.origins.of(OriginKind.ANNOTATION, [row.id for row in drawn])
            image_number = self._image_numbers.of(image.id)
            for row in drawn:
                self.annotations += 1
                ids = {
                    "id": self._numbers.of(row.id),
                    "image_id": image_number,
                    "category_id": self._category_numbers.of(row.category_id),
                }
                yield ids | annotation_entry(row, origins.get(row.id), as_polygons=self.as_polygons)


def _in_batches(images: Sequence[ImageRecord]) -> Iterator[Sequence[ImageRecord]]:
    return (images[start : start + BATCH] for start in range(0, len(images), BATCH))


def _dump(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=_JSON)


def _stream(file: BinaryIO, records: Iterable[dict[str, Any]]) -> None:
    """Write a JSON list, a line a record, without ever holding all of it."""
    before = b"[\n"
    chunk: list[bytes] = []
    for record in records:
        chunk.append(_dump(record))
        if len(chunk) == _CHUNK:
            file.write(before + b",\n".join(chunk))
            chunk.clear()
            before = b",\n"
    if chunk:
        file.write(before + b",\n".join(chunk))
        before = b",\n"
    file.write(b"[]" if before == b"[\n" else b"\n]")

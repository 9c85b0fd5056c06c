"""Reading COCO instances: one JSON file, or a folder of them beside the images."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.coco.entries import (
    KEY,
    MOST_PIXELS,
    AnnotationEntry,
    CategoryEntry,
    ImageEntry,
    box_of,
    kept,
    mask_of,
    told,
)
from segstudio.formats.coco.source import (
    AnnotationFile,
    ImageFolders,
    annotation_files,
    looks_like_instances,
)
from segstudio.formats.contract import option
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundDataset,
    FoundImage,
    Place,
)
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.json_files import shaped
from segstudio.formats.json_stream import JsonEntry, JsonMark, JsonStream
from segstudio.formats.source_files import SourceFolder

MOST_REMARKS_BYTES = 16 << 20
_LISTS = ("images", "categories", "annotations")


@dataclass(frozen=True, kw_only=True)
class CocoImportOptions(ImportOptions):
    """Options of the COCO import."""

    depth: str = option(
        "file",
        "Depth",
        "file: what stands later in the file lies in front. area: crowds, then larger objects, lie "
        "at the back, so that what the file lists last does not cover what is small.",
        choices=("file", "area"),
    )


@dataclass(frozen=True)
class CocoImport:
    """Reads COCO instances."""

    key: str = KEY
    title: str = "COCO instances"
    description: str = (
        "A JSON file of COCO instances, or a folder with annotations/instances_SPLIT.json and the "
        "images in it or beside."
    )
    options: type[CocoImportOptions] = CocoImportOptions

    def recognises(self, source: Path) -> bool:
        """See `ImportFormat.recognises`."""
        try:
            if source.is_file():
                return looks_like_instances(source)
            _, files = annotation_files(source, CancelToken())
        except (BadInputError, OSError):
            return False
        return looks_like_instances(files[0].path)

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ImportFormat.read`.

        The order of an image's annotations in the file is their depth, unless the options say that
        their areas are. Where two files use an id
        for two things, the later file's keys are "FILE:ID"; categories of one name are one.
        """
        by_area = isinstance(options, CocoImportOptions) and options.depth == "area"
        folder, files = annotation_files(source, cancel)
        if options.split:
            known = sorted({file.split for file in files} - {""})
            files = [file for file in files if file.split == options.split]
            if not files:
                raise BadInputError(
                    f"“{source.name}” has no split {options.split!r}; it has: "
                    f"{', '.join(known) or 'none'}."
                )
        size = sum(file.path.stat().st_size for file in files)
        several = len(files) > 1
        shared = _Shared(folder, report, cancel, size, by_area, _Ids(several), _Ids(several))
        by_split: dict[str, dict[str, Any]] = {}
        for file in files:
            record = yield from _FileReader(shared, file).pieces()
            by_split.setdefault(file.split, record)
        yield FoundDataset({"by_split": by_split})
        report(Progress(shared.total, shared.total, "Read"))


@dataclass
class _Ids:
    """Ids of one kind in all files: the same number in a later file is another thing."""

    several: bool  # whether there is more than one file
    earlier: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    own: array[int] = field(default_factory=lambda: array("q"))

    def note(self, number: int) -> None:
        """There is a thing of that number in the file that is being read."""
        if self.several:
            self.own.append(number)

    def key(self, number: int, file: str) -> str:
        """The key of a thing in the file that is being read."""
        at = int(np.searchsorted(self.earlier, number)) if len(self.earlier) else 0
        taken = at < len(self.earlier) and int(self.earlier[at]) == number
        return f"{file}:{number}" if taken else str(number)

    def next_file(self) -> None:
        self.earlier = np.union1d(self.earlier, np.frombuffer(self.own, dtype=np.int64))
        self.own = array("q")


@dataclass
class _Shared:
    """What the readers of all files share."""

    folder: SourceFolder
    report: ProgressSink
    cancel: CancelToken
    size: int
    by_area: bool
    images: _Ids
    annotations: _Ids
    done: int = 0
    category_keys: dict[str, str] = field(default_factory=dict)  # by name

    @property
    def total(self) -> int:
        """Bytes to read: most files are read twice, as COCO's own have their categories last."""
        return 2 * self.size


class _FileReader:
    """Reads one file."""

    def __init__(self, shared: _Shared, file: AnnotationFile) -> None:
        self._shared, self._file = shared, file
        self._name = shared.folder.place(file.path).file
        self._folders = ImageFolders(shared.folder, file)
        self._images: set[int] = set()
        self._categories: dict[int, str] = {}
        self._earlier = dict(shared.category_keys)  # of earlier files
        self._names: set[str] = set()

    def pieces(self) -> Generator[Found, None, dict[str, Any]]:
        """All of it; returns what the file says of itself."""
        remarks = _Remarks()
        seen: set[str] = set()
        mark: JsonMark | None = None
        with self._shared.folder.opened(self._file.path) as opened:
            stream = JsonStream(opened, self._name, self._passed, self._shared.cancel)
            for key in stream.members():
                if key in seen:
                    raise BadInputError(f"{self._name}: the key “{key[:80]}” is there twice.")
                if key == "annotations" and not seen >= {"images", "categories"}:
                    mark = stream.mark_and_pass()
                elif key in _LISTS:
                    yield from self._list(key, stream)
                else:
                    remarks.add(key, stream.whole())
                seen.add(key)
            missing = [key for key in _LISTS if key not in seen]
            if missing:
                raise BadInputError(
                    f"{self._name}: there is no list “{missing[0]}”, so this is not COCO instances."
                )
            if mark is not None:
                stream.back_to(mark)
                yield from self._list("annotations", stream)
        self._shared.images.next_file()
        self._shared.annotations.next_file()
        return remarks.record

    def _passed(self, count: int) -> None:
        shared = self._shared
        shared.done += count
        shared.report(Progress(shared.done, shared.total, f"Reading {self._name}"))

    def _list(self, key: str, stream: JsonStream) -> Iterator[Found]:
        read: Callable[[Any, Place], Found | None] = {
            "images": self._image,
            "categories": self._category,
            "annotations": self._annotation,
        }[key]
        for entry in stream.elements():
            found: Found | None
            try:
                found = read(entry.value(), entry.place)
            except BadInputError as error:
                found = Fault(entry.place, _reason(error, entry.place))
            if found is not None:
                yield found

    def _image(self, value: Any, place: Place) -> FoundImage:
        entry = shaped(value, ImageEntry, place)
        size = None
        if entry.width is not None and entry.height is not None:
            size = (entry.height, entry.width)
            if entry.height * entry.width > MOST_PIXELS:
                raise BadInputError(f"it claims {entry.width} x {entry.height} pixels")
        name = entry.file_name.replace("\\", "/")
        file = self._folders.find(name, place)
        split = self._file.split
        others = (value.get("source_path"), f"{split}/{name}" if split else None)
        key = self._shared.images.key(entry.id, self._name)
        self._images.add(entry.id)
        self._shared.images.note(entry.id)
        return FoundImage(
            key,
            name,
            place,
            also=tuple(text for text in others if isinstance(text, str) and text != name),
            file=file,
            size=size,
            split=split,
            by_area=self._shared.by_area,
            record={key: item for key, item in value.items() if key != "id"},
        )

    def _category(self, value: Any, place: Place) -> FoundCategory | None:
        entry = shaped(value, CategoryEntry, place)
        if entry.id in self._categories:
            raise BadInputError(f"the category id {entry.id} is there twice")
        if entry.name in self._names:
            raise BadInputError(f"two categories have the name “{entry.name[:80]}”")
        self._names.add(entry.name)
        if entry.name in self._earlier:  # an earlier file has it as well
            self._categories[entry.id] = self._earlier[entry.name]
            return None
        key = str(entry.id)
        if key in self._earlier.values():
            key = f"{self._name}:{key}"
        self._categories[entry.id] = self._shared.category_keys[entry.name] = key
        return FoundCategory(
            key,
            entry.name,
            place,
            supercategory=entry.supercategory or "",
            isthing=entry.isthing is None or bool(entry.isthing),
            colour=_colour(value.get("color")),
            record={key: item for key, item in value.items() if key != "id"},
        )

    def _annotation(self, value: Any, place: Place) -> FoundAnnotation:
        entry = shaped(value, AnnotationEntry, place)
        if entry.image_id not in self._images:
            raise BadInputError(f"there is no image {entry.image_id}")
        if entry.category_id not in self._categories:
            raise BadInputError(f"there is no category {entry.category_id}")
        box = box_of(entry.bbox)
        mask = mask_of(entry)
        fields = told(value)
        if entry.id is not None:
            self._shared.annotations.note(entry.id)
        return FoundAnnotation(
            self._shared.images.key(entry.image_id, self._name),
            self._categories[entry.category_id],
            partial(_of_size, mask) if isinstance(mask, Mask) else mask,
            place,
            key="" if entry.id is None else self._shared.annotations.key(entry.id, self._name),
            iscrowd=fields.iscrowd,
            attributes=fields.attributes,
            stage=fields.stage,
            tool=fields.tool,
            model_key=fields.model_key,
            predicted_iou=fields.predicted_iou,
            stability=fields.stability,
            record=kept(value, mask if isinstance(mask, Mask) else None),
            box=box,
        )


@dataclass
class _Remarks:
    """What a file says of itself beside its lists."""

    record: dict[str, Any] = field(default_factory=dict)
    size: int = 0

    def add(self, key: str, entry: JsonEntry) -> None:
        self.size += len(entry.data) + len(key)
        if self.size > MOST_REMARKS_BYTES:
            raise BadInputError(
                f"{entry.place}: all that is no image, category or annotation is "
                f"larger than {MOST_REMARKS_BYTES >> 20} MB."
            )
        self.record[key] = entry.value()


def _of_size(mask: Mask, size: tuple[int, int]) -> Mask:
    if mask.size != size:
        raise BadInputError(
            f"Its run lengths are of {mask.size[1]} x {mask.size[0]} pixels, its image of "
            f"{size[1]} x {size[0]}."
        )
    return mask


def _colour(value: object) -> str:
    if not isinstance(value, list) or len(value) != 3:
        return ""
    if not all(type(part) is int and 0 <= part <= 255 for part in value):
        return ""
    return "#{:02x}{:02x}{:02x}".format(*value)


def _reason(error: BadInputError, place: Place) -> str:
    """A sentence without the place, which a fault has beside it."""
    text = str(error).removeprefix(f"{place}: ").rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."

"""Reading COCO panoptic: one JSON or a folder of them, with a PNG an image.

An image comes with its segments, so that memory holds one map at a time; of the other images only
the bytes of their entries are held.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.coco.entries import CategoryEntry, ImageEntry
from segstudio.formats.coco.source import AnnotationFile
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundDataset,
    FoundImage,
    MaskMaker,
    Place,
)
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.index_maps import MOST_MAP_PIXELS, index_masks, map_header, read_colour_ids
from segstudio.formats.json_files import shaped
from segstudio.formats.json_stream import JsonEntry, JsonMark, JsonStream
from segstudio.formats.naming import said_path
from segstudio.formats.panoptic.entries import (
    KEY,
    Segment,
    Segmented,
    kept_of_segment,
    said_box,
    told,
)
from segstudio.formats.panoptic.source import PanopticFolders, looks_panoptic, panoptic_files
from segstudio.formats.source_files import SourceFolder

_LISTS = ("images", "categories", "annotations")
_MOST_REMARKS = 16 << 20


@dataclass(frozen=True)
class CocoPanopticImport:
    """Reads COCO panoptic."""

    key: str = KEY
    title: str = "COCO panoptic"
    description: str = (
        "A JSON file with segments_info, or a folder with annotations/panoptic_SPLIT.json; the "
        "PNGs lie in a folder that is named as the JSON."
    )
    options: type[ImportOptions] = ImportOptions

    def recognises(self, source: Path) -> bool:
        """See `ImportFormat.recognises`."""
        try:
            if source.is_file():
                return looks_panoptic(source)
            panoptic_files(source, CancelToken())
        except (BadInputError, OSError):
            return False
        return True

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ImportFormat.read`. Segments of an image have the order of their list.

        Where two files use an id for two things, the later file's keys are "FILE:ID"; categories
        of one name are one.
        """
        folder, files = panoptic_files(source, cancel)
        if options.split:
            known = sorted({file.split for file in files} - {""})
            files = [file for file in files if file.split == options.split]
            if not files:
                raise BadInputError(
                    f"“{source.name}” has no split {options.split!r}; it has: "
                    f"{', '.join(known) or 'none'}."
                )
        shared = _Shared(folder, report, cancel, sum(file.path.stat().st_size for file in files))
        by_split: dict[str, dict[str, Any]] = {}
        for file in files:
            by_split.setdefault(file.split, (yield from _FileReader(shared, file).pieces()))
        yield FoundDataset({"by_split": by_split})
        report(Progress(shared.size, shared.size, "Read"))


@dataclass
class _Shared:
    """What the readers of all files share."""

    folder: SourceFolder
    report: ProgressSink
    cancel: CancelToken
    size: int  # bytes to read, those that are read again not counted
    done: int = 0
    image_keys: set[str] = field(default_factory=set)
    category_keys: dict[str, str] = field(default_factory=dict)  # by name


class _FileReader:
    """Reads one file: its lists in whatever order, annotations last."""

    def __init__(self, shared: _Shared, file: AnnotationFile) -> None:
        self._shared, self._file = shared, file
        self._source = shared.folder
        self._name = shared.folder.place(file.path).file
        self._folders = PanopticFolders(shared.folder, file)
        self._waiting: dict[int, JsonEntry] = {}  # images whose segments have not come
        self._images: set[int] = set()
        self._categories: dict[int, str] = {}

    def pieces(self) -> Generator[Found, None, dict[str, Any]]:
        """All of it; returns what the file says of itself."""
        remarks: dict[str, Any] = {}
        size = 0
        seen: set[str] = set()
        mark: JsonMark | None = None
        with self._source.opened(self._file.path) as opened:
            stream = JsonStream(opened, self._name, self._passed, self._shared.cancel)
            for key in stream.members():
                if key in seen:
                    raise BadInputError(f"{self._name}: the key “{key[:80]}” is there twice.")
                seen.add(key)
                if key == "annotations" and not seen >= set(_LISTS):
                    mark = stream.mark_and_pass()
                elif key in _LISTS:
                    yield from self._list(key, stream)
                else:
                    entry = stream.whole()
                    size += len(entry.data)
                    if size > _MOST_REMARKS:
                        raise BadInputError(f"{entry.place}: it is too large for a remark.")
                    remarks[key] = entry.value()
            missing = [key for key in _LISTS if key not in seen]
            if missing:
                raise BadInputError(
                    f"{self._name}: there is no list “{missing[0]}”, so this is not COCO panoptic."
                )
            if mark is not None:
                stream.back_to(mark)
                yield from self._list("annotations", stream)
        for number, entry in self._waiting.items():
            yield from self._image(number, entry, None)[1]
        return remarks

    def _passed(self, count: int) -> None:
        shared = self._shared
        shared.done = min(shared.done + count, shared.size)
        shared.report(Progress(shared.done, shared.size, f"Reading {self._name}"))

    def _list(self, key: str, stream: JsonStream) -> Iterator[Found]:
        for entry in stream.elements():
            try:
                if key == "images":
                    self._note_image(entry)
                elif key == "categories":
                    yield from self._category(entry.value(), entry.place)
                else:
                    yield from self._annotation(entry.value(), entry.place)
            except BadInputError as error:
                yield _fault(entry.place, error)

    def _note_image(self, entry: JsonEntry) -> None:
        number = shaped(entry.value(), ImageEntry, entry.place).id
        if number in self._images:
            raise BadInputError(f"the image id {number} is there twice")
        self._images.add(number)
        self._waiting[number] = entry

    def _category(self, value: Any, place: Place) -> Iterator[Found]:
        entry = shaped(value, CategoryEntry, place)
        if entry.id in self._categories:
            raise BadInputError(f"the category id {entry.id} is there twice")
        keys = self._shared.category_keys
        if entry.name in keys:
            if keys[entry.name] in self._categories.values():
                raise BadInputError(f"two categories have the name “{entry.name[:80]}”")
            self._categories[entry.id] = keys[entry.name]  # an earlier file has it as well
            return
        key = str(entry.id)
        if key in keys.values():
            key = f"{self._name}:{key}"
        self._categories[entry.id] = keys[entry.name] = key
        yield FoundCategory(
            key,
            entry.name,
            place,
            supercategory=entry.supercategory or "",
            isthing=entry.isthing is None or bool(entry.isthing),
            colour=_colour(value.get("color")),
            record={key: item for key, item in value.items() if key != "id"},
        )

    def _image(
        self, number: int, entry: JsonEntry, map_size: tuple[int, int] | None
    ) -> tuple[tuple[int, int] | None, list[Found]]:
        """The image's size, and the image or what is wrong with it; `map_size` is None where
        nothing is said of it."""
        value, place = entry.value(), entry.place
        image = shaped(value, ImageEntry, place)
        size = map_size
        if image.width is not None and image.height is not None:
            size = image.height, image.width
        name = image.file_name.replace("\\", "/")
        try:
            if size is not None and size[0] * size[1] > MOST_MAP_PIXELS:
                raise BadInputError(f"it claims {size[1]} x {size[0]} pixels")
            file = self._folders.image_file(name, place)
        except BadInputError as error:
            return None, [_fault(place, error)]
        said = value.get("source_path")
        own = said_path(said) if isinstance(said, str) else ""
        record = {key: item for key, item in value.items() if key not in {"id", "source_path"}}
        found = FoundImage(
            self._image_key(number),
            own or name,
            place,
            also=(name,) if own and own != name else (),
            file=file,
            size=size,
            split=self._file.split,
            labelled=map_size is not None,
            record=record,
        )
        self._shared.image_keys.add(found.key)
        return size, [found]

    def _image_key(self, number: int) -> str:
        key = str(number)
        return f"{self._name}:{key}" if key in self._shared.image_keys else key

    def _annotation(self, value: Any, place: Place) -> Iterator[Found]:
        self._shared.cancel.check()
        entry = shaped(value, Segmented, place)
        if entry.image_id not in self._images:
            raise BadInputError(f"there is no image {entry.image_id}")
        waiting = self._waiting.get(entry.image_id)
        if waiting is None:
            raise BadInputError(f"the image {entry.image_id} has two annotations")
        name = entry.file_name.replace("\\", "/")
        path = self._folders.map_file(name, Place(place.file, f"{place.entry}.file_name"))
        if path is None:
            raise BadInputError(f"its PNG “{name[:200]}” is not there")
        header = map_header(self._source, path)
        key = self._image_key(entry.image_id)
        size, found = self._image(entry.image_id, waiting, header.size)
        del self._waiting[entry.image_id]
        yield from found
        if size is None:
            return
        masks = index_masks(read_colour_ids(self._source, path, size))
        masks.pop(0, None)
        for index, item in enumerate(entry.segments_info):
            at = Place(place.file, f"{place.entry}.segments_info[{index}]")
            try:
                yield self._segment(item, at, key, masks)
            except BadInputError as error:
                yield _fault(at, error, key)
        for number in masks:
            reason = f"The pixels of id {number} belong to no segment of {place}."
            yield Fault(self._source.place(path), reason, key)

    def _segment(
        self, value: Any, place: Place, image: str, masks: dict[int, Mask]
    ) -> FoundAnnotation:
        """One segment; its mask is taken out of `masks`."""
        segment = shaped(value, Segment, place)
        mask = masks.pop(segment.id, None)
        if mask is None:
            raise BadInputError(f"no pixel of the PNG is left for the segment {segment.id}")
        if segment.category_id not in self._categories:
            raise BadInputError(f"there is no category {segment.category_id}")
        return FoundAnnotation(
            image,
            self._categories[segment.category_id],
            _of_size(mask),
            place,
            key=f"{image}:{segment.id}",
            record=kept_of_segment(value, mask),
            box=said_box(value),
            **told(value),
        )


def _of_size(mask: Mask) -> MaskMaker:
    def make(size: tuple[int, int]) -> Mask:
        if size != mask.size:
            raise BadInputError(
                f"Its PNG is {mask.size[1]} x {mask.size[0]} pixels and its image "
                f"{size[1]} x {size[0]}."
            )
        return mask

    return make


def _colour(value: object) -> str:
    if not isinstance(value, list) or len(value) != 3:
        return ""
    if not all(type(part) is int and 0 <= part <= 255 for part in value):
        return ""
    return "#{:02x}{:02x}{:02x}".format(*value)


def _fault(place: Place, error: BadInputError, image: str = "") -> Fault:
    """The error as a sentence, without the place where it says that itself."""
    found = Fault.of(place, error, image)
    return replace(found, reason=f"{found.reason.rstrip('.')}.")

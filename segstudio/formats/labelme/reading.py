"""Reading labelme: a JSON an image, alone or in a folder with any folders in it.

Keys as labelme 3 to 6 write them (https://github.com/wkentaro/labelme, `_label_file.py`). Shapes of
one label and one `group_id` are one object; it lies where its first shape does.
"""

from __future__ import annotations

import base64
import binascii
import math
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from segstudio.core.annotation import Stage
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.checked import shown, tidy_name
from segstudio.formats.found import Fault, Found, FoundAnnotation, FoundCategory, FoundImage, Place
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.json_files import load_json, points, shaped
from segstudio.formats.labelme.shapes import DrawnShape
from segstudio.formats.source_files import SourceFolder
from segstudio.imaging.enclosed import union_of
from segstudio.imaging.read import IMAGE_SUFFIXES

KEY = "labelme"
# Attributes that other programs which write labelme's JSON have beside its own keys.
SHAPE_ATTRIBUTES = ("difficult", "truncated", "occluded", "pose")
SHAPE_KEYS = frozenset(
    {"label", "points", "group_id", "shape_type", "flags", "description", "mask"}
)
IMAGE_KEYS = frozenset({"shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "split"})
_SPLITS = frozenset({"train", "val", "valid", "validation", "test"})
_LOOKED_AT = 20  # files of a folder, to see whether it is one of labelme
_HEAD = 1 << 20  # bytes of each
# How the image files that labelme opens begin.
_BEGINNINGS = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"BM", ".bmp"), (b"GIF8", ".gif"))


class _Shape(msgspec.Struct):
    label: str
    points: list[Any] = []
    group_id: int | str | None = None
    shape_type: str | None = None
    flags: dict[str, Any] | None = None
    description: str | None = None
    mask: str | None = None


class _Page(msgspec.Struct):
    shapes: list[Any]
    imagePath: str | None = None  # noqa: N815 - labelme's names
    imageData: str | None = None  # noqa: N815
    imageHeight: float | None = None  # noqa: N815
    imageWidth: float | None = None  # noqa: N815


@dataclass(frozen=True)
class LabelmeImport:
    """Reads labelme's JSON files."""

    key: str = KEY
    title: str = "labelme"
    description: str = "A labelme JSON file, or a folder of them with their images."
    options: type[ImportOptions] = ImportOptions

    def recognises(self, source: Path) -> bool:
        """See `ImportFormat.recognises`."""
        try:
            if not source.is_dir():
                return source.suffix.lower() == ".json" and _looks_right(source)
            return any(map(_looks_right, islice(source.rglob("*.json"), _LOOKED_AT)))
        except (OSError, ValueError, RecursionError):
            return False

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ImportFormat.read`. A JSON file of a folder that is plainly of something else is
        passed over; one that is damaged is a fault."""
        alone = not source.is_dir()
        folder = SourceFolder(source.parent if alone else source)
        paths = [source] if alone else list(folder.listed("**/*.json", cancel))
        if not paths:
            raise BadInputError(f"“{source.name}” holds no JSON file of labelme's.")
        told: set[str] = set()
        of_others = 0
        for done, path in enumerate(paths):
            cancel.check()
            report(Progress(done, len(paths), f"Reading {path.name}"))
            try:
                value = load_json(folder, path)
                if not alone and _is_of_others(value):
                    of_others += 1
                else:
                    yield from _page(folder, path, value, options.split, told)
            except BadInputError as error:
                if alone:
                    raise
                yield Fault.of(folder.place(path), error)
        if of_others == len(paths):
            raise BadInputError(f"“{source.name}” holds no JSON file of labelme's.")
        report(Progress(len(paths), len(paths), "Read"))


def _looks_right(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return b'"shapes"' in head or b'"imageData"' in head


def _is_of_others(value: object) -> bool:
    """Whether a file's JSON is plainly something else, as a COCO file that lies beside."""
    return not (isinstance(value, dict) and ("shapes" in value or "imagePath" in value))


def _page(
    folder: SourceFolder, path: Path, value: Any, split: str, told: set[str]
) -> Iterator[Found]:
    """One image and its objects. Raises BadInputError before the first piece if it has none."""
    page = shaped(value, _Page, folder.place(path))
    image = _image(folder, path, value, page)
    if split not in {"", image.split}:
        return
    yield image
    objects: dict[object, list[_Entry]] = {}
    for number, raw in enumerate(page.shapes):
        place = folder.place(path, f"shapes[{number}]")
        try:
            entry = _entry(raw, place)
        except BadInputError as error:
            yield Fault.of(place, error, image.key)
            continue
        group = entry.shape.group_id
        same: object = (number,) if group is None else (entry.label, group)
        objects.setdefault(same, []).append(entry)
    for entries in objects.values():
        first = entries[0]
        if first.label not in told:
            told.add(first.label)
            yield FoundCategory(first.label, first.shape.label, first.place)
        yield _annotation(entries, image.key)


@dataclass(frozen=True)
class _Entry:
    """One shape: as it stands in the file, what of it has labelme's names, and how it is drawn."""

    raw: Mapping[str, Any]
    shape: _Shape
    drawn: DrawnShape
    place: Place

    @property
    def label(self) -> str:
        return tidy_name(self.shape.label)


def _entry(raw: object, place: Place) -> _Entry:
    shape = shaped(raw, _Shape, place)
    assert isinstance(raw, dict)
    drawn = DrawnShape(shape.shape_type or "polygon", points(shape.points, place), shape.mask or "")
    return _Entry(raw, shape, drawn, place)


def _annotation(entries: Sequence[_Entry], image: str) -> FoundAnnotation:
    first = entries[0]
    raw, number = first.raw, first.place.entry.partition("[")[2].rstrip("]")
    stage, score = raw.get("stage"), raw.get("predicted_iou")
    return FoundAnnotation(
        image=image,
        category=first.label,
        mask=_Together(tuple(entry.drawn for entry in entries)),
        place=first.place,
        key=f"{image}#{number}",
        iscrowd=raw.get("iscrowd") in (True, "1"),
        attributes=attributes_of([entry.raw for entry in entries]),
        stage=Stage(stage) if stage in list(Stage) else Stage.ASSISTED,
        tool=_text(raw.get("tool")),
        model_key=_text(raw.get("model")),
        predicted_iou=_number(score),
        stability=_number(raw.get("stability_score")),
        record={"shapes": [dict(entry.raw) for entry in entries]},
    )


@dataclass(frozen=True)
class _Together:
    """The mask of all shapes of an object; a `MaskMaker`."""

    shapes: tuple[DrawnShape, ...]

    def __call__(self, size: tuple[int, int]) -> Mask:
        masks = [shape.mask(size) for shape in self.shapes]
        return masks[0] if len(masks) == 1 else union_of(masks, size)


def attributes_of(shapes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the first of an object's entries of `shapes` that says a thing says of it."""
    found: dict[str, Any] = {}
    for shape in shapes:
        own = shape.get("attributes")
        said: dict[str, Any] = dict(own) if isinstance(own, dict) else {}
        said |= {
            name: shape[name]
            for name in SHAPE_ATTRIBUTES
            if isinstance(shape.get(name), bool | int | str)
        }
        if shape.get("group_id") is not None:
            said["group_id"] = shape["group_id"]
        said |= {name: shape[name] for name in ("description", "flags") if shape.get(name)}
        found = said | found
    return found


def _image(folder: SourceFolder, path: Path, raw: Mapping[str, Any], page: _Page) -> FoundImage:
    place = folder.place(path)
    inside = path.relative_to(folder.root)
    said = (page.imagePath or "").replace("\\", "/")
    embedded = page.imageData or ""
    if not said or said.lower().endswith(".json"):  # labelme counts on the embedded image then
        name, file = inside.with_suffix(_suffix_of(embedded, place)).as_posix(), None
    else:
        name = posixpath.normpath(posixpath.join(inside.parent.as_posix(), said))
        if said.startswith("/") or name.startswith("../") or name == "..":
            raise BadInputError(
                f"{place}: imagePath “{shown(said)}” leads out of the source; choose the folder "
                "that holds both."
            )
        file = folder.file(name, folder.place(path, "imagePath"))
    if file is None and not embedded:
        file = _beside(folder, path)
    other = inside.with_suffix(PurePosixPath(name).suffix).as_posix()
    split = raw.get("split")
    if not isinstance(split, str):
        split = path.parent.name if path.parent.name in _SPLITS else ""
    return FoundImage(
        key=inside.as_posix(),
        name=name,
        place=place,
        also=tuple(also for also in dict.fromkeys((said, other)) if also not in {"", name}),
        file=file,
        data=_Embedded(folder, path) if embedded else None,
        size=_size(page, place),
        split=split,
        record={key: value for key, value in raw.items() if key not in IMAGE_KEYS},
    )


def _size(page: _Page, place: Place) -> tuple[int, int] | None:
    """(H, W) if the file says both; files of old versions, and of other programs, do not."""
    if page.imageHeight is None or page.imageWidth is None:
        return None
    height, width = page.imageHeight, page.imageWidth
    whole = all(1 <= side <= 1 << 31 and side == int(side) for side in (height, width))
    if not whole:
        raise BadInputError(f"{place}: an image of {width:g} x {height:g} pixels is none.")
    return int(height), int(width)


def _beside(folder: SourceFolder, path: Path) -> Path | None:
    """The image file that is called as the JSON is, where the one that it names is missing."""
    for suffix in sorted(IMAGE_SUFFIXES):
        name = path.relative_to(folder.root).with_suffix(suffix).as_posix()
        file = folder.file(name, folder.place(path))
        if file is not None:
            return file
    return None


def _suffix_of(embedded: str, place: Place) -> str:
    """The suffix of an image's file, by how its base64 text begins."""
    try:
        start = base64.b64decode(embedded[:16], validate=True)
    except (binascii.Error, ValueError):
        raise BadInputError(f"{place}: imageData is not base64.") from None
    return next((suffix for begin, suffix in _BEGINNINGS if start.startswith(begin)), ".jpg")


@dataclass(frozen=True)
class _Embedded:
    """The bytes of the image in a JSON file, which is read again: they are held by nobody."""

    folder: SourceFolder
    path: Path

    def __call__(self) -> bytes:
        place = self.folder.place(self.path)
        page = shaped(load_json(self.folder, self.path), _Page, place)
        try:
            return base64.b64decode(page.imageData or "", validate=True)
        except (binascii.Error, ValueError):
            raise BadInputError(f"{place}: imageData is not base64.") from None


def _text(value: object) -> str:
    """The text under a key of ours; "" where others put something else there."""
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    """As `_text`; NaN and infinity are no JSON and need no thought."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None

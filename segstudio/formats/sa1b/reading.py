"""Reading SA-1B: a folder of JSON files, one an image, or one of them; see `formats.sa1b`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec

from segstudio.core.annotation import Stage
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.category_table import TABLE, read_table
from segstudio.formats.contract import option
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
from segstudio.formats.json_files import load_json, shaped
from segstudio.formats.source_files import SourceFolder

KEY = "sa1b"
_LOOKED_AT = 3  # files of a folder, to see whether it is one of SA-1B
_HEAD = 1 << 16  # bytes of each
_IMAGE = re.compile(rb'"image"\s*:\s*\{')
_MASKS = re.compile(rb'"(annotations|point_coords|stability_score)"\s*:')

_Side = Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]


class _Rle(msgspec.Struct):
    size: tuple[_Side, _Side]
    counts: str | list[int]


class _Mask(msgspec.Struct):
    segmentation: _Rle
    id: int | str | None = None
    area: float | None = None
    bbox: tuple[float, float, float, float] | None = None
    predicted_iou: float | None = None
    stability_score: float | None = None
    crop_box: tuple[float, float, float, float] | None = None
    point_coords: list[tuple[float, float]] | None = None
    iscrowd: bool | Annotated[int, msgspec.Meta(ge=0, le=1)] = 0


class _Image(msgspec.Struct):
    file_name: str
    width: _Side
    height: _Side


class _Page(msgspec.Struct):
    image: dict[str, Any]
    annotations: list[Any]


@dataclass(frozen=True, kw_only=True)
class Sa1bImportOptions(ImportOptions):
    """Options of the SA-1B import."""

    category: str = option(
        "object",
        "Category",
        "The category of masks that name none, as SA-1B's own.",
    )


@dataclass(frozen=True)
class Sa1bImport:
    """Reads SA-1B, what `segstudio everything` writes, and our own export."""

    key: str = KEY
    title: str = "SA-1B"
    description: str = "A folder of JSON files, one an image, or one such file."
    options: type[Sa1bImportOptions] = Sa1bImportOptions

    def recognises(self, source: Path) -> bool:
        """See `ImportFormat.recognises`."""
        try:
            if source.is_dir():
                found = list(islice(source.glob("*.json"), _LOOKED_AT))
                found = found or list(islice(source.glob("*/*.json"), _LOOKED_AT))
                return any(_looks_right(path) for path in found)
            return source.suffix.lower() == ".json" and _looks_right(source)
        except OSError:
            return False

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ImportFormat.read`. A file of a folder that is not of SA-1B is a fault.

        Where the source says nothing of depth, larger masks come first: the smaller lie in front.
        """
        chosen = options if isinstance(options, Sa1bImportOptions) else Sa1bImportOptions()
        alone = not source.is_dir()
        folder = SourceFolder(source.parent if alone else source)
        paths = [source] if alone else list(folder.listed("**/*.json", cancel))
        table = None if alone else folder.file(TABLE, Place(TABLE))
        if not paths and table is None:
            raise BadInputError(f"“{source.name}” holds no JSON file; choose a folder of SA-1B.")
        reader = _Reader(folder, chosen)
        if table is not None:
            yield from reader.table(table)
        for done, path in enumerate(paths):
            cancel.check()
            report(Progress(done, len(paths), f"Reading {path.name}"))
            try:
                yield from reader.page(path, cancel)
            except BadInputError as error:
                if alone:
                    raise
                yield _fault(folder.place(path), error)
        report(Progress(len(paths), len(paths), "Read"))


def found_name(file_name: str) -> str:
    """An image's file name in a source, with forward slashes."""
    return file_name.replace("\\", "/")


def _looks_right(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return _IMAGE.search(head) is not None and _MASKS.search(head) is not None


@dataclass
class _Reader:
    """Reads one file after the other; remembers the categories that it has told of."""

    folder: SourceFolder
    options: Sa1bImportOptions

    def __post_init__(self) -> None:
        self._told: set[str] = set()

    def table(self, path: Path) -> Iterator[FoundCategory]:
        """The categories of our own export, of which a project may have none."""
        for row in read_table(self.folder, path, may_be_empty=True):
            self._told.add(row.name)
            colour = "#{:02x}{:02x}{:02x}".format(*row.rgb) if row.rgb else ""
            isthing = row.isthing is not False
            yield FoundCategory(row.name, row.name, row.place, row.supercategory, isthing, colour)

    def page(self, path: Path, cancel: CancelToken) -> Iterator[Found]:
        """One image and its masks. Raises BadInputError before the first piece if it has none."""
        value = load_json(self.folder, path)
        page = shaped(value, _Page, self.folder.place(path))
        place = self.folder.place(path, "image")
        image = self._image(path, page.image, place)
        if self.options.split not in {"", image.split}:
            return
        yield image
        for index in _from_back_to_front(page.annotations):
            cancel.check()
            place = self.folder.place(path, f"annotations[{index}]")
            try:
                found = self._mask(page.annotations[index], image.key, place)
            except BadInputError as error:
                yield _fault(place, error)
                continue
            if found.category not in self._told:
                self._told.add(found.category)
                yield FoundCategory(found.category, found.category, place)
            yield found

    def _image(self, path: Path, entry: dict[str, Any], place: Place) -> FoundImage:
        said = shaped(entry, _Image, place)
        beside = path.relative_to(self.folder.root).parent
        file = self.folder.file((beside / found_name(said.file_name)).as_posix(), place)
        if file is None:  # `segstudio everything` names it from the folder that it looked at
            file = self.folder.file(said.file_name, place)
        name = found_name(said.file_name)
        others = (
            _text(entry, "source_path"),
            (PurePosixPath(beside.as_posix()) / name).as_posix(),
        )
        ours = {"file_name", "width", "height", "split", "source_path"}
        return FoundImage(
            key=path.relative_to(self.folder.root).with_suffix("").as_posix(),
            name=name,
            place=place,
            also=tuple(other for other in dict.fromkeys(others) if other not in {"", name}),
            file=file,
            size=(said.height, said.width),
            split=_text(entry, "split"),
            record={key: value for key, value in entry.items() if key not in ours},
        )

    def _mask(self, entry: object, image: str, place: Place) -> FoundAnnotation:
        said = shaped(entry, _Mask, place)
        assert isinstance(entry, dict)
        stage = _text(entry, "stage")
        attributes = entry.get("attributes")
        ours = {"segmentation", "predicted_iou", "stability_score"}
        return FoundAnnotation(
            image=image,
            category=_text(entry, "category") or self.options.category,
            mask=_maker(said.segmentation),
            place=place,
            key="" if said.id is None else f"{image}#{said.id}",
            iscrowd=bool(said.iscrowd),
            attributes=attributes if isinstance(attributes, dict) else {},
            # All of SA-1B's masks were made by its fully automatic stage.
            stage=Stage(stage) if stage in set(Stage) else Stage.AUTOMATIC,
            tool=_text(entry, "tool"),
            model_key=_text(entry, "model"),
            predicted_iou=said.predicted_iou,
            stability=said.stability_score,
            record={key: value for key, value in entry.items() if key not in ours},
            box=box_of(said.bbox),
        )


def box_of(bbox: Sequence[float] | None) -> Box | None:
    """A `bbox` (x, y, w, h) as a box."""
    if bbox is None:
        return None
    x, y, width, height = bbox
    return Box(x, y, x + width, y + height)


def _fault(place: Place, error: BadInputError) -> Fault:
    """The error as a fault, which says its place itself."""
    reason = str(error).removeprefix(f"{place}: ").removeprefix(f"{place.file}, ")
    return Fault(place, reason[:1].upper() + reason[1:])


def _from_back_to_front(entries: Sequence[object]) -> list[int]:
    """The order of the file where it tells of depth, else the largest first."""
    order = list(range(len(entries)))
    if any(isinstance(entry, dict) and "z_order" in entry for entry in entries):
        return order
    return sorted(order, key=lambda index: -_area(entries[index]))


def _area(entry: object) -> float:
    area = entry.get("area") if isinstance(entry, dict) else None
    return float(area) if isinstance(area, int | float) else 0.0


def _maker(rle: _Rle) -> MaskMaker:
    def make(size: tuple[int, int]) -> Mask:
        if rle.size != size:
            raise BadInputError(
                f"The mask is of {rle.size[1]} x {rle.size[0]} pixels and its image of "
                f"{size[1]} x {size[0]}."
            )
        return Mask.from_coco(size, rle.counts)

    return make


def _text(entry: dict[str, Any], key: str) -> str:
    """The text under a key of ours; "" where others put something else there."""
    value = entry.get(key)
    return value if isinstance(value, str) else ""

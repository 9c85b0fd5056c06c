"""Pascal VOC, the way in: XML, class and object maps, name lists, in any number of them.

An image may have all of it or one of it: boxes alone become annotations that say `box_only`, class
maps alone one annotation a class, object maps get their classes from class maps or from the XML.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.contract import option
from segstudio.formats.found import Fault, Found, FoundAnnotation, FoundCategory, FoundImage, Place
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.index_maps import map_header
from segstudio.formats.naming import said_path
from segstudio.formats.source_files import SourceFolder
from segstudio.formats.voc.annotations import VocImage, found_annotations
from segstudio.formats.voc.classes import ClassTable, read_class_table
from segstudio.formats.voc.pages import VocPage, read_page
from segstudio.formats.voc.writing import VOC
from segstudio.imaging.read import IMAGE_SUFFIXES

_CLASS_FOLDERS = ("SegmentationClass", "SegmentationClassPNG")  # the second is an older labelme's
_OBJECT_FOLDERS = ("SegmentationObject", "SegmentationObjectPNG")
_MOST_LIST_BYTES = 16 << 20


@dataclass(frozen=True, kw_only=True)
class VocImportOptions(ImportOptions):
    """Options of the VOC import."""

    boxes: bool = option(
        True,
        "Objects without a mask",
        "Objects that have a box and no pixels become annotations whose mask is the box, with the "
        "attribute box_only; without, they are left out.",
    )


@dataclass(frozen=True)
class VocImport:
    """Reads a VOC folder, a VOCdevkit of several years, or a plain folder of VOC's XML files.

    `strict`: each image must have an XML and both maps, and they must agree to the pixel.
    """

    key: str = VOC
    title: str = "Pascal VOC"
    description: str = (
        "A folder with Annotations, SegmentationClass or SegmentationObject (VOC2012, VOCdevkit, "
        "what labelme and CVAT export), or one of XML files."
    )
    options: type[VocImportOptions] = VocImportOptions
    strict: bool = False

    def recognises(self, source: Path) -> bool:
        """See `ImportFormat.recognises`."""
        try:
            return bool(_years(source))
        except OSError:
            return False

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ImportFormat.read`."""
        if not source.is_dir():
            raise BadInputError(f"“{source}” is not a folder; VOC is one with an XML an image.")
        years = _years(source)
        if not years:
            raise BadInputError(
                f"“{source}” holds nothing of VOC: neither XML files in Annotations nor PNGs in "
                "SegmentationClass."
            )
        own = options if isinstance(options, VocImportOptions) else VocImportOptions()
        folder = SourceFolder(source)
        known: set[str] = set()
        parts = [_Year.listed(folder, year, cancel) for year in years]
        splits = {split for part in parts for split in part.splits.values()}
        if own.split and own.split not in splits:
            names = ", ".join(sorted(splits)) or "none"
            raise BadInputError(
                f"No image of “{source.name}” is in the split {own.split!r}; its splits are: "
                f"{names}."
            )
        total = sum(len(part.stems) for part in parts)
        done = 0
        for part in parts:
            yield from _new_categories(part.table, known)
            for stem in part.stems:
                cancel.check()
                report(Progress(done, total, f"Reading {stem}"))
                done += 1
                if not own.split or part.splits.get(stem) == own.split:
                    yield from _found_image(part, stem, known, own, self.strict)
        report(Progress(total, total, "Read"))


@dataclass(frozen=True)
class _Year:
    """One folder of VOC: the files of each image by stem. `prefix` leads to it, and ends in "/"."""

    folder: SourceFolder
    prefix: str
    table: ClassTable
    stems: tuple[str, ...]
    pages: dict[str, Path]
    classes: dict[str, Path]
    objects: dict[str, Path]
    images: dict[str, Path]
    splits: dict[str, str] = field(default_factory=dict)

    @classmethod
    def listed(cls, folder: SourceFolder, prefix: str, cancel: CancelToken) -> _Year:
        """Look at what files there are, and read the class names and the lists."""
        root = folder.root / prefix
        flat = not (root / "Annotations").is_dir()

        def files(*folders: str, suffixes: frozenset[str]) -> dict[str, Path]:
            found: dict[str, Path] = {}
            for name in folders:
                at = glob.escape(prefix + name)
                for path in folder.listed(at + "*", cancel):
                    if path.suffix.lower() in suffixes:
                        found.setdefault(path.stem, path)
            return found

        pages = files("" if flat else "Annotations/", suffixes=frozenset({".xml"}))
        png = frozenset({".png"})
        classes = files(*(f"{name}/" for name in _CLASS_FOLDERS), suffixes=png)
        objects = files(*(f"{name}/" for name in _OBJECT_FOLDERS), suffixes=png)
        images = files("JPEGImages/", *([""] if flat else []), suffixes=IMAGE_SUFFIXES)
        splits = _splits(folder, prefix, cancel)
        stems = tuple(sorted({*pages, *classes, *objects, *images}))
        table = read_class_table(folder, tuple(dict.fromkeys((prefix, ""))))
        return cls(folder, prefix, table, stems, pages, classes, objects, images, splits)


def _years(source: Path) -> list[str]:
    """The prefixes of the folders of VOC in the source: [""] where it is one itself."""
    if not source.is_dir():
        return []
    if _is_voc(source):
        return [""]
    found = []
    for parent in (source, source / "VOCdevkit"):
        if parent.is_dir():
            for child in sorted(parent.iterdir()):
                if child.is_dir() and not child.is_symlink() and _is_voc(child, flat=False):
                    found.append(f"{child.relative_to(source).as_posix()}/")
    return found


def _is_voc(folder: Path, *, flat: bool = True) -> bool:
    if any((folder / name).is_dir() for name in (*_CLASS_FOLDERS, *_OBJECT_FOLDERS)):
        return True
    pages = next((folder / "Annotations").glob("*.xml"), None)
    if pages is None and flat:
        pages = next(folder.glob("*.xml"), None)
    if pages is None or not pages.is_file():
        return False
    with pages.open("rb") as file:
        return b"<annotation" in file.read(1000)


def _splits(folder: SourceFolder, prefix: str, cancel: CancelToken) -> dict[str, str]:
    """The split of each stem that a list names; lists of one class and trainval name none."""
    splits: dict[str, str] = {}
    for kind in ("Segmentation", "Main", "Layout", "Action"):
        for path in folder.listed(f"{glob.escape(prefix)}ImageSets/{kind}/*.txt", cancel):
            lines = folder.text_of(path, _MOST_LIST_BYTES).splitlines()
            names = [line.strip() for line in lines if line.strip()]
            if path.stem != "trainval" and not any(" " in name for name in names):
                for name in names:
                    splits.setdefault(name, path.stem)
    return splits


def _new_categories(table: ClassTable, known: set[str]) -> Iterator[Found]:
    """All that a file names; of VOC's own classes, those that turn up (`_named`)."""
    if not table.file:
        return
    yield from table.faults
    for index, name in table.names.items():
        yield from _named(name, table.places[index], known)


def _named(name: str, place: Place, known: set[str]) -> Iterator[Found]:
    if name not in known:
        known.add(name)
        yield FoundCategory(name, name, place)


def _found_image(
    year: _Year, stem: str, known: set[str], options: VocImportOptions, strict: bool
) -> Iterator[Found]:
    """The image of that stem, its annotations, and the categories that they are the first of."""
    folder = year.folder
    page, maps = VocPage(), [year.classes.get(stem), year.objects.get(stem)]
    path = year.pages.get(stem)
    try:
        if path is not None:
            page = read_page(folder, path)
        size = page.size
        for file in maps:
            if file is not None and size is None:
                size = map_header(folder, file).size
        name, image = _file_of(year, stem, page)
    except BadInputError as error:
        yield Fault.of(folder.place(path or maps[0] or maps[1] or folder.root), error)
        return
    first = next(file for file in (path, *maps, year.images.get(stem)) if file is not None)
    key = f"{year.prefix}{stem}"
    said = said_path(page.image)
    yield FoundImage(
        key,
        said or name,
        folder.place(first),
        also=(name,) if said else (),
        file=image,
        size=size,
        split=year.splits.get(stem, ""),
        labelled=path is not None or any(maps),
        record=page.record,
    )
    drawn = VocImage(folder, key, page, path, maps[0], maps[1], size, strict)
    for piece in found_annotations(drawn, year.table, boxes=options.boxes):
        if isinstance(piece, FoundAnnotation):
            yield from _named(piece.category, piece.place, known)
        yield piece


def _file_of(year: _Year, stem: str, page: VocPage) -> tuple[str, Path | None]:
    """What the source calls the image's file, and where that is, if it is there."""
    beside = year.images.get(stem)
    if not page.filename:
        return (beside.name if beside else f"{stem}.jpg"), beside
    place = year.folder.place(year.pages[stem], "filename")
    for folder in ("JPEGImages/", ""):
        found = year.folder.file(f"{year.prefix}{folder}{page.filename}", place)
        if found is not None and found.suffix.lower() in IMAGE_SUFFIXES:
            return page.filename, found
    if beside is not None and not Path(page.filename).suffix:
        return beside.name, beside  # some tools leave the suffix out
    return page.filename, beside

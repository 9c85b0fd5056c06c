"""Label maps: PNGs of one category id, or colour, a pixel, with a table of categories.

Layouts: ids (images/SPLIT, labels/SPLIT: grey PNGs of 8 or, above id 255, 16 bits), colours (the
same, RGB by the table's colours), ade20k (annotations/training and images/training, as ADE20K's
scene parsing) and cityscapes (gtFine/SPLIT/CITY with labelIds and instanceIds, leftImg8bit), in
which things stay apart. What is in front covers what is behind. Maps that were imported as label
maps keep their ids, and their ids of nothing where nobody has annotated since.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Mask
from segstudio.core.origin import Origin, OriginKind
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.category_table import TABLE, write_table
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.found import Found
from segstudio.formats.image_files import copied_name, copy_upright
from segstudio.formats.label_maps.cityscapes import PER_CLASS, PHOTO
from segstudio.formats.label_maps.holding import LabelMapsHolding
from segstudio.formats.label_maps.ids import MapIds, map_ids
from segstudio.formats.label_maps.layouts import NO_SPLIT
from segstudio.formats.label_maps.reading import KEY, LabelMapsImport
from segstudio.formats.naming import export_stems, safe_stem
from segstudio.formats.selection import drawn_annotations, select_images

_ADE20K = {"train": "training", "val": "validation"}
_PLAIN_CITY = "images"  # the city of images that name none
_CITY = re.compile(rf"([a-z-]+)_\d{{6}}_\d{{6}}{PHOTO}", re.ASCII)

IdMap = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class LabelMapsOptions(ExportOptions):
    """Options of the label map export."""

    layout: str = option(
        "ids",
        "Layout",
        "ids: images and labels, a grey PNG of category ids each. colours: the same in the "
        "categories' colours. ade20k: images and annotations as ADE20K. cityscapes: gtFine with "
        "labelIds and instanceIds, in which things stay apart.",
        choices=("ids", "colours", "ade20k", "cityscapes"),
    )
    images: bool = option(True, "Copy the images", "Without, only the maps are written.")


@dataclass(frozen=True)
class LabelMapsFormat:
    """Writes a folder of label maps with their table."""

    key: str = KEY
    title: str = "Label maps"
    description: str = "A PNG of category ids or colours an image, with a table of categories."
    options: type[LabelMapsOptions] = LabelMapsOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`."""
        chosen = _chosen(options)
        categories = tuple(view.categories())
        ids = map_ids(view, categories, chosen.layout)
        selection = select_images(view, options)
        places = MapPlaces(chosen.layout, chosen.images, _stems(view, chosen.layout))
        writer = _Writer(view, folder, categories, ids, places, list(selection.skipped))
        write_table(folder / TABLE, ids.rows())
        for done, image in enumerate(selection.images):
            cancel.check()
            report(Progress(done, len(selection.images), f"Exporting {image.path}"))
            writer.write(image)
        report(Progress(len(selection.images), len(selection.images), "Exported"))
        return ExportReport(writer.images, writer.annotations, 0, tuple(writer.skipped))

    def holding(self, view: ProjectView, options: ExportOptions) -> LabelMapsHolding:
        """See `ExportFormat.holding`."""
        chosen = _chosen(options)
        categories = tuple(view.categories())
        by_instance = chosen.layout == "cityscapes"
        map_ids(view, categories, chosen.layout)
        places = MapPlaces(chosen.layout, chosen.images, _stems(view, chosen.layout))
        by_id = {category.id: category for category in categories}
        return LabelMapsHolding(by_id, places.name, by_instance)

    def reread(
        self,
        folder: Path,
        options: ExportOptions,  # noqa: ARG002 - the reader sees which layout it is
        report: ProgressSink,
        cancel: CancelToken,
    ) -> Iterator[Found]:
        """Read back what `write` wrote; see `ExportFormat.reread`."""
        reader = LabelMapsImport()
        return reader.read(folder, reader.options(), report, cancel)


def _chosen(options: ExportOptions) -> LabelMapsOptions:
    chosen = options if isinstance(options, LabelMapsOptions) else LabelMapsOptions()
    if chosen.layout not in {"ids", "colours", "ade20k", "cityscapes"}:
        raise BadInputError(
            f"Label maps are laid out as ids, colours, ade20k or cityscapes, not {chosen.layout!r}."
        )
    return chosen


@dataclass(frozen=True)
class MapPlaces:
    """Where in the folder the map and the photo of an image go."""

    layout: str
    with_images: bool
    stems: Mapping[int, str]

    def name(self, image: ImageRecord) -> str:
        """The image's name as it is read back: its photo's path, or what the map's path tells."""
        if self.with_images:
            return self.photo(image)
        inner = self._split(image) / f"{self._base(image)}.png"
        return str("leftImg8bit" / inner if self.layout == "cityscapes" else inner)

    def photo(self, image: ImageRecord) -> str:
        top = "leftImg8bit" if self.layout == "cityscapes" else "images"
        return str(PurePosixPath(top) / self._split(image) / copied_name(self._base(image), image))

    def map(self, image: ImageRecord, kind: str = "labelIds") -> str:
        """The path of the image's map; `kind` is Cityscapes' own word for which of them."""
        inner = self._split(image)
        if self.layout == "cityscapes":
            stem = self._base(image).removesuffix(PHOTO)
            return str("gtFine" / inner / f"{stem}_gtFine_{kind}.png")
        top = "annotations" if self.layout == "ade20k" else "labels"
        return str(top / inner / f"{self._base(image)}.png")

    def _base(self, image: ImageRecord) -> str:
        stem = self.stems[image.id]
        if self.layout != "cityscapes":
            return stem
        return stem if stem.endswith(PHOTO) else f"{stem}{PHOTO}"

    def _split(self, image: ImageRecord) -> PurePosixPath:
        split = safe_stem(image.split) if image.split else ""
        if self.layout == "ade20k":
            split = _ADE20K.get(split, split)
        if self.layout == "cityscapes":
            city = _CITY.fullmatch(self.stems[image.id])
            return PurePosixPath(split or NO_SPLIT) / (city[1] if city else _PLAIN_CITY)
        return PurePosixPath(split)


@dataclass
class _Writer:
    """Writes one image after the other and counts what it wrote."""

    view: ProjectView
    folder: Path
    categories: Sequence[Category]
    ids: MapIds
    places: MapPlaces
    skipped: list[Skipped]
    images: int = 0
    annotations: int = 0
    _made: set[Path] = field(default_factory=set)

    def write(self, image: ImageRecord) -> None:
        if self.places.with_images:
            try:
                copy_upright(self.view, image, self._path(self.places.photo(image)))
            except BadInputError as error:
                self.skipped.append(Skipped(image.path, str(error)))
                return
        drawn, faults = drawn_annotations(self.view, image, self.categories)
        self.skipped.extend(faults)
        origin = self.view.origins(OriginKind.IMAGE, [image.id], KEY).get(image.id)
        labels = self._blank(image, origin)
        instances = labels.astype(np.uint16) if self.places.layout == "cityscapes" else None
        counts: dict[int, int] = {}
        for row in drawn:
            number = self.ids.ids[row.category_id]
            _paint(labels, row.mask, number)
            if instances is not None:
                _paint(instances, row.mask, self._instance(row, number, counts))
        if self.places.layout == "colours":
            _save(self._coloured(labels), self._path(self.places.map(image)))
        else:
            _save(labels, self._path(self.places.map(image)))
        if instances is not None:
            _save(instances, self._path(self.places.map(image, "instanceIds")))
        self.images += 1
        self.annotations += len(drawn)

    def _blank(self, image: ImageRecord, origin: Origin | None) -> IdMap:
        """A map without annotations: empty, but for the ids of nothing that the source had."""
        said = origin.record.get("ignored") if origin is not None else None
        regions: dict[int, Mask] = {}
        for row in self.ids.nothing:
            counts = said.get(str(row.id)) if isinstance(said, dict) else None
            if isinstance(counts, str):
                regions[row.id] = Mask.from_coco(image.size, counts)
        labels = _full(image.size, self.ids.empty, max((self.ids.largest, *regions)))
        for number, mask in regions.items():
            _paint(labels, mask, number)
        return labels

    def _instance(self, row: Annotation, number: int, counts: dict[int, int]) -> int:
        """The pixel of an instance map; that of the class for stuff, crowds and the 1001st."""
        if not self.ids.categories[row.category_id].isthing or row.iscrowd:
            return number
        counts[number] = counts.get(number, 0) + 1
        if counts[number] > PER_CLASS:
            return number
        return number * PER_CLASS + counts[number] - 1

    def _coloured(self, labels: IdMap) -> npt.NDArray[np.uint8]:
        empty = self.ids.nothing[0].rgb or (0, 0, 0)
        table = np.full((int(labels.max()) + 1, 3), empty, dtype=np.uint8)
        for row in self.ids.rows():
            if row.rgb is not None and row.id < len(table):
                table[row.id] = row.rgb
        return np.asarray(table[labels])

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        return path


def _stems(view: ProjectView, layout: str) -> dict[int, str]:
    """File stems; Cityscapes' own images keep theirs, which say the city."""
    stems = export_stems(view.images())
    if layout == "cityscapes":
        own = {image.id: PurePosixPath(image.path).stem for image in view.images()}
        counts = Counter(stem.casefold() for stem in own.values())
        for number, stem in own.items():
            if _CITY.fullmatch(stem) and counts[stem.casefold()] == 1:
                stems[number] = stem
    return stems


def _full(size: tuple[int, int], value: int, largest: int) -> IdMap:
    if largest > 255:
        return np.full(size, value, dtype=np.uint16)
    return np.full(size, value, dtype=np.uint8)


def _paint(labels: IdMap, mask: Mask, number: int) -> None:
    crop, (x0, y0) = mask.box_crop()
    labels[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]][crop] = number


def _save(pixels: IdMap, path: Path) -> None:
    """Encode in memory first, so that a full disk speaks for itself and not as the encoder."""
    data = BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    path.write_bytes(data.getbuffer())

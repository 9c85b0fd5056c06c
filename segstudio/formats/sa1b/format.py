"""SA-1B: one JSON an image, with masks of everything and how sure their model was of them.

Keys are those of the dataset (Kirillov et al. 2023, "Segment Anything"; its README at
segment-anything.com): `predicted_iou`, `stability_score`, `crop_box` (x, y, w, h: the part of the
image that the mask was found in) and `point_coords` (the prompt). SA-1B has no categories and no
depth; ours stand under keys of their own (`category`, `iscrowd`, `attributes`, `stage`, `tool`,
`model`, `z_order`), which its readers pass over. Masks are listed from the back to the front.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box, Mask
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.category_table import TABLE, TableRow, write_table
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.found import Found, Place
from segstudio.formats.holding import HeldAnnotation, HeldImage
from segstudio.formats.image_files import copied_name, copy_upright
from segstudio.formats.naming import export_stems
from segstudio.formats.numbering import kept_numbers
from segstudio.formats.sa1b.reading import KEY, Sa1bImport, box_of, found_name
from segstudio.formats.selection import drawn_annotations, select_images
from segstudio.imaging.innermost import innermost_point

# What the project says itself; an imported record's word for it is out of date.
_OURS = frozenset(
    {
        *("segmentation", "predicted_iou", "stability_score", "category", "iscrowd"),
        *("attributes", "stage", "tool", "model", "z_order", "image_id", "id"),
    }
)
_ALWAYS_LOST = (
    "SA-1B has no categories: ours are kept under a key of their own and in a table, which other "
    "programs do not read.",
    "Review notes, locks and the time spent are not written.",
)


@dataclass(frozen=True, kw_only=True)
class Sa1bOptions(ExportOptions):
    """Options of the SA-1B export."""

    images: bool = option(
        True,
        "Copy the images",
        "Without, the file names in the JSON are paths in the project's own image folder.",
    )


@dataclass(frozen=True)
class Sa1bFormat:
    """Writes a folder of JSON files beside their images."""

    key: str = KEY
    title: str = "SA-1B"
    description: str = "One JSON an image with masks, scores and prompts, beside the image."
    options: type[Sa1bOptions] = Sa1bOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`."""
        categories = tuple(view.categories())
        selection = select_images(view, options)
        writer = _Writer(view, folder, categories, _with_images(options), list(selection.skipped))
        writer.number(selection.images)
        write_table(folder / TABLE, _table(categories))
        for done, image in enumerate(selection.images):
            cancel.check()
            report(Progress(done, len(selection.images), f"Exporting {image.path}"))
            writer.write(image)
        report(Progress(len(selection.images), len(selection.images), "Exported"))
        return ExportReport(writer.images, writer.annotations, 0, tuple(writer.skipped))

    def holding(self, view: ProjectView, options: ExportOptions) -> Sa1bHolding:
        """All of it; see `ExportFormat.holding`."""
        names = {row.id: row.name for row in view.categories()}
        return Sa1bHolding(view, names, export_stems(view.images()), _with_images(options))

    def reread(
        self,
        folder: Path,
        options: ExportOptions,  # noqa: ARG002 - one layout, whatever the options
        report: ProgressSink,
        cancel: CancelToken,
    ) -> Iterator[Found]:
        """Read back what `write` wrote; see `ExportFormat.reread`."""
        reader = Sa1bImport()
        return reader.read(folder, reader.options(), report, cancel)


def _table(categories: Sequence[Category]) -> Iterator[TableRow]:
    for number, row in enumerate(categories, start=1):
        yield TableRow(number, row.name, Place(TABLE), row.rgb, row.supercategory, row.isthing)


def _with_images(options: ExportOptions) -> bool:
    return options.images if isinstance(options, Sa1bOptions) else True


@dataclass(frozen=True)
class Sa1bHolding:
    """Every mask as it is: SA-1B's masks may overlap, and have holes and parts."""

    view: ProjectView
    names: Mapping[int, str]
    stems: Mapping[int, str]
    with_images: bool

    @property
    def always_lost(self) -> tuple[str, ...]:
        return _ALWAYS_LOST

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        name = copied_name(self.stems[image.id], image) if self.with_images else image.path
        origins = self.view.origins(OriginKind.ANNOTATION, [row.id for row in annotations], KEY)
        held = []
        for row in annotations:
            name_of = self.names[row.category_id]
            box = box_of(_remembered(row, origins.get(row.id)).get("bbox"))
            scores = row.predicted_iou, row.stability
            held.append(
                HeldAnnotation(
                    (row.id,), name_of, row.mask, row.iscrowd, box, row.attributes, scores
                )
            )
        return HeldImage(found_name(_text(name)), tuple(held), split=_text(image.split))


def where_found(
    mask: Mask, crop: Box | None = None, points: Sequence[Sequence[float]] = ()
) -> dict[str, Any]:
    """SA-1B's `crop_box` and `point_coords` of a mask.

    `crop` is where it was found, the whole image if nobody says. `points` are the xy of its
    prompt; without one, that is the point of the mask that is farthest from its edge.
    """
    height, width = mask.size
    return {
        "crop_box": [float(value) for value in (crop or Box(0, 0, width, height)).xywh],
        "point_coords": [list(point) for point in points or (innermost_point(mask),)],
    }


@dataclass
class _Writer:
    """Writes one image after the other and counts what it wrote."""

    view: ProjectView
    folder: Path
    categories: Sequence[Category]
    with_images: bool
    skipped: list[Skipped]
    images: int = 0
    annotations: int = 0
    _origins: Mapping[int, Origin] = field(default_factory=dict)
    _numbers: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stems = export_stems(self.view.images())
        self._names = {category.id: category.name for category in self.categories}

    def number(self, images: Sequence[ImageRecord]) -> None:
        """Find what the images were in their source, and their `image_id`."""
        ids = [image.id for image in images]
        self._origins = self.view.origins(OriginKind.IMAGE, ids, KEY)
        self._numbers = kept_numbers(ids, _numbers_in(self._origins, "image_id"))

    def write(self, image: ImageRecord) -> None:
        stem, name = self._stems[image.id], image.path
        if self.with_images:
            name = copied_name(stem, image)
            try:
                copy_upright(self.view, image, self.folder / name)
            except BadInputError as error:
                self.skipped.append(Skipped(image.path, str(error)))
                return
        drawn, faults = drawn_annotations(self.view, image, self.categories)
        self.skipped.extend(faults)
        origins = self.view.origins(OriginKind.ANNOTATION, [row.id for row in drawn], KEY)
        numbers = kept_numbers((row.id for row in drawn), _numbers_in(origins, "id"))
        entries = []
        for row in drawn:
            remembered = _remembered(row, origins.get(row.id))
            entry = {"id": numbers[row.id], "category": self._names[row.category_id]}
            if "point_coords" not in remembered:
                entry |= where_found(row.mask, points=_points(row))
            entries.append(entry | _entry(row) | remembered)
        content = {"image": self._image(image, name), "annotations": entries}
        data = orjson.dumps(content, default=str, option=orjson.OPT_NON_STR_KEYS)
        (self.folder / f"{stem}.json").write_bytes(data + b"\n")
        self.images += 1
        self.annotations += len(drawn)

    def _image(self, image: ImageRecord, name: str) -> dict[str, Any]:
        origin = self._origins.get(image.id)
        said = {
            "image_id": self._numbers[image.id],
            "file_name": _text(name),
            "width": image.width,
            "height": image.height,
            "source_path": _text(image.path),
        }
        if image.split:
            said["split"] = _text(image.split)
        return {**(origin.record if origin else {}), **said}


def _points(row: Annotation) -> list[tuple[float, float]]:
    """The points of the prompt that say where the object is."""
    if row.prompt is None:
        return []
    pairs = zip(row.prompt.points, row.prompt.labels, strict=True)
    return [point for point, label in pairs if label == 1]


def _entry(row: Annotation) -> dict[str, Any]:
    said: dict[str, Any] = {
        "segmentation": row.mask.to_coco(),
        "area": row.mask.area,
        "bbox": list(row.mask.bbox),
        "predicted_iou": row.predicted_iou,
        "stability_score": row.stability,
        "z_order": row.z_order,
        "stage": row.stage.value,
    }
    extras = {
        "iscrowd": int(row.iscrowd),
        "tool": row.tool,
        "model": row.model_key,
        "attributes": dict(row.attributes),
    }
    said.update((key, value) for key, value in extras.items() if value)
    return said


def _remembered(row: Annotation, origin: Origin | None) -> dict[str, Any]:
    """What the source said of this mask and we do not: its area and box only of the very mask."""
    if origin is None:
        return {}
    stale = {"area", "bbox"} if origin.mask != mask_key(row.mask) else set()
    return {key: value for key, value in origin.record.items() if key not in _OURS | stale}


def _numbers_in(origins: Mapping[int, Origin], name: str) -> dict[int, int]:
    """The number that each record had under that key; without those that had none."""
    found = ((key, origin.record.get(name)) for key, origin in origins.items())
    return {key: value for key, value in found if type(value) is int}


def _text(path: str) -> str:
    """A path as JSON can hold it: bytes that are not UTF-8 become "?"."""
    return path.encode("utf-8", "replace").decode()

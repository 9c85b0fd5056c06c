"""COCO instances: annotations/instances_SPLIT.json beside images/.

Keys follow cocodataset.org's data format; `area` and `bbox` are those of the mask, as pycocotools
computes them from its RLE. What COCO has no word for stands under keys of its own: SA-1B's
`predicted_iou` and `stability_score`, CVAT's `attributes`, panoptic COCO's `isthing` and `color`,
and `stage`, `tool`, `model`, `z_order`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.image_files import copied_name, copy_upright
from segstudio.formats.naming import export_stems, safe_stem
from segstudio.formats.selection import drawn_annotations, select_images
from segstudio.imaging.contours import keyhole_rings

_CHUNK = 256  # records encoded at once: memory stays level, calls stay few
_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, kw_only=True)
class CocoOptions(ExportOptions):
    """Options of the COCO export."""

    segmentation: str = option(
        "rle",
        "Masks as",
        "rle: run lengths, small and exact. polygons: outlines along pixel edges, just as exact "
        "in pycocotools, larger, for tools that read no run lengths. Crowds are always rle.",
        choices=("rle", "polygons"),
    )
    images: bool = option(
        True,
        "Copy the images",
        "Without, the file names in the JSON are paths in the project's own image folder.",
    )


@dataclass(frozen=True)
class CocoFormat:
    """Writes a COCO instances folder."""

    key: str = "coco"
    title: str = "COCO instances"
    description: str = "One JSON a split with every mask, box and category, beside the images."
    options: type[CocoOptions] = CocoOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`."""
        chosen = options if isinstance(options, CocoOptions) else CocoOptions()
        if chosen.segmentation not in {"rle", "polygons"}:
            raise BadInputError(f"COCO masks are rle or polygons, not {chosen.segmentation!r}.")
        categories = tuple(view.categories())
        selection = select_images(view, options)
        total = 2 * len(selection.images)
        skipped = list(selection.skipped)
        names: dict[int, str] = {}
        stems = export_stems(view.images())
        if chosen.images:
            (folder / "images").mkdir()
        for done, image in enumerate(selection.images):
            cancel.check()
            report(Progress(done, total, f"Copying {image.path}"))
            try:
                names[image.id] = _place(view, image, folder, stems[image.id], chosen.images)
            except BadInputError as error:
                skipped.append(Skipped(image.path, str(error)))
        splits: dict[str, list[ImageRecord]] = {}
        for image in selection.images:
            if image.id in names:
                splits.setdefault(safe_stem(image.split or "default"), []).append(image)
        (folder / "annotations").mkdir()
        as_polygons = chosen.segmentation == "polygons"
        writer = _Writer(view, categories, as_polygons, names, skipped, report, cancel)
        writer.total, writer.done = total, len(selection.images)
        for split, images in sorted(splits.items()) or [("default", [])]:
            writer.write(folder / "annotations" / f"instances_{split}.json", images)
        report(Progress(total, total, "Exported"))
        return ExportReport(len(names), writer.annotations, 0, tuple(skipped))


def _place(view: ProjectView, image: ImageRecord, folder: Path, stem: str, copy: bool) -> str:
    """Bring the image's file along if wanted; returns its `file_name`."""
    if not copy:
        return _text(image.path)
    name = copied_name(stem, image)
    copy_upright(view, image, folder / "images" / name)
    return name


@dataclass
class _Writer:
    """Streams the JSON of one split after the other and counts what it wrote."""

    view: ProjectView
    categories: Sequence[Category]
    as_polygons: bool
    names: dict[int, str]
    skipped: list[Skipped]
    report: ProgressSink
    cancel: CancelToken
    total: int = 0
    done: int = 0
    annotations: int = 0

    def write(self, path: Path, images: list[ImageRecord]) -> None:
        with path.open("wb") as file:
            file.write(b'{"info":' + _dump({"description": self.view.name, "version": "1.0"}))
            file.write(b',"licenses":[],"categories":')
            file.write(_dump([_category(category) for category in self.categories]))
            file.write(b',"images":')
            _stream(file, (self._image(image) for image in images))
            file.write(b',"annotations":')
            _stream(file, self._annotations(images))
            file.write(b"}\n")

    def _image(self, image: ImageRecord) -> dict[str, Any]:
        return {
            "id": image.id,
            "file_name": self.names[image.id],
            "width": image.width,
            "height": image.height,
            "source_path": _text(image.path),
        }

    def _annotations(self, images: list[ImageRecord]) -> Iterator[dict[str, Any]]:
        for image in images:
            self.cancel.check()
            self.report(Progress(self.done, self.total, f"Writing {image.path}"))
            self.done += 1
            drawn, faults = drawn_annotations(self.view, image, self.categories)
            self.skipped.extend(faults)
            for annotation in drawn:
                self.annotations += 1
                yield _record(annotation, self.as_polygons)


def _record(annotation: Annotation, as_polygons: bool) -> dict[str, Any]:
    mask = annotation.mask
    segmentation: object = mask.to_coco()
    if as_polygons and not annotation.iscrowd:
        segmentation = [ring.ravel().tolist() for ring in keyhole_rings(mask)]
    record: dict[str, Any] = {
        "id": annotation.id,
        "image_id": annotation.image_id,
        "category_id": annotation.category_id,
        "segmentation": segmentation,
        "area": mask.area,
        "bbox": [float(value) for value in mask.bbox],
        "iscrowd": int(annotation.iscrowd),
        "z_order": annotation.z_order,
        "stage": annotation.stage.value,
    }
    extras = {
        "tool": annotation.tool,
        "model": annotation.model_key,
        "predicted_iou": annotation.predicted_iou,
        "stability_score": annotation.stability,
        "attributes": dict(annotation.attributes),
    }
    record.update((key, value) for key, value in extras.items() if value not in ("", None, {}))
    return record


def _category(category: Category) -> dict[str, Any]:
    return {
        "id": category.id,
        "name": category.name,
        "supercategory": category.supercategory,
        "isthing": int(category.isthing),
        "color": list(category.rgb),
    }


def _text(path: str) -> str:
    """A path as JSON can hold it: bytes that are not UTF-8 become "?"."""
    return path.encode("utf-8", "replace").decode()


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

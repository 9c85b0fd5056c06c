"""Pascal VOC 2012: one XML an image, palette PNGs of classes and objects, lists of names.

Layout and meanings follow the VOC2012 development kit (Everingham et al. 2010). Boxes are
1-based and inclusive there: a mask in columns x0 <= x < x1 has xmin = x0 + 1, xmax = x1. Object
number i of the XML is index i of the object map, from the back to the front; what is in front
covers what is behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.image_files import copy_as_jpeg
from segstudio.formats.naming import export_stems, safe_stem
from segstudio.formats.palette import (
    BORDER,
    BORDER_16_BIT,
    MOST_INDICES,
    IndexMap,
    save_index_map,
    voc_palette,
)
from segstudio.formats.selection import drawn_annotations, select_images

# Characters that XML 1.0 cannot hold at all, not even escaped.
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class VocOptions(ExportOptions):
    """Options of the VOC export."""

    border: int = option(
        0,
        "Border width",
        "Mark this many pixels on each side of every outline as 255, which scores leave out "
        "(VOC's own have about 2); 0 keeps every pixel's category.",
        bounds=(0, 10),
    )


@dataclass(frozen=True)
class _Page:
    """One image as it is written: its file stem, record and annotations from back to front."""

    stem: str
    image: ImageRecord
    annotations: Sequence[Annotation]


@dataclass(frozen=True)
class VocFormat:
    """Writes a VOC 2012 folder."""

    key: str = "voc"
    title: str = "Pascal VOC"
    description: str = "XML boxes, palette PNGs of classes and objects, lists of image names."
    options: type[VocOptions] = VocOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`.

        Raises BadInputError if there are more than 254 categories. An image of more than 254
        objects gets a 16-bit grey object map, which the report notes.
        """
        categories = tuple(view.categories())
        if len(categories) > MOST_INDICES:
            raise BadInputError(
                f"VOC label maps hold at most {MOST_INDICES} categories and this project has "
                f"{len(categories)}; export COCO, or delete the categories that are not used."
            )
        for name in ("Annotations", "JPEGImages", "SegmentationClass", "SegmentationObject"):
            (folder / name).mkdir()
        selection = select_images(view, options)
        stems = export_stems(view.images())
        border = options.border if isinstance(options, VocOptions) else 0
        skipped, notes, count = list(selection.skipped), [], 0
        lists = _Lists()
        for done, image in enumerate(selection.images):
            cancel.check()
            report(Progress(done, len(selection.images), f"Exporting {image.path}"))
            try:
                stem = stems[image.id]
                copy_as_jpeg(view, image, folder / "JPEGImages" / f"{stem}.jpg")
            except BadInputError as error:
                skipped.append(Skipped(image.path, str(error)))
                continue
            annotations, faults = drawn_annotations(view, image, categories)
            skipped.extend(faults)
            page = _Page(stem, image, annotations)
            _write_xml(folder, page, view.name, categories)
            notes.extend(_write_maps(folder, page, categories, border))
            lists.add(stem, image.split)
            count += len(annotations)
        lists.write(folder)
        _write_class_names(folder, categories)
        report(Progress(len(selection.images), len(selection.images), "Exported"))
        return ExportReport(lists.images, count, 0, tuple(skipped), tuple(notes))


class _Lists:
    """The ImageSets by split; trainval holds train, val and images without a split."""

    def __init__(self) -> None:
        self.images = 0
        self._stems: dict[str, list[str]] = {"trainval": []}

    def add(self, stem: str, split: str) -> None:
        self.images += 1
        if split in {"", "train", "val", "trainval"}:
            self._stems["trainval"].append(stem)
        if split not in {"", "trainval"}:
            self._stems.setdefault(safe_stem(split), []).append(stem)

    def write(self, folder: Path) -> None:
        for kind in ("Main", "Segmentation"):
            (folder / "ImageSets" / kind).mkdir(parents=True)
            for split, stems in self._stems.items():
                _write_lines(folder / "ImageSets" / kind / f"{split}.txt", stems)


def _write_maps(
    folder: Path, page: _Page, categories: Sequence[Category], border: int
) -> list[str]:
    """Paint and save both label maps; returns what a reader should know of them."""
    indices = {category.id: index for index, category in enumerate(categories, start=1)}
    many = len(page.annotations) > MOST_INDICES
    classes = np.zeros(page.image.size, dtype=np.uint8)
    objects: IndexMap = np.zeros(page.image.size, dtype=np.uint8)
    if many:
        objects = np.zeros(page.image.size, dtype=np.uint16)
    for number, annotation in enumerate(page.annotations, start=1):
        crop, (x0, y0) = annotation.mask.box_crop()
        rows, columns = slice(y0, y0 + crop.shape[0]), slice(x0, x0 + crop.shape[1])
        classes[rows, columns][crop] = indices[annotation.category_id]
        objects[rows, columns][crop] = number
    if border:
        kernel = np.ones((2 * border + 1, 2 * border + 1), dtype=np.uint8)
        edge = np.asarray(cv2.dilate(objects, kernel) != cv2.erode(objects, kernel))
        classes[edge] = BORDER
        objects[edge] = BORDER_16_BIT if many else BORDER
    save_index_map(classes, folder / "SegmentationClass" / f"{page.stem}.png")
    save_index_map(objects, folder / "SegmentationObject" / f"{page.stem}.png")
    if not many:
        return []
    return [
        f"{page.image.path} has {len(page.annotations)} objects, more than a palette holds; its "
        f"object map is a 16-bit grey PNG, in which a border is {BORDER_16_BIT}."
    ]


def _write_xml(folder: Path, page: _Page, project: str, categories: Sequence[Category]) -> None:
    names = {category.id: category.name for category in categories}
    root = ET.Element("annotation")
    _leaf(root, "folder", project)
    _leaf(root, "filename", f"{page.stem}.jpg")
    source = ET.SubElement(root, "source")
    _leaf(source, "database", project)
    _leaf(source, "annotation", project)
    _leaf(source, "image", page.image.path)
    size = ET.SubElement(root, "size")
    _leaf(size, "width", page.image.width)
    _leaf(size, "height", page.image.height)
    _leaf(size, "depth", 3)
    _leaf(root, "segmented", int(bool(page.annotations)))
    for annotation in page.annotations:
        item = ET.SubElement(root, "object")
        _leaf(item, "name", names[annotation.category_id])
        _leaf(item, "pose", annotation.attributes.get("pose", "Unspecified"))
        _leaf(item, "truncated", _flag(annotation.attributes.get("truncated")))
        difficult = annotation.attributes.get("difficult", annotation.iscrowd)
        _leaf(item, "difficult", _flag(difficult))
        box = ET.SubElement(item, "bndbox")
        x0, y0, x1, y1 = (int(value) for value in annotation.mask.box)
        for corner, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
            _leaf(box, corner, value)
    ET.indent(root, space="\t")
    text = ET.tostring(root, encoding="unicode")
    (folder / "Annotations" / f"{page.stem}.xml").write_text(text + "\n", "utf-8", newline="\n")


def _leaf(parent: ET.Element, tag: str, value: object) -> None:
    ET.SubElement(parent, tag).text = xml_text(str(value))


def xml_text(text: str) -> str:
    """`text` with what no XML 1.0 reader gives back (control characters) as U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def _flag(value: Any) -> int:
    """0 or 1 from whatever an attribute holds; other tools store them as numbers or words."""
    return int(str(value).strip().lower() in {"1", "true", "yes"})


def _write_class_names(folder: Path, categories: Sequence[Category]) -> None:
    """Names by index, one a line, and the same with colours as CVAT reads them."""
    names = ["_background_", *(" ".join(category.name.split()) for category in categories)]
    _write_lines(folder / "class_names.txt", names)
    rows = ["# label:color_rgb:parts:actions"]
    for name, (red, green, blue) in zip(names, voc_palette(), strict=False):
        label = "background" if name == "_background_" else name.replace(":", "_")
        rows.append(f"{label}:{red},{green},{blue}::")
    _write_lines(folder / "labelmap.txt", rows)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", "replace", "\n")

"""Pascal VOC 2012, the way out: one XML an image, palette PNGs of classes and objects, name lists.

Layout and meanings follow the VOC2012 development kit (Everingham et al. 2010). Boxes are
1-based and inclusive there: a mask in columns x0 <= x < x1 has xmin = x0 + 1, xmax = x1. Object
number i of the XML is index i of the object map, from the back to the front; what is in front
covers what is behind. An annotation that is only a box (`formats.boxes`) stands in the XML and
in no map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.boxes import is_box_only
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.image_files import copy_as_jpeg
from segstudio.formats.naming import export_stems, safe_stem, said_path
from segstudio.formats.palette import (
    BORDER,
    BORDER_16_BIT,
    MOST_INDICES,
    IndexMap,
    save_index_map,
    voc_palette,
)
from segstudio.formats.selection import drawn_annotations, select_images
from segstudio.formats.xml_trees import add_trees, xml_text

VOC = "voc"
FLAGS = ("truncated", "occluded", "difficult")  # attributes that the XML has tags for
NO_POSE = "Unspecified"
CORNERS = ("xmin", "ymin", "xmax", "ymax")


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
    devkit: bool = option(
        False,
        "As VOCdevkit/VOC2012",
        "Put all of it into folders of these names, where torchvision and others look for it.",
    )


def checked_categories(view: ProjectView) -> tuple[Category, ...]:
    """The project's categories. Raises BadInputError if there are more than a palette holds."""
    categories = tuple(view.categories())
    if len(categories) > MOST_INDICES:
        raise BadInputError(
            f"VOC label maps hold at most {MOST_INDICES} categories and this project has "
            f"{len(categories)}; export COCO, or delete the categories that are not used."
        )
    return categories


def voc_names(categories: Sequence[Category]) -> dict[int, str]:
    """The name of each category id as XML and lists can hold it: one line, unique, not empty."""
    taken: set[str] = set()
    names = {}
    for category in categories:
        wanted = " ".join(xml_text(category.name).split()) or f"category {category.id}"
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted} {count}"
        taken.add(name)
        names[category.id] = name
    return names


@dataclass(frozen=True)
class _Page:
    """One image as it is written: stem, record, annotations from back to front, origins."""

    stem: str
    image: ImageRecord
    annotations: Sequence[Annotation]
    origin: Origin | None = None
    origins: Mapping[int, Origin] = field(default_factory=dict)

    @property
    def has_maps(self) -> bool:
        """An image without annotations has maps that say so; one of boxes only has none."""
        painted = any(not is_box_only(annotation) for annotation in self.annotations)
        return painted or not self.annotations


def write_voc(
    view: ProjectView,
    folder: Path,
    options: VocOptions,
    report: ProgressSink,
    cancel: CancelToken,
) -> ExportReport:
    """Write the project; see `ExportFormat.write`.

    Raises BadInputError if there are more than 254 categories. An image of more than 254
    objects gets a 16-bit grey object map, which the report notes.
    """
    categories = checked_categories(view)
    if options.devkit:
        folder = folder / "VOCdevkit" / "VOC2012"
        folder.mkdir(parents=True)
    for name in ("Annotations", "JPEGImages", "SegmentationClass", "SegmentationObject"):
        (folder / name).mkdir()
    selection = select_images(view, options)
    stems = export_stems(view.images())
    names = voc_names(categories)
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
        page = _with_origins(view, _Page(stem, image, annotations))
        _write_xml(folder, page, view.name, names)
        if page.has_maps:
            notes.extend(_write_maps(folder, page, categories, options.border))
        lists.add(stem, image.split, maps=page.has_maps)
        count += len(annotations)
    lists.write(folder)
    _write_class_names(folder, list(names.values()))
    report(Progress(len(selection.images), len(selection.images), "Exported"))
    return ExportReport(lists.images, count, 0, tuple(skipped), tuple(notes))


def _with_origins(view: ProjectView, page: _Page) -> _Page:
    image = view.origins(OriginKind.IMAGE, [page.image.id], VOC).get(page.image.id)
    ids = [annotation.id for annotation in page.annotations]
    origins = view.origins(OriginKind.ANNOTATION, ids, VOC)
    return _Page(page.stem, page.image, page.annotations, image, origins)


class _Lists:
    """The ImageSets by split; trainval holds train, val and images without a split."""

    def __init__(self) -> None:
        self.images = 0
        self._stems: dict[str, dict[str, list[str]]] = {
            "Main": {"trainval": []},
            "Segmentation": {"trainval": []},
        }

    def add(self, stem: str, split: str, *, maps: bool) -> None:
        self.images += 1
        for kind, stems in self._stems.items():
            if kind == "Segmentation" and not maps:
                continue
            if split in {"", "train", "val", "trainval"}:
                stems["trainval"].append(stem)
            if split not in {"", "trainval"}:
                stems.setdefault(safe_stem(split), []).append(stem)

    def write(self, folder: Path) -> None:
        for kind, lists in self._stems.items():
            (folder / "ImageSets" / kind).mkdir(parents=True)
            for split, stems in lists.items():
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
        if is_box_only(annotation):
            continue
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


def _write_xml(folder: Path, page: _Page, project: str, names: Mapping[int, str]) -> None:
    record: Mapping[str, Any] = page.origin.record if page.origin else {}
    root = ET.Element("annotation")
    _leaf(root, "folder", project)
    _leaf(root, "filename", f"{page.stem}.jpg")
    source = ET.SubElement(root, "source")
    _leaf(source, "database", record.get("database", project))
    _leaf(source, "annotation", record.get("annotation", project))
    _leaf(source, "image", page.image.path)
    size = ET.SubElement(root, "size")
    _leaf(size, "width", page.image.width)
    _leaf(size, "height", page.image.height)
    _leaf(size, "depth", 3)
    _leaf(root, "segmented", int(page.has_maps and bool(page.annotations)))
    add_trees(root, record.get("more"))
    for annotation in page.annotations:
        item = ET.SubElement(root, "object")
        origin = page.origins.get(annotation.id)
        _write_object(item, annotation, names[annotation.category_id], origin)
    ET.indent(root, space="\t")
    text = ET.tostring(root, encoding="unicode")
    (folder / "Annotations" / f"{page.stem}.xml").write_text(text + "\n", "utf-8", newline="\n")


def _write_object(
    item: ET.Element, annotation: Annotation, name: str, origin: Origin | None
) -> None:
    attributes = annotation.attributes
    _leaf(item, "name", name)
    _leaf(item, "pose", attributes.get("pose", NO_POSE))
    _leaf(item, "truncated", as_flag(attributes.get("truncated")))
    if "occluded" in attributes:
        _leaf(item, "occluded", as_flag(attributes["occluded"]))
    _leaf(item, "difficult", as_flag(attributes.get("difficult", annotation.iscrowd)))
    box = ET.SubElement(item, "bndbox")
    for corner, value in zip(CORNERS, said_corners(annotation, origin), strict=True):
        _leaf(box, corner, value)
    if origin is not None:
        add_trees(item, origin.record.get("more"))


def said_corners(annotation: Annotation, origin: Origin | None) -> tuple[str, str, str, str]:
    """What the XML says of the box, in the order of `CORNERS`: its source's own words, as long as
    the mask is the one that came with them."""
    own = origin.record.get("bndbox") if origin else None
    if origin and isinstance(own, list) and mask_key(annotation.mask) == origin.mask:
        xmin, ymin, xmax, ymax = (str(value) for value in own[:4])
        return xmin, ymin, xmax, ymax
    x0, y0, x1, y1 = (int(value) for value in annotation.mask.box)
    return str(x0 + 1), str(y0 + 1), str(x1), str(y1)


def _leaf(parent: ET.Element, tag: str, value: object) -> None:
    ET.SubElement(parent, tag).text = xml_text(str(value))


def as_flag(value: Any) -> int:
    """0 or 1 from whatever an attribute holds; other tools store them as numbers or words."""
    return int(str(value).strip().lower() in {"1", "1.0", "true", "yes"})


def _write_class_names(folder: Path, categories: Sequence[str]) -> None:
    """Names by index, one a line, and the same with colours as CVAT reads them."""
    names = ["_background_", *categories]
    _write_lines(folder / "class_names.txt", names)
    rows = ["# label:color_rgb:parts:actions"]
    for index, (name, (red, green, blue)) in enumerate(zip(names, voc_palette(), strict=False)):
        label = name.replace(":", "_") if index else "background"
        rows.append(f"{label}:{red},{green},{blue}::")
    _write_lines(folder / "labelmap.txt", rows)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", "replace", "\n")


def held_split(split: str) -> str:
    """The split that comes back of the lists; trainval is one of several."""
    name = safe_stem(split) if split else ""
    return "" if name == "trainval" else name


def source_name(image: ImageRecord, stem: str) -> str:
    """What the file calls the image: its path in the project, if that is a plain one."""
    return said_path(xml_text(image.path)) or f"{stem}.jpg"

"""Reads an export back with readers that are not ours and compares it with the project.

COCO is read by pycocotools alone; VOC by Pillow and xml.etree. What is expected is painted here
anew from the project's masks, so that an error of the writer cannot hide behind itself.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.project_view import ProjectView
from segstudio.formats.coco.format import CocoOptions
from segstudio.formats.naming import export_stems
from segstudio.formats.selection import drawn_annotations, select_images
from segstudio.formats.voc.format import VocOptions

_Map = npt.NDArray[np.int64]


@dataclass
class CheckReport:
    """How much was compared and every difference found, a sentence each."""

    images: int = 0
    annotations: int = 0
    categories: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether the export says what the project says (and anything was compared at all)."""
        return self.images > 0 and not self.differences

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note a difference unless both are equal."""
        if found != wanted:
            self.differences.append(f"{what} is {found!r}, not {wanted!r}.")


def check_coco(folder: Path, view: ProjectView, options: CocoOptions | None = None) -> CheckReport:
    """Compare a COCO export with the project: every mask, box, area, category, size and file.

    `options` are those of the export. Masks must be equal to the pixel. Raises BadInputError if
    there is no COCO export in `folder`.
    """
    options = options or CocoOptions()
    files = sorted((folder / "annotations").glob("instances_*.json"))
    if not files:
        raise BadInputError(f"There is no annotations/instances_*.json in “{folder}”.")
    result = CheckReport()
    wanted = {image.id: image for image in select_images(view, options).images}
    found: set[int] = set()
    for file in files:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports to stdout
            coco = COCO(str(file))
        _compare_coco_categories(result, view, coco)
        for entry in coco.loadImgs(coco.getImgIds()):
            image = wanted.get(entry["id"])
            if image is None or image.id in found:
                result.differences.append(f"Image {entry['id']} should not be in {file.name}.")
                continue
            found.add(image.id)
            size = (entry["height"], entry["width"])
            result.expect(f"The size of {image.path}", size, image.size)
            if options.images:
                _compare_size(result, folder / "images" / entry["file_name"], image)
            _compare_coco_annotations(result, view, coco, image)
    _note_missing(result, wanted, found)
    return result


def check_voc(folder: Path, view: ProjectView, options: VocOptions | None = None) -> CheckReport:
    """Compare a VOC export with the project: both label maps, names, boxes, sizes and lists.

    `options` are those of the export; with a border, exactly the pixels near an outline may and
    must be 255. Raises BadInputError if there is no VOC export in `folder`.
    """
    options = options or VocOptions()
    if not (folder / "Annotations").is_dir():
        raise BadInputError(f"There is no Annotations folder in “{folder}”.")
    result = CheckReport(categories=len(view.categories()))
    wanted = {image.id: image for image in select_images(view, options).images}
    stems = export_stems(view.images())
    names = ["_background_", *(" ".join(category.name.split()) for category in view.categories())]
    listed = _lines(folder / "class_names.txt")
    result.expect("class_names.txt", listed, names)
    found = set()
    for image in wanted.values():
        page = folder / "Annotations" / f"{stems[image.id]}.xml"
        if not page.is_file():
            continue
        found.add(image.id)
        drawn, _ = drawn_annotations(view, image, view.categories())
        _compare_voc_page(result, view, page, image, drawn)
        _compare_size(result, folder / "JPEGImages" / f"{page.stem}.jpg", image)
        for kind, painted in _painted(view, image, drawn, options.border).items():
            _compare_map(result, folder / kind / f"{page.stem}.png", painted)
    present = {path.stem for path in (folder / "Annotations").iterdir()}
    for stem in sorted(present - {stems[image_id] for image_id in wanted}):
        result.differences.append(f"{stem}.xml should not be there.")
    _compare_lists(result, folder, present)
    _note_missing(result, wanted, found)
    return result


def _note_missing(
    result: CheckReport, wanted: dict[int, ImageRecord], found: Iterable[int]
) -> None:
    result.images = len(set(found))
    for image_id in sorted(set(wanted) - set(found)):
        result.differences.append(f"{wanted[image_id].path} is not in the export.")


def _compare_size(result: CheckReport, path: Path, image: ImageRecord) -> None:
    try:
        with Image.open(path) as opened:
            result.expect(f"The size of {path.name}", opened.size, (image.width, image.height))
    except OSError as error:
        result.differences.append(f"{path.name} cannot be read ({error}).")


def _compare_coco_categories(result: CheckReport, view: ProjectView, coco: COCO) -> None:
    found = {entry["id"]: entry["name"] for entry in coco.loadCats(coco.getCatIds())}
    wanted = {category.id: category.name for category in view.categories()}
    result.expect("The categories of COCO", found, wanted)
    result.categories = len(found)


def _compare_coco_annotations(
    result: CheckReport, view: ProjectView, coco: COCO, image: ImageRecord
) -> None:
    drawn, _ = drawn_annotations(view, image, view.categories())
    entries = {entry["id"]: entry for entry in coco.imgToAnns.get(image.id, [])}
    ids = [annotation.id for annotation in drawn]
    result.expect(f"The annotation ids of {image.path}", sorted(entries), sorted(ids))
    for annotation in drawn:
        entry = entries.get(annotation.id)
        if entry is None:
            continue
        result.annotations += 1
        what = f"annotation {annotation.id} of {image.path}"
        result.expect(f"The category of {what}", entry["category_id"], annotation.category_id)
        result.expect(f"The crowd flag of {what}", entry["iscrowd"], int(annotation.iscrowd))
        runs = coco.annToRLE(entry)
        result.expect(f"The area of {what}", entry["area"], int(coco_masks.area(runs)))
        result.expect(f"The box of {what}", entry["bbox"], coco_masks.toBbox(runs).tolist())
        mask = coco.annToMask(entry).astype(bool)
        _compare_pixels(result, f"The mask of {what}", mask, annotation.mask.to_array())


def _compare_pixels(
    result: CheckReport, what: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any]
) -> None:
    if found.shape != wanted.shape:
        result.differences.append(f"{what} has shape {found.shape}, not {wanted.shape}.")
        return
    wrong = int(np.count_nonzero(found != wanted))
    if wrong:
        result.differences.append(f"{what} differs in {wrong} of {wanted.size} pixels.")


def _compare_voc_page(
    result: CheckReport,
    view: ProjectView,
    page: Path,
    image: ImageRecord,
    drawn: list[Annotation],
) -> None:
    root = ET.parse(page).getroot()
    size = tuple(int(root.findtext(f"size/{side}", "0")) for side in ("height", "width"))
    result.expect(f"The size in {page.name}", size, image.size)
    result.expect(f"The file name in {page.name}", root.findtext("filename"), f"{page.stem}.jpg")
    items = root.findall("object")
    result.expect(f"The number of objects in {page.name}", len(items), len(drawn))
    names = {category.id: _as_xml(category.name) for category in view.categories()}
    for number, (item, annotation) in enumerate(zip(items, drawn, strict=False), start=1):
        result.annotations += 1
        what = f"object {number} of {page.name}"
        result.expect(
            f"The name of {what}", item.findtext("name", ""), names[annotation.category_id]
        )
        corners = ("xmin", "ymin", "xmax", "ymax")
        box = [int(item.findtext(f"bndbox/{corner}", "0")) for corner in corners]
        rows, columns = np.nonzero(annotation.mask.to_array())
        low, high = (columns.min(), rows.min()), (columns.max(), rows.max())
        result.expect(f"The box of {what}", box, [int(value) + 1 for value in (*low, *high)])


def _as_xml(text: str) -> str:
    """A name as XML 1.0 gives it back: what it cannot hold is U+FFFD."""
    kept = (0x9, 0xA, 0xD)
    allowed = (range(0x20, 0xD800), range(0xE000, 0xFFFE), range(0x10000, 0x110000))
    return "".join(
        letter if ord(letter) in kept or any(ord(letter) in part for part in allowed) else "\ufffd"
        for letter in text
    )


def _painted(
    view: ProjectView, image: ImageRecord, drawn: list[Annotation], border: int
) -> dict[str, _Map]:
    """The class and object maps as they should be, by the name of their folder."""
    order = [category.id for category in view.categories()]
    classes: _Map = np.zeros(image.size, dtype=np.int64)
    objects: _Map = np.zeros(image.size, dtype=np.int64)
    for number, annotation in enumerate(drawn, start=1):
        mask = annotation.mask.to_array()
        classes[mask] = order.index(annotation.category_id) + 1
        objects[mask] = number
    if border:
        near = _near_outline(objects, border)
        classes[near] = 255
        objects[near] = 255 if len(drawn) <= 254 else 65535
    return {"SegmentationClass": classes, "SegmentationObject": objects}


def _compare_map(result: CheckReport, path: Path, wanted: _Map) -> None:
    what = f"{path.parent.name}/{path.name}"
    try:
        with Image.open(path) as opened:
            found = np.asarray(opened).astype(np.int64)
    except OSError as error:
        result.differences.append(f"{what} cannot be read ({error}).")
        return
    _compare_pixels(result, what, found, wanted)


def _near_outline(objects: _Map, border: int) -> npt.NDArray[np.bool_]:
    """Where a square of `border` pixels each way holds more than one index, by plain shifting."""
    low, high = objects.copy(), objects.copy()
    for axis in (0, 1):
        padding = [(border, border) if at == axis else (0, 0) for at in (0, 1)]
        lows, highs = (np.pad(values, padding, mode="edge") for values in (low, high))
        for shift in range(2 * border + 1):
            part = np.arange(shift, shift + objects.shape[axis])
            low = np.minimum(low, np.take(lows, part, axis))
            high = np.maximum(high, np.take(highs, part, axis))
    near: npt.NDArray[np.bool_] = low != high
    return near


def _compare_lists(result: CheckReport, folder: Path, present: set[str]) -> None:
    for kind in ("Main", "Segmentation"):
        lists = sorted((folder / "ImageSets" / kind).glob("*.txt"))
        listed = {stem for path in lists for stem in _lines(path)}
        result.expect(f"The names in ImageSets/{kind}", sorted(listed), sorted(present))


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.is_file() else []

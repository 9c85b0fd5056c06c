"""The check finds an export equal to its project, and whatever was tampered with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_check import CheckReport, check_coco, check_voc
from memory_project import MemoryProject, disc, photo_project
from PIL import Image
from pycocotools import mask as coco_masks

from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.engine.export_run import export
from segstudio.formats.coco.format import CocoOptions
from segstudio.formats.voc.format import VocOptions


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


@pytest.fixture
def coco(project: MemoryProject, tmp_path: Path) -> Path:
    export("coco", project, tmp_path / "coco")
    return tmp_path / "coco"


@pytest.fixture
def voc(project: MemoryProject, tmp_path: Path) -> Path:
    export("voc", project, tmp_path / "voc")
    return tmp_path / "voc"


@pytest.mark.parametrize("kind", ["rle", "polygons"])
@pytest.mark.parametrize("images", [True, False])
def test_an_untouched_coco_export_is_equal(
    project: MemoryProject, tmp_path: Path, kind: str, images: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    options = CocoOptions(segmentation=kind, images=images)
    export("coco", project, tmp_path / "out", options)
    found = check_coco(tmp_path / "out", project, options)
    assert found.differences == []
    assert (found.images, found.annotations, found.categories) == (4, 6, 3)
    assert found.equal
    assert capsys.readouterr().out == "", "pycocotools keeps quiet"


@pytest.mark.parametrize("border", [0, 1, 4])
def test_an_untouched_voc_export_is_equal(
    project: MemoryProject, tmp_path: Path, border: int
) -> None:
    export("voc", project, tmp_path / "out", VocOptions(border=border))
    found = check_voc(tmp_path / "out", project, VocOptions(border=border))
    assert found.differences == []
    assert (found.images, found.annotations, found.categories) == (4, 6, 3)
    assert found.equal


def test_a_border_that_was_not_asked_for_is_a_difference(
    project: MemoryProject, tmp_path: Path
) -> None:
    export("voc", project, tmp_path / "out", VocOptions(border=2))
    assert not check_voc(tmp_path / "out", project).equal


def test_a_crowded_16_bit_map_is_compared_too(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path / "photos")
    thing = project.add_category("thing")
    photo = project.add_photo("crowd.png", np.zeros((40, 40, 3), dtype=np.uint8))
    for number in range(260):
        mask = disc(photo.size, 1 + number % 38, 1 + number // 8, 1.5)
        project.annotate(photo, thing, mask)
    for border in (0, 1):
        options = VocOptions(border=border)
        export("voc", project, tmp_path / str(border), options)
        assert check_voc(tmp_path / str(border), project, options).differences == []


def coco_photos(folder: Path) -> MemoryProject:
    """COCO's own photos and objects as a project."""
    data = json.loads((folder / "annotations" / "instances_val2017.json").read_text())
    project = MemoryProject(folder / "val2017", name="COCO")
    project.all_categories = [
        Category(entry["id"], entry["name"], "#000000") for entry in data["categories"]
    ]
    for entry in data["images"]:
        size = (entry["width"], entry["height"])
        record = ImageRecord(entry["id"], entry["file_name"], *size, "", ImageState.LABELLED)
        project.all_images.append(record)
    images = {image.id: image for image in project.all_images}
    categories = {category.id: category for category in project.all_categories}
    for entry in data["annotations"]:
        image = images[entry["image_id"]]
        runs = coco_masks.frPyObjects(entry["segmentation"], *image.size)
        runs = coco_masks.merge(runs) if isinstance(runs, list) else runs
        mask = Mask.from_coco(runs["size"], runs["counts"])
        crowd = bool(entry["iscrowd"])
        project.annotate(image, categories[entry["category_id"]], mask, iscrowd=crowd)
    return project


def test_real_coco_photos_survive_both_formats_to_the_pixel(
    reference_data: Path, tmp_path: Path
) -> None:
    project = coco_photos(reference_data / "coco_instances")
    for kind in ("rle", "polygons"):
        options = CocoOptions(segmentation=kind)
        export("coco", project, tmp_path / kind, options)
        found = check_coco(tmp_path / kind, project, options)
        assert (found.differences, found.images, found.annotations) == ([], 36, 363)
    export("voc", project, tmp_path / "voc", VocOptions(border=2))
    found = check_voc(tmp_path / "voc", project, VocOptions(border=2))
    assert (found.differences, found.images, found.annotations) == ([], 36, 363)


def edit_json(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "annotations" / "instances_train.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def flipped_mask(data: dict[str, Any]) -> None:
    first, second = data["annotations"][0], data["annotations"][1]
    first["segmentation"], second["segmentation"] = second["segmentation"], first["segmentation"]


TAMPERINGS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a mask": (flipped_mask, "The mask of annotation 10"),
    "an area": (lambda data: data["annotations"][0].update(area=7), "The area of annotation 10"),
    "a box": (lambda data: data["annotations"][0]["bbox"].__setitem__(0, 3.5), "The box of"),
    "a category": (lambda data: data["annotations"][1].update(category_id=2), "The category of"),
    "a crowd": (lambda data: data["annotations"][1].update(iscrowd=1), "The crowd flag of"),
    "a name": (lambda data: data["categories"][0].update(name="dog"), "The categories of COCO"),
    "a size": (lambda data: data["images"][0].update(width=5), "The size of cats/chelsea.jpg"),
    "a lost annotation": (lambda data: data["annotations"].pop(), "The annotation ids of"),
    "a lost image": (lambda data: data["images"].pop(), "desk/nothing.jpg is not in the export"),
    "a strange image": (
        lambda data: data["images"].append({**data["images"][0], "id": 99}),
        "Image 99 should not be in",
    ),
    "a lost file": (
        lambda data: data["images"][0].update(file_name="gone.jpg"),
        "gone.jpg cannot be read",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_tampered_coco_export_is_found(project: MemoryProject, coco: Path, what: str) -> None:
    change, sentence = TAMPERINGS[what]
    edit_json(coco, change)
    found = check_coco(coco, project)
    assert not found.equal
    assert any(sentence in text for text in found.differences), found.differences


def repaint(path: Path, change: Callable[[np.ndarray], None]) -> None:
    with Image.open(path) as image:
        palette, pixels = image.getpalette(), np.array(image)
    change(pixels)
    written = Image.fromarray(pixels)
    written.putpalette(palette or [])
    written.save(path)


@pytest.mark.parametrize("kind", ["SegmentationClass", "SegmentationObject"])
def test_one_wrong_pixel_of_a_label_map_is_found(
    project: MemoryProject, voc: Path, kind: str
) -> None:
    repaint(voc / kind / "astronaut.png", lambda pixels: pixels.__setitem__((0, 0), 2))
    found = check_voc(voc, project)
    size = project.all_images[1].width * project.all_images[1].height
    assert found.differences == [f"{kind}/astronaut.png differs in 1 of {size} pixels."]


def test_a_map_that_is_all_border_is_not_equal(project: MemoryProject, voc: Path) -> None:
    repaint(voc / "SegmentationClass/astronaut.png", lambda pixels: pixels.fill(255))
    assert not check_voc(voc, project, VocOptions(border=1)).equal


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("<name>person<", "<name>dog<", "The name of object 1"),
        ("<xmin>", "<xmin>1", "The box of object 1"),
        ("<width>171<", "<width>99<", "The size in astronaut.xml"),
        ("<filename>astronaut", "<filename>other", "The file name in astronaut.xml"),
        ("object>", "thing>", "The number of objects in astronaut.xml"),
    ],
)
def test_a_tampered_page_is_found(
    project: MemoryProject, voc: Path, old: str, new: str, sentence: str
) -> None:
    page = voc / "Annotations" / "astronaut.xml"
    assert old in page.read_text("utf-8")
    page.write_text(page.read_text("utf-8").replace(old, new), "utf-8")
    found = check_voc(voc, project)
    assert any(sentence in text for text in found.differences), found.differences


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("Annotations/astronaut.xml", "astronaut.png is not in the export"),
        ("JPEGImages/astronaut.jpg", "astronaut.jpg cannot be read"),
        ("SegmentationObject/astronaut.png", "SegmentationObject/astronaut.png cannot be read"),
        ("ImageSets/Main/trainval.txt", "The names in ImageSets/Main"),
        ("class_names.txt", "class_names.txt is"),
    ],
)
def test_a_lost_file_is_found(project: MemoryProject, voc: Path, lost: str, sentence: str) -> None:
    (voc / lost).unlink()
    if lost.startswith("ImageSets"):
        (voc / "ImageSets/Main/train.txt").unlink()
    found = check_voc(voc, project)
    assert any(sentence in text for text in found.differences), found.differences


def test_a_page_too_many_is_found(project: MemoryProject, voc: Path) -> None:
    page = voc / "Annotations" / "astronaut.xml"
    (voc / "Annotations" / "ghost.xml").write_bytes(page.read_bytes())
    assert "ghost.xml should not be there." in check_voc(voc, project).differences


def test_a_folder_without_an_export_is_refused(project: MemoryProject, tmp_path: Path) -> None:
    for check in (check_coco, check_voc):
        with pytest.raises(BadInputError, match="There is no"):
            check(tmp_path, project)


def test_a_report_about_nothing_is_not_equal() -> None:
    assert not CheckReport().equal

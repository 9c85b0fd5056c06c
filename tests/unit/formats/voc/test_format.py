"""VOC folders as Pillow and ElementTree read them, beside what labelme itself exported."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from memory_project import MemoryProject, disc, photo_project
from PIL import Image

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.formats.contract import ExportReport
from segstudio.formats.palette import voc_palette
from segstudio.formats.voc.format import VocFormat, VocOptions


def write(project: MemoryProject, folder: Path, options: VocOptions | None = None) -> ExportReport:
    folder.mkdir()
    options = options or VocOptions()
    return VocFormat().write(project, folder, options, ignore_progress, CancelToken())


def indices(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


@pytest.fixture
def plain(tmp_path: Path) -> MemoryProject:
    """One 40 x 30 photo and one category."""
    project = MemoryProject(tmp_path / "plain")
    project.add_category("thing")
    project.add_photo("a.png", np.full((30, 40, 3), 128, dtype=np.uint8))
    return project


def test_what_is_in_front_covers_what_is_behind(project: MemoryProject, tmp_path: Path) -> None:
    write(project, tmp_path / "out")
    back, front, middle = (item.mask.to_array() for item in project.all_annotations[:3])
    classes = np.zeros(back.shape, dtype=int)
    objects = np.zeros(back.shape, dtype=int)
    for mask, category, number in ((back, 1, 1), (middle, 3, 2), (front, 1, 3)):
        classes[mask], objects[mask] = category, number
    folder = tmp_path / "out"
    np.testing.assert_array_equal(indices(folder / "SegmentationClass/cats_chelsea.png"), classes)
    np.testing.assert_array_equal(indices(folder / "SegmentationObject/cats_chelsea.png"), objects)
    assert (classes[front & middle] == 1).all()


def test_boxes_count_from_one_and_hold_their_last_pixel(
    plain: MemoryProject, tmp_path: Path
) -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[0:30, 2:5] = True
    plain.annotate(plain.all_images[0], plain.all_categories[0], mask)
    write(plain, tmp_path / "out")
    root = ET.parse(tmp_path / "out" / "Annotations" / "a.xml").getroot()
    box = {item.tag: int(item.text or 0) for item in root.findall("object/bndbox/*")}
    assert box == {"xmin": 3, "ymin": 1, "xmax": 5, "ymax": 30}


def test_the_xml_has_the_fields_of_voc_2012_in_their_order(
    project: MemoryProject, tmp_path: Path
) -> None:
    write(project, tmp_path / "out")
    root = ET.parse(tmp_path / "out" / "Annotations" / "desk_turned.xml").getroot()
    tags = ["folder", "filename", "source", "size", "segmented", "object"]
    assert [item.tag for item in root] == tags
    assert root.findtext("filename") == "desk_turned.jpg"
    assert [item.text for item in root.find("size") or []] == ["100", "150", "3"]
    thing = root.find("object")
    assert thing is not None
    assert [item.tag for item in thing] == ["name", "pose", "truncated", "difficult", "bndbox"]
    assert thing.findtext("name") == 'table <wood> & "cloth"'
    assert [thing.findtext(tag) for tag in ("pose", "truncated", "difficult")] == ["Left", "0", "1"]


def test_flags_come_from_attributes_and_crowds_are_difficult(
    project: MemoryProject, tmp_path: Path
) -> None:
    write(project, tmp_path / "out")
    root = ET.parse(tmp_path / "out" / "Annotations" / "astronaut.xml").getroot()
    flags = [(item.findtext("truncated"), item.findtext("difficult")) for item in root[5:]]
    assert flags == [("1", "0"), ("0", "1")]


def test_lists_follow_the_splits(project: MemoryProject, tmp_path: Path) -> None:
    write(project, tmp_path / "out")
    for kind in ("Main", "Segmentation"):
        folder = tmp_path / "out" / "ImageSets" / kind
        assert {path.name for path in folder.iterdir()} == {"train.txt", "val.txt", "trainval.txt"}
        assert lines(folder / "train.txt") == ["cats_chelsea", "desk_turned", "desk_nothing"]
        assert lines(folder / "val.txt") == ["astronaut"]
        assert len(lines(folder / "trainval.txt")) == 4


def test_without_splits_all_images_are_trainval(project: MemoryProject, tmp_path: Path) -> None:
    project.all_images = [replace(image, split="") for image in project.all_images]
    write(project, tmp_path / "out")
    folder = tmp_path / "out" / "ImageSets" / "Main"
    assert [path.name for path in folder.iterdir()] == ["trainval.txt"]
    assert len(lines(folder / "trainval.txt")) == 4


def test_test_images_are_not_for_training(project: MemoryProject, tmp_path: Path) -> None:
    project.change_image(project.all_images[1], split="test")
    write(project, tmp_path / "out")
    folder = tmp_path / "out" / "ImageSets" / "Segmentation"
    assert lines(folder / "test.txt") == ["astronaut"]
    assert "astronaut" not in lines(folder / "trainval.txt")


def test_class_names_stand_in_the_order_of_their_indices(
    project: MemoryProject, tmp_path: Path
) -> None:
    write(project, tmp_path / "out")
    names = lines(tmp_path / "out" / "class_names.txt")
    assert names == ["_background_", "cat", "person", 'table <wood> & "cloth"']
    assert lines(tmp_path / "out" / "labelmap.txt")[:3] == [
        "# label:color_rgb:parts:actions", "background:0,0,0::", "cat:128,0,0::",
    ]  # fmt: skip


def test_jpegs_are_copied_byte_for_byte_others_become_jpegs(
    project: MemoryProject, tmp_path: Path
) -> None:
    write(project, tmp_path / "out")
    images = tmp_path / "out" / "JPEGImages"
    copied = (images / "cats_chelsea.jpg").read_bytes()
    assert copied == (project.folder / "cats/chelsea.jpg").read_bytes()
    with (
        Image.open(images / "astronaut.jpg") as image,
        Image.open(project.folder / "astronaut.png") as source,
    ):
        assert image.format == "JPEG"
        difference = np.abs(np.asarray(image, dtype=int) - np.asarray(source, dtype=int))
        assert difference.mean() < 3
    with Image.open(images / "desk_turned.jpg") as image:
        assert image.size == (100, 150)


def test_a_border_marks_both_sides_of_every_outline_and_nothing_else(
    plain: MemoryProject, tmp_path: Path
) -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[10:20, 0:20] = True  # touches the image's left edge
    plain.annotate(plain.all_images[0], plain.all_categories[0], mask)
    write(plain, tmp_path / "out", VocOptions(border=2))
    wanted = mask.astype(int)
    wanted[8:22, 0:22] = 255
    wanted[12:18, 0:18] = 1
    for kind in ("SegmentationClass", "SegmentationObject"):
        np.testing.assert_array_equal(indices(tmp_path / "out" / kind / "a.png"), wanted)


def test_more_objects_than_a_palette_holds_give_a_16_bit_map_and_a_note(
    tmp_path: Path,
) -> None:
    project = MemoryProject(tmp_path / "photos")
    thing = project.add_category("thing")
    photo = project.add_photo("crowd.png", np.zeros((20, 20, 3), dtype=np.uint8))
    for number in range(300):
        mask = np.zeros((20, 20), dtype=bool)
        mask.flat[number] = True
        project.annotate(photo, thing, mask)
    done = write(project, tmp_path / "out")
    found = indices(tmp_path / "out" / "SegmentationObject" / "crowd.png")
    np.testing.assert_array_equal(found.ravel()[:300], np.arange(1, 301))
    assert indices(tmp_path / "out" / "SegmentationClass" / "crowd.png").max() == 1
    assert len(done.notes) == 1
    assert "16-bit" in done.notes[0]


def test_254_objects_still_fit_into_the_palette(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path / "photos")
    thing = project.add_category("thing")
    photo = project.add_photo("crowd.png", np.zeros((20, 20, 3), dtype=np.uint8))
    for number in range(254):
        mask = np.zeros((20, 20), dtype=bool)
        mask.flat[number] = True
        project.annotate(photo, thing, mask)
    assert write(project, tmp_path / "out").notes == ()
    with Image.open(tmp_path / "out" / "SegmentationObject" / "crowd.png") as image:
        assert image.mode == "P"
        assert np.asarray(image).max() == 254


def test_more_categories_than_indices_are_refused_in_one_sentence(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path / "photos")
    for number in range(255):
        project.add_category(f"c{number}")
    with pytest.raises(BadInputError, match="at most 254"):
        write(project, tmp_path / "out")


def test_hostile_names_stay_inside_their_tags_and_folders(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path / "photos", name="</folder><evil/>&\x00")
    hostile = project.add_category("</name><name>x]]>&lt;\x07\n:é")
    photo = project.add_photo("a b/ü <&>..jpg", np.zeros((9, 9, 3), dtype=np.uint8))
    project.annotate(photo, hostile, disc(photo.size, 4, 4, 3), attributes={"pose": "<p>"})
    write(project, tmp_path / "out")
    (page,) = (tmp_path / "out" / "Annotations").iterdir()
    assert not set(page.name) & set(" <>&")
    root = ET.parse(page).getroot()
    assert root.findtext("object/name") == "</name><name>x]]>&lt;\ufffd :é"
    assert root.findtext("folder") == "</folder><evil/>&\ufffd"
    assert root.find("evil") is None
    names = lines(tmp_path / "out" / "class_names.txt")
    assert len(names) == 2, "a line break in a name does not make a class"


def test_the_palette_is_the_one_that_others_write(reference_data: Path) -> None:
    others = reference_data / "labelme/instance_segmentation/data_dataset_voc"
    with Image.open(others / "SegmentationClass" / "2011_000003.png") as image:
        theirs = image.getpalette()
    assert theirs is not None
    ours = [value for colour in voc_palette() for value in colour]
    assert ours[: len(theirs)] == theirs
    assert voc_palette()[255] == (224, 224, 192)
    assert voc_palette()[15] == (192, 128, 128), "a person's colour in the development kit"


def test_maps_painted_from_labelmes_shapes_are_labelmes_own_maps(
    reference_data: Path, tmp_path: Path
) -> None:
    """labelme's classes, painted again from its class and object maps by our export."""
    others = reference_data / "labelme/instance_segmentation/data_dataset_voc"
    names = lines(reference_data / "labelme/instance_segmentation/labels.txt")[2:]
    project = MemoryProject(tmp_path / "photos")
    categories = [project.add_category(name) for name in names]
    wanted = {}
    for path in sorted((others / "SegmentationClass").glob("*.png")):
        classes, objects = indices(path), indices(others / "SegmentationObject" / path.name)
        wanted[path.stem] = classes
        source = json.loads(
            (others.parent / "data_annotated" / f"{path.stem}.json").read_text("utf-8")
        )
        assert source["imagePath"] == f"{path.stem}.jpg"
        data = source.get("imageData")
        jpeg = base64.b64decode(data) if data else (
            others / "JPEGImages" / f"{path.stem}.jpg"
        ).read_bytes()  # fmt: skip
        photo = project.add_photo(f"{path.stem}.jpg", np.asarray(Image.open(io.BytesIO(jpeg))))
        for number in np.unique(objects[(objects > 0) & (objects < 255)]):
            mask = objects == number
            (index,) = np.unique(classes[mask])
            project.annotate(photo, categories[index - 1], mask)
    assert len(wanted) == 3
    write(project, tmp_path / "out")
    for stem, classes in wanted.items():
        known = classes != 255
        found = indices(tmp_path / "out" / "SegmentationClass" / f"{stem}.png")
        np.testing.assert_array_equal(found[known], classes[known])
        with Image.open(tmp_path / "out/SegmentationClass" / f"{stem}.png") as image:
            assert image.mode == "P"

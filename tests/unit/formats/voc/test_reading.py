"""VOC folders of others: labelme's own exports, CVAT's colours, the development kit's layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found_project import found_in, project_of, write
from memory_project import MemoryProject, disc, photo_project
from PIL import Image
from torchvision.datasets import VOCDetection, VOCSegmentation

from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.formats.found import Fault, Found, FoundAnnotation, FoundCategory, FoundImage
from segstudio.formats.palette import save_index_map, voc_palette
from segstudio.formats.voc.format import VocFormat, VocImport, VocImportOptions, VocOptions

IMPORT, EXPORT = VocImport(), VocFormat()
SIZE = (6, 8)
Rows = list[tuple[str, Mask]]


@pytest.fixture
def labelme(reference_data: Path) -> Path:
    return reference_data / "labelme"


def xml(*objects: str, size: tuple[int, int] | None = SIZE, name: str = "a.jpg") -> str:
    told = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>" if size else ""
    body = "".join(f"<object>{item}</object>" for item in objects)
    return f"<annotation><filename>{name}</filename>{told}{body}</annotation>"


def thing(name: str, xmin: object, ymin: object, xmax: object, ymax: object, more: str = "") -> str:
    corners = zip(("xmin", "ymin", "xmax", "ymax"), (xmin, ymin, xmax, ymax), strict=True)
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
    return f"<name>{name}</name>{more}<bndbox>{box}</bndbox>"


@pytest.fixture
def voc(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of one image `a`: XML, class map and object map, each if it is given."""

    def make(
        page: str | None = None,
        classes: np.ndarray | None = None,
        objects: np.ndarray | None = None,
        names: str = "",
    ) -> Path:
        folder = tmp_path / "voc"
        for name in ("JPEGImages", "Annotations", "SegmentationClass", "SegmentationObject"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((*SIZE, 3), dtype=np.uint8)).save(folder / "JPEGImages/a.jpg")
        if page is not None:
            (folder / "Annotations" / "a.xml").write_text(page, "utf-8")
        for name, indices in (("Class", classes), ("Object", objects)):
            if indices is not None:
                save_index_map(indices.astype(np.uint8), folder / f"Segmentation{name}" / "a.png")
        if names:
            (folder / "class_names.txt").write_text(names, "utf-8")
        return folder

    return make


def masks(found: list[Found]) -> Rows:
    """Category and mask of each annotation; nothing may be wrong."""
    assert not [row for row in found if isinstance(row, Fault)], found
    sizes = {row.key: row.size for row in found if isinstance(row, FoundImage)}
    rows = [row for row in found if isinstance(row, FoundAnnotation)]
    return [(row.category, row.mask(sizes[row.image] or SIZE)) for row in rows]


def faults(found: list[Found]) -> list[str]:
    return [f"{row.place}: {row.reason}" for row in found if isinstance(row, Fault)]


def block(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_labelmes_object_maps_come_in_as_labelme_drew_them(labelme: Path) -> None:
    source = labelme / "instance_segmentation" / "data_dataset_voc"
    names = (source / "class_names.txt").read_text("utf-8").splitlines()
    expected: Rows = []
    for path in sorted((source / "SegmentationObjectNpy").glob("*.npy")):
        objects = np.load(path)
        classes = np.load(source / "SegmentationClassNpy" / path.name)
        for number in np.unique(objects[objects > 0]):
            (index,) = np.unique(classes[objects == number])
            expected.append((names[index], Mask.from_array(objects == number)))
    assert len(expected) == 12
    assert masks(found_in(IMPORT, source)) == expected


@pytest.mark.parametrize("kind", ["semantic_segmentation", "video_annotation"])
def test_class_maps_alone_give_one_annotation_a_class(kind: str, labelme: Path) -> None:
    source = labelme / kind / "data_dataset_voc"
    names = (source / "class_names.txt").read_text("utf-8").splitlines()
    expected: Rows = []
    for path in sorted(source.glob("SegmentationClass*/*.png")):
        if path.suffix == ".png":
            classes = np.asarray(Image.open(path))
            for index in np.unique(classes[(classes > 0) & (classes < 255)]):
                expected.append((names[index], Mask.from_array(classes == index)))
    assert len(expected) >= 7
    assert masks(found_in(IMPORT, source)) == expected


def test_labelmes_boxes_become_masks_that_say_so(labelme: Path) -> None:
    found = found_in(IMPORT, labelme / "bbox_detection" / "data_dataset_voc")
    rows = [row for row in found if isinstance(row, FoundAnnotation)]
    assert len(rows) == 9
    assert all(row.attributes == {"box_only": True} for row in rows)
    first = rows[2].mask((375, 500))  # 91..240 x 107..330, both ends inside
    assert first.box == (90, 106, 240, 330)
    assert first.area == 150 * 224


def test_boxes_go_out_as_they_came_and_into_no_map(labelme: Path, tmp_path: Path) -> None:
    source = labelme / "bbox_detection" / "data_dataset_voc"
    project = project_of(found_in(IMPORT, source), tmp_path / "photos", IMPORT.key)
    out = write(EXPORT, project, tmp_path / "out")
    assert not list((out / "SegmentationClass").iterdir())
    assert (out / "ImageSets/Segmentation/trainval.txt").read_text("utf-8") == ""
    assert len((out / "ImageSets/Main/trainval.txt").read_text("utf-8").split()) == 3
    for path in sorted((source / "Annotations").glob("*.xml")):
        theirs, ours = path.read_text("utf-8"), (out / "Annotations" / path.name).read_text("utf-8")
        corners = [line.strip() for line in theirs.splitlines() if "<x" in line or "<y" in line]
        assert [line.strip() for line in ours.splitlines() if "<xm" in line or "<ym" in line] == (
            corners
        )
    again = masks(found_in(IMPORT, out))
    assert again == masks(found_in(IMPORT, source))


def test_objects_are_told_apart_by_number(voc: Callable[..., Path]) -> None:
    left, right = block(0, 0, 4, 6), block(4, 0, 8, 6)
    flags = "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult>"
    part = "<part><name>head</name><bndbox><xmin>2</xmin></bndbox></part>"
    page = xml(
        thing("cat", 1, 1, 4, 6, flags),
        thing("cat", 4, 1, 8, 6, f"<occluded>1</occluded>{part}"),
    )
    found = found_in(IMPORT, voc(page, np.where(left, 8, 8), left + 2 * right))
    assert masks(found) == [("cat", Mask.from_array(left)), ("cat", Mask.from_array(right))]
    one, two = (row for row in found if isinstance(row, FoundAnnotation))
    assert (one.attributes, one.record) == ({"pose": "Left", "truncated": True}, {})
    assert two.attributes == {"occluded": True}
    assert two.record == {
        "bndbox": ["4", "1", "8", "6"],
        "more": [["part", "", [["name", "head", []], ["bndbox", "", [["xmin", "2", []]]]]]],
    }


def test_where_numbers_and_classes_disagree_boxes_decide(voc: Callable[..., Path]) -> None:
    left, right = block(0, 0, 4, 6), block(4, 0, 8, 6)
    page = xml(
        thing("dog", 5, 1, 8, 6, "<difficult>1</difficult>"),
        thing("cow", 1, 1, 2, 2),
        thing("cat", 1, 1, 4, 6, "<truncated>1</truncated>"),
    )
    classes = 8 * left + 12 * right
    found = found_in(IMPORT, voc(page, classes, left + 2 * right))
    rows = [row for row in found if isinstance(row, FoundAnnotation)]
    assert [(row.category, dict(row.attributes)) for row in rows] == [
        ("cat", {"truncated": True}), ("dog", {"difficult": True}), ("cow", {"box_only": True}),
    ]  # fmt: skip
    assert masks(found)[:2] == [("cat", Mask.from_array(left)), ("dog", Mask.from_array(right))]


def test_an_object_map_without_classes_has_those_of_the_xml(voc: Callable[..., Path]) -> None:
    left, right = block(0, 0, 4, 6), block(4, 0, 8, 6)
    page = xml(thing("zebra", 5, 1, 8, 6), thing("gnu", 1, 1, 4, 6))
    assert masks(found_in(IMPORT, voc(page, None, left + 2 * right))) == [
        ("gnu", Mask.from_array(left)), ("zebra", Mask.from_array(right)),
    ]  # fmt: skip
    (voc() / "Annotations" / "a.xml").unlink()
    assert faults(found_in(IMPORT, voc(None, None, left + 0))) == [
        "SegmentationObject/a.png, object 1: The object has no class, neither in a class map nor "
        "in an XML."
    ]


def test_what_only_the_class_map_has_lies_behind_the_objects(voc: Callable[..., Path]) -> None:
    sky, cat = block(0, 0, 8, 3), block(2, 2, 5, 6)
    classes = np.where(cat, 1, 2 * sky)
    found = found_in(IMPORT, voc(None, classes, cat + 0, names="_background_\ncat\nsky\n"))
    assert masks(found) == [("sky", Mask.from_array(sky & ~cat)), ("cat", Mask.from_array(cat))]


def test_an_object_without_pixels_is_a_box_or_left_out(voc: Callable[..., Path]) -> None:
    cat = block(0, 0, 3, 3)
    source = voc(xml(thing("cat", 1, 1, 3, 3), thing("dog", 5, 5, 9, 9)), 8 * cat, cat + 0)
    box = ("dog", Mask.from_array(block(4, 4, 8, 6)))
    assert masks(found_in(IMPORT, source)) == [("cat", Mask.from_array(cat)), box]
    only = found_in(IMPORT, source, VocImportOptions(boxes=False))
    assert masks(only) == [("cat", Mask.from_array(cat))]


def test_cvats_colours_stand_for_classes_and_objects(voc: Callable[..., Path]) -> None:
    cat, dog = block(0, 0, 4, 6), block(4, 0, 7, 6)
    source = voc()
    (source / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:10,200,30::\ndog:5,6,7::\n",
        "utf-8",
    )
    colours = np.array([(0, 0, 0), (10, 200, 30), (5, 6, 7)], dtype=np.uint8)
    Image.fromarray(colours[cat + 2 * dog]).save(source / "SegmentationClass" / "a.png")
    palette = np.array(voc_palette(), dtype=np.uint8)
    Image.fromarray(palette[cat + 2 * dog]).save(source / "SegmentationObject" / "a.png")
    expected = [("cat", Mask.from_array(cat)), ("dog", Mask.from_array(dog))]
    assert masks(found_in(IMPORT, source)) == expected
    Image.fromarray(palette[cat + 2 * dog]).save(source / "SegmentationClass" / "a.png")
    (text,) = faults(found_in(IMPORT, source))
    assert text == (
        "SegmentationClass/a.png: It has pixels of the colour (128, 0, 0), which stands for "
        "nothing."
    )


def test_a_devkit_of_two_years_and_its_lists(voc: Callable[..., Path], tmp_path: Path) -> None:
    source = voc(xml(thing("cat", 1, 1, 4, 6)))
    (tmp_path / "kit" / "VOCdevkit").mkdir(parents=True)
    for year, split in (("VOC2007", "train"), ("VOC2012", "val")):
        lists = source / "ImageSets" / "Main"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{split}.txt").write_text("a\n", "utf-8")
        (lists / "trainval.txt").write_text("a\n", "utf-8")
        (lists / "cat_test.txt").write_text("a -1\n", "utf-8")
        target = tmp_path / "kit" / "VOCdevkit" / year
        os.system(f"cp -r '{source}' '{target}'")
        (lists / f"{split}.txt").unlink()
    assert IMPORT.recognises(tmp_path / "kit")
    images = [row for row in found_in(IMPORT, tmp_path / "kit") if isinstance(row, FoundImage)]
    assert [(row.key, row.split) for row in images] == [
        ("VOCdevkit/VOC2007/a", "train"), ("VOCdevkit/VOC2012/a", "val"),
    ]  # fmt: skip
    chosen = found_in(IMPORT, tmp_path / "kit", VocImportOptions(split="val"))
    assert [row.key for row in chosen if isinstance(row, FoundImage)] == ["VOCdevkit/VOC2012/a"]


def test_a_plain_folder_of_xml_and_images_is_one_too(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((*SIZE, 3), dtype=np.uint8)).save(tmp_path / "b.png")
    (tmp_path / "b.xml").write_text(xml(thing("x y", 1, 1, 2, 2), name="b"), "utf-8")
    (tmp_path / "c.jpg").write_bytes(b"")
    assert IMPORT.recognises(tmp_path)
    found = found_in(IMPORT, tmp_path)
    images = [row for row in found if isinstance(row, FoundImage)]
    assert [(row.name, row.file, row.labelled) for row in images] == [
        ("b.png", tmp_path / "b.png", True), ("c.jpg", tmp_path / "c.jpg", False),
    ]  # fmt: skip
    assert masks(found) == [("x y", Mask.from_array(block(0, 0, 2, 2)))]


LAUGHS = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
SECRET = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (LAUGHS + xml(thing("&b;", 1, 1, 2, 2)), "a.xml: It declares a document type or entities"),
        (SECRET + xml(thing("&a;", 1, 1, 2, 2)), "a.xml: It declares a document type or entities"),
        ("<annotation>\n<object>\n</annotation>", "a.xml, line 3: This is not valid XML."),
        ("", "a.xml, line 1: This is not valid XML."),
        ("<html/>", "a.xml: Its first element is not “annotation”"),
        (
            xml(name="../../a.jpg"),
            "filename: The path “JPEGImages/../../a.jpg” leads out of the source.",
        ),
        (xml(name="/etc/passwd"), "leads out of the source"),
        (xml(size=(10**9, 10**9)), "size: No image is 1000000000 x 1000000000 pixels."),
        (xml(thing("cat", 1, 1, "nan", 2)), "object 1: A corner of its box is not a finite number"),
        (xml(thing("cat", 1, 1, "1e999", 2)), "object 1: A corner of its box is not a finite"),
        (xml(thing("cat", 1, 1, "two", 2)), "object 1: The corners of its box are not four"),
        (xml(thing("cat", 3, 1, 2, 2)), "object 1: Its box ends before it begins."),
        (xml(thing("  ", 1, 1, 2, 2)), "object 1: The object has no name."),
        (xml("<name>cat</name>"), "object 1: The corners of its box are not four numbers."),
        (
            xml(thing("cat", 1, 1, 2, 2, "<a>" * 20 + "</a>" * 20)),
            "object 1: Its elements are nested too deep.",
        ),
        (f"<annotation>{'<a>' * 20}{'</a>' * 20}</annotation>", "nested too deep"),
    ],
)
def test_a_page_that_cannot_be_used_is_a_fault_with_its_place(
    page: str, reason: str, voc: Callable[..., Path]
) -> None:
    texts = faults(found_in(IMPORT, voc(page)))
    assert len(texts) == 1
    assert texts[0].startswith("Annotations/a.xml")
    assert reason in texts[0]


def test_a_million_elements_inside_one_another_are_refused(voc: Callable[..., Path]) -> None:
    deep = "<annotation>" + "<a>" * 100_000 + "</a>" * 100_000 + "</annotation>"
    (text,) = faults(found_in(IMPORT, voc(deep)))
    assert "nested too deep" in text


def test_maps_of_another_size_and_broken_ones_are_faults(voc: Callable[..., Path]) -> None:
    source = voc(xml(thing("cat", 1, 1, 2, 2)), None, np.ones((6, 9)))
    assert faults(found_in(IMPORT, source)) == [
        "SegmentationObject/a.png: The map is 9 x 6 pixels and its image 8 x 6."
    ]
    (source / "SegmentationObject" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert faults(found_in(IMPORT, source)) == [
        "SegmentationObject/a.png: It is not a PNG, as label maps are."
    ]


def test_a_class_without_a_name_is_a_fault(voc: Callable[..., Path]) -> None:
    source = voc(None, 3 * block(0, 0, 2, 2), None, names="_background_\ncat\ncat\n")
    assert faults(found_in(IMPORT, source)) == [
        "class_names.txt, line 3: The class “cat” is there twice.",
        "SegmentationClass/a.png, index 3: The class index 3 has no name in class_names.txt.",
    ]


def test_links_that_lead_out_are_left_alone(voc: Callable[..., Path], tmp_path: Path) -> None:
    source = voc(xml(thing("cat", 1, 1, 2, 2)))
    (tmp_path / "secret.xml").write_text(xml(thing("secret", 1, 1, 2, 2)), "utf-8")
    (source / "Annotations" / "b.xml").symlink_to(tmp_path / "secret.xml")
    names = [row.name for row in found_in(IMPORT, source) if isinstance(row, FoundCategory)]
    assert names == ["cat"]


def test_a_box_outside_its_image_says_so_when_it_is_drawn(voc: Callable[..., Path]) -> None:
    found = found_in(IMPORT, voc(xml(thing("cat", 100, 100, 200, 200))))
    (row,) = (row for row in found if isinstance(row, FoundAnnotation))
    with pytest.raises(Exception, match=r"holds no pixel of the image, which is 8 x 6"):
        row.mask(SIZE)


@pytest.mark.parametrize("border", [1, 2])
def test_what_a_border_takes_is_reckoned_to_the_pixel(border: int, tmp_path: Path) -> None:
    project = photo_project(tmp_path / "photos")
    photo = project.all_images[1]
    small = project.annotate(photo, project.all_categories[0], disc(photo.size, 30, 150, 1))
    options = VocOptions(border=border)
    out = write(EXPORT, project, tmp_path / "out", options)
    holding = EXPORT.holding(project, options)
    drawn = [holding.image(row, project.annotations(row.id)) for row in project.all_images[:4]]
    expected = [(item.category, item.mask) for image in drawn for item in image.annotations]
    by_name = {image.name: image for image in drawn}
    found = found_in(IMPORT, out)
    order = [row.name for row in found if isinstance(row, FoundImage)]
    expected = [(item.category, item.mask) for name in order for item in by_name[name].annotations]
    assert masks(found) == expected
    lost = [loss for loss in by_name["astronaut.png"].losses if loss.annotation_id == small.id]
    if border == 2:
        assert [loss.kind.value for loss in lost] == ["border"]
        assert "only its box is left" in lost[0].text


def test_torchvision_reads_what_we_write(tmp_path: Path) -> None:
    project = photo_project(tmp_path / "photos")
    out = write(EXPORT, project, tmp_path / "out", VocOptions(devkit=True))
    detection = VOCDetection(str(out), year="2012", image_set="train")
    segmentation = VOCSegmentation(str(out), year="2012", image_set="train")
    assert len(detection) == len(segmentation) == 3
    photo, page = detection[0]
    assert photo.size == (226, 150)
    objects = page["annotation"]["object"]
    assert [item["name"] for item in objects] == ["cat", 'table <wood> & "cloth"', "cat"]
    back, front, middle = project.all_annotations[:3]
    assert [int(value) for value in objects[2]["bndbox"].values()] == [
        int(front.mask.box.x0) + 1, int(front.mask.box.y0) + 1,
        int(front.mask.box.x1), int(front.mask.box.y1),
    ]  # fmt: skip
    photo, classes = segmentation[0]
    expected = np.zeros((150, 226), dtype=np.uint8)
    for annotation, index in ((back, 1), (middle, 3), (front, 1)):
        expected[annotation.mask.to_array()] = index
    np.testing.assert_array_equal(np.asarray(classes), expected)
    assert IMPORT.recognises(out)


def test_a_page_leaves_with_what_it_came_with(voc: Callable[..., Path], tmp_path: Path) -> None:
    cat = block(0, 0, 3, 3)
    part = "<part><name>head</name><note>é &lt;b&gt;</note></part>"
    page = xml(thing("cat", 1, 1, 4, 4, part)).replace(
        "<filename>",
        "<source><database>The VOC2007 Database</database><image>flickr</image></source>"
        "<owner><flickrid>x</flickrid></owner><filename>",
    )
    project = project_of(found_in(IMPORT, voc(page, 8 * cat, cat + 0)), tmp_path / "p", IMPORT.key)
    for changed in (False, True):
        if changed:
            row = project.all_annotations[0]
            project.all_annotations[0] = replace(row, mask=Mask.from_array(block(1, 1, 3, 3)))
        text = (write(EXPORT, project, tmp_path / f"{changed}") / "Annotations/a.xml").read_text()
        flat = "".join(line.strip() for line in text.splitlines())
        assert "<database>The VOC2007 Database</database>" in flat
        assert "<owner><flickrid>x</flickrid></owner>" in flat
        assert part in flat
        corners = "<xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax>"
        if not changed:
            corners = "<xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax>"
        assert f"<bndbox>{corners}</bndbox>" in flat


@pytest.mark.parametrize("kind", ["Class", "Object"])
def test_a_map_that_is_gone_is_seen_when_an_export_is_read_back(kind: str, tmp_path: Path) -> None:
    project = photo_project(tmp_path / "photos")
    out = write(EXPORT, project, tmp_path / "out")
    again = [*EXPORT.reread(out, VocOptions(), ignore_progress, CancelToken())]
    assert not faults(again)
    (out / f"Segmentation{kind}" / "desk_turned.png").unlink()
    again = [*EXPORT.reread(out, VocOptions(), ignore_progress, CancelToken())]
    assert faults(again) == ["desk_turned: An XML or one of the two label maps is missing."]


def test_an_export_of_boxes_needs_no_maps_to_be_read_back(tmp_path: Path) -> None:
    project = photo_project(tmp_path / "photos")
    photo = project.all_images[0]
    project.all_annotations = []
    mask = np.zeros(photo.size, dtype=bool)
    mask[3:9, 4:7] = True
    project.annotate(photo, project.all_categories[0], mask, attributes={"box_only": True})
    out = write(EXPORT, project, tmp_path / "out")
    again = [*EXPORT.reread(out, VocOptions(), ignore_progress, CancelToken())]
    assert masks(again) == [("cat", Mask.from_array(mask))]


def test_losses_say_what_and_how_much(tmp_path: Path) -> None:
    project: MemoryProject = photo_project(tmp_path / "photos")
    photo = project.all_images[0]
    holding = EXPORT.holding(project, VocOptions())
    image = holding.image(photo, project.annotations(photo.id))
    back, front, middle = project.all_annotations[:3]
    covered = back.mask.intersect(middle.mask.union(front.mask)).area
    assert [(loss.kind.value, loss.annotation_id, loss.pixels) for loss in image.losses] == [
        ("overlap", back.id, covered),
        ("overlap", middle.id, middle.mask.intersect(front.mask).area),
    ]
    photo = project.all_images[1]
    image = holding.image(photo, project.annotations(photo.id))
    assert [loss.kind.value for loss in image.losses] == ["crowd"]

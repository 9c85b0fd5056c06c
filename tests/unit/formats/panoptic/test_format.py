"""COCO panoptic beside panopticapi's own samples: its PNGs, 2-channel maps and detection JSON."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found_project import found_in, project_of, write
from memory_project import MemoryProject, disc, photo_project
from PIL import Image
from pycocotools import mask as coco_masks

from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.formats.found import Fault, FoundAnnotation, FoundCategory, FoundImage
from segstudio.formats.holding import HeldImage
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.panoptic.format import (
    CocoPanopticFormat,
    CocoPanopticImport,
    CocoPanopticOptions,
)

IMPORT, EXPORT = CocoPanopticImport(), CocoPanopticFormat()


@pytest.fixture
def sample(reference_data: Path) -> Path:
    return reference_data / "coco_panoptic"


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


def ids_of(path: Path) -> np.ndarray:
    """panopticapi's rgb2id."""
    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return rgb[..., 0] + 256 * rgb[..., 1] + 256 * 256 * rgb[..., 2]


def loaded(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def held(project: MemoryProject, index: int, **options: object) -> HeldImage:
    holding = EXPORT.holding(project, CocoPanopticOptions(**options))  # type: ignore[arg-type]
    image = project.all_images[index]
    return holding.image(image, project.annotations(image.id))


def faults(source: Path) -> list[str]:
    return [f"{row.place}: {row.reason}" for row in found_in(IMPORT, source) if type(row) is Fault]


def tiny(folder: Path) -> dict[str, Any]:
    """A dataset of one 4 x 3 image with two segments, ids 1 and 258."""
    (folder / "panoptic_val").mkdir(parents=True)
    pixels = np.zeros((3, 4, 3), dtype=np.uint8)
    pixels[0] = (1, 0, 0)
    pixels[1] = (2, 1, 0)
    Image.fromarray(pixels).save(folder / "panoptic_val" / "a.png")
    Image.fromarray(pixels).save(folder / "a.jpg")
    segments = [{"id": 1, "category_id": 3}, {"id": 258, "category_id": 3, "iscrowd": 1}]
    data = {
        "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 3, "name": "cat", "isthing": 1}],
        "images": [{"id": 7, "file_name": "a.jpg", "width": 4, "height": 3}],
    }
    save(folder, data)
    return data


def save(folder: Path, data: dict[str, Any]) -> None:
    (folder / "panoptic_val.json").write_text(json.dumps(data), "utf-8")


def test_the_sample_comes_in_with_its_exact_masks(sample: Path) -> None:
    found = found_in(IMPORT, sample / "panoptic_examples.json")
    assert not [row for row in found if isinstance(row, Fault)]
    rows = [row for row in found if isinstance(row, FoundAnnotation)]
    sizes = {row.key: row.size for row in found if isinstance(row, FoundImage)}
    categories = {row.key: row for row in found if isinstance(row, FoundCategory)}
    assert len(categories) == 133
    source = loaded(sample / "panoptic_examples.json")
    segments = [
        (entry, segment) for entry in source["annotations"] for segment in entry["segments_info"]
    ]
    others = loaded(sample / "panoptic_coco_detection_format.json")["annotations"]
    assert len(rows) == len(segments) == len(others) == 50
    for row, (entry, segment), other in zip(rows, segments, others, strict=True):
        mask = row.mask(sizes[row.image] or (0, 0))
        assert row.key == f"{entry['image_id']}:{segment['id']}"
        assert mask.area == segment["area"]
        assert (row.category, row.iscrowd) == (str(segment["category_id"]), segment["iscrowd"])
        np.testing.assert_array_equal(mask.to_array(), coco_masks.decode(other["segmentation"]))
    assert sum(row.iscrowd for row in rows) == 3
    assert {key for key, row in categories.items() if not row.isthing} == {
        str(item["id"]) for item in source["categories"] if not item["isthing"]
    }


def test_the_sample_goes_out_as_it_came(sample: Path, tmp_path: Path) -> None:
    project = project_of(
        found_in(IMPORT, sample / "panoptic_examples.json"), tmp_path / "photos", IMPORT.key
    )
    out = write(EXPORT, project, tmp_path / "out")
    ours = loaded(out / "annotations" / "panoptic_default.json")
    theirs = loaded(sample / "panoptic_examples.json")
    assert ours["annotations"] == theirs["annotations"]
    assert ours["categories"] == theirs["categories"]
    assert (ours["info"], ours["licenses"]) == (theirs["info"], theirs["licenses"])
    for image in ours["images"]:
        assert image.pop("source_path") == image["file_name"]
    assert ours["images"] == theirs["images"]
    for entry in theirs["annotations"]:
        name = entry["file_name"]
        own = ids_of(out / "annotations" / "panoptic_default" / name)
        np.testing.assert_array_equal(own, ids_of(sample / "panoptic_examples" / name))
        # The 2-channel format has the category in red, 0 for none.
        with Image.open(sample / "panoptic_examples_2ch_format" / name) as image:
            semantic = np.asarray(image)[..., 0]
        table = {segment["id"]: segment["category_id"] for segment in entry["segments_info"]}
        assert set(np.unique(own)) <= {0, *table}
        mapped = np.vectorize({0: 0, **table}.get)(own)
        np.testing.assert_array_equal(mapped, semantic)


def test_a_folder_is_found_and_only_panoptic_is_recognised(sample: Path) -> None:
    assert IMPORT.recognises(sample)
    assert IMPORT.recognises(sample / "panoptic_examples.json")
    assert not IMPORT.recognises(sample / "panoptic_coco_detection_format.json")
    assert not IMPORT.recognises(sample / "input_images")
    found = [row for row in found_in(IMPORT, sample) if isinstance(row, FoundImage)]
    assert [row.file for row in found] == [sample / "input_images" / row.name for row in found]


def test_every_pixel_has_the_segment_in_front(project: MemoryProject, tmp_path: Path) -> None:
    out = write(EXPORT, project, tmp_path / "out") / "annotations"
    back, front, middle = project.all_annotations[:3]
    entry = loaded(out / "panoptic_train.json")["annotations"][0]
    ids = ids_of(out / "panoptic_train" / entry["file_name"])
    assert [row["category_id"] for row in entry["segments_info"]] == [1, 3, 1]
    expected = np.zeros(ids.shape, dtype=int)
    drawn = (back, middle, front)
    for row, annotation in zip(entry["segments_info"], drawn, strict=True):
        expected[annotation.mask.to_array()] = row["id"]
    np.testing.assert_array_equal(ids, expected)
    for row in entry["segments_info"]:
        assert row["area"] == np.count_nonzero(ids == row["id"])
        assert row["bbox"] == [int(value) for value in Mask.from_array(ids == row["id"]).bbox]
    colour = project.all_categories[0].rgb
    assert entry["segments_info"][0]["id"] == colour[0] + 256 * colour[1] + 65536 * colour[2]


def test_stuff_becomes_one_segment_and_each_annotation_says_so(
    project: MemoryProject, tmp_path: Path
) -> None:
    photo, table = project.all_images[2], project.all_categories[2]
    project.annotate(photo, table, disc(photo.size, 20, 20, 8), attributes={"note": "left"})
    project.annotate(photo, table, disc(photo.size, 50, 80, 4), iscrowd=True, z_order=5)
    one, two, crowd = (row.id for row in project.annotations(photo.id))
    together = held(project, 2)
    assert [item.ids for item in together.annotations] == [(one, two), (crowd,)]
    assert not together.ordered
    lost = [(loss.kind.value, loss.annotation_id) for loss in together.losses]
    assert lost == [
        ("overlap", one), ("instances", one), ("attributes", one),
        ("instances", two), ("attributes", two),
    ]  # fmt: skip
    apart = held(project, 2, merge_stuff=False)
    assert [item.ids for item in apart.annotations] == [(one,), (two,), (crowd,)]
    out = write(EXPORT, project, tmp_path / "out") / "annotations"
    entry = loaded(out / "panoptic_train.json")["annotations"][1]
    assert [row["iscrowd"] for row in entry["segments_info"]] == [0, 1]


def test_what_is_covered_is_left_out_and_said_so(project: MemoryProject, tmp_path: Path) -> None:
    photo = project.all_images[1]
    cover = project.annotate(
        photo, project.all_categories[0], np.ones(photo.size, dtype=bool), z_order=9
    )
    image = held(project, 1)
    assert [item.ids for item in image.annotations] == [(cover.id,)]
    covered = [loss for loss in image.losses if loss.kind.value == "covered"]
    assert [loss.pixels for loss in covered] == [
        row.mask.area for row in project.annotations(photo.id)[:2]
    ]
    out = write(EXPORT, project, tmp_path / "out") / "annotations"
    entry = loaded(out / "panoptic_val.json")["annotations"][0]
    assert len(entry["segments_info"]) == 1


def test_what_coco_has_no_word_for_comes_back(project: MemoryProject, tmp_path: Path) -> None:
    out = write(EXPORT, project, tmp_path / "out")
    rows = [row for row in found_in(IMPORT, out) if isinstance(row, FoundAnnotation)]
    by_area = {row.mask((150, 226)).area: row for row in rows if row.image == "1"}
    front = by_area[project.all_annotations[1].mask.area]
    assert (front.stage.value, front.model_key) == ("automatic", "graph_cut")
    back = next(row for row in by_area.values() if row.tool == "point")
    assert (back.predicted_iou, back.stability) == (0.9, 0.95)
    assert {"truncated": True} in [dict(row.attributes) for row in rows]


def test_a_changed_mask_leaves_with_its_own_area_and_the_old_id(
    sample: Path, tmp_path: Path
) -> None:
    found = found_in(IMPORT, sample / "panoptic_examples.json")
    project = project_of(found, tmp_path / "photos", IMPORT.key)
    first = project.all_annotations[0]
    smaller = first.mask.to_array()
    smaller[: np.argwhere(smaller)[:, 0].mean().astype(int)] = False
    project.all_annotations[0] = replace(first, mask=Mask.from_array(smaller), tool="brush")
    out = write(EXPORT, project, tmp_path / "out") / "annotations"
    ours = loaded(out / "panoptic_default.json")["annotations"][0]["segments_info"][0]
    theirs = loaded(sample / "panoptic_examples.json")["annotations"][0]["segments_info"][0]
    assert ours["id"] == theirs["id"]
    assert ours["area"] == np.count_nonzero(smaller)
    assert ours["tool"] == "brush"


def test_lists_may_come_in_any_order(tmp_path: Path) -> None:
    data = tiny(tmp_path)
    expected = [type(row).__name__ for row in found_in(IMPORT, tmp_path)]
    assert expected.count("FoundAnnotation") == 2
    for keys in (("images", "annotations", "categories"), ("categories", "images", "annotations")):
        save(tmp_path, {key: data[key] for key in keys})
        assert sorted(expected) == sorted(type(row).__name__ for row in found_in(IMPORT, tmp_path))


def test_images_without_segments_are_not_labelled(tmp_path: Path) -> None:
    data = tiny(tmp_path)
    data["images"].append({"id": 8, "file_name": "b.jpg", "width": 4, "height": 3})
    save(tmp_path, data)
    images = [row for row in found_in(IMPORT, tmp_path) if isinstance(row, FoundImage)]
    assert [(row.key, row.labelled) for row in images] == [("7", True), ("8", False)]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("annotations.0.file_name", "../a.png", "leads out of the source"),
        ("annotations.0.file_name", "b.png", "PNG “b.png” is not there"),
        ("annotations.0.image_id", 9, "There is no image 9"),
        ("annotations.0.segments_info.0.id", 0, "segments_info[0]: Id: expected `int` >= 1"),
        ("annotations.0.segments_info.0.id", 1 << 24, "Id: expected `int` <= 16777215"),
        ("annotations.0.segments_info.0.id", 258, "no pixel of the PNG is left for the segment"),
        ("annotations.0.segments_info.0.id", 5, "pixels of id 1 belong to no segment"),
        ("annotations.0.segments_info.0.category_id", 4, "There is no category 4"),
        ("annotations.0.segments_info.0.bbox", [0, 0, "x", 1], "Bbox: it is not four numbers"),
        ("annotations.0.segments_info.0", 3, "Expected `object`"),
        ("annotations.0.segments_info", {}, "Segments_info: expected `array`"),
        ("images.0.width", 5, "is 4 x 3 pixels and its image 5 x 3"),
        ("images.0.width", 10**9, "claims 1000000000 x 3"),
        ("images.0.file_name", "/etc/passwd", "leads out of the source"),
        ("images.0.id", "7", "Id: expected `int`"),
        ("categories.0.name", 5, "Name: expected `str`"),
    ],
)
def test_what_is_wrong_is_a_fault_with_its_place(
    path: str, value: object, reason: str, tmp_path: Path
) -> None:
    data: Any = tiny(tmp_path)
    at = data
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    for part in parents:
        at = at[part]
    at[last] = value
    save(tmp_path, data)
    texts = faults(tmp_path)
    assert any(reason.lower() in text.lower() for text in texts), texts
    assert all(text.startswith(("panoptic_val.json, ", "panoptic_val/a.png")) for text in texts)


def test_two_annotations_of_an_image_and_two_of_an_id_are_faults(tmp_path: Path) -> None:
    data = tiny(tmp_path)
    for key in ("annotations", "images", "categories"):
        data[key] *= 2
    save(tmp_path, data)
    assert faults(tmp_path) == [
        "panoptic_val.json, categories[1]: The category id 3 is there twice.",
        "panoptic_val.json, images[1]: The image id 7 is there twice.",
        "panoptic_val.json, annotations[1]: The image 7 has two annotations.",
    ]


def test_two_files_with_the_same_ids_do_not_clash(tmp_path: Path) -> None:
    data = tiny(tmp_path)
    shutil.copytree(tmp_path / "panoptic_val", tmp_path / "panoptic_train")
    data["images"][0]["file_name"] = "b.jpg"
    (tmp_path / "panoptic_train.json").write_text(json.dumps(data), "utf-8")
    found = found_in(IMPORT, tmp_path)
    assert not [row for row in found if isinstance(row, Fault)]
    images = [(row.key, row.split) for row in found if isinstance(row, FoundImage)]
    assert images == [("7", "train"), ("panoptic_val.json:7", "val")]
    assert len([row for row in found if isinstance(row, FoundCategory)]) == 1
    only = list(IMPORT.read(tmp_path, ImportOptions(split="val"), ignore_progress, CancelToken()))
    assert [row.split for row in only if isinstance(row, FoundImage)] == ["val"]

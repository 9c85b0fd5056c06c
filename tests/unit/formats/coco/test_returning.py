"""What came from COCO leaves with its ids, names and remarks, and what changed says what it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_project import MemoryProject, disc

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box, Mask
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.formats.coco.entries import AnnotationEntry as Entry
from segstudio.formats.coco.entries import kept, mask_of, told
from segstudio.formats.coco.format import CocoFormat, CocoOptions
from segstudio.formats.coco.numbers import Numbering, file_names
from segstudio.formats.found import Place
from segstudio.formats.json_files import shaped

SIZE = (20, 30)
POLYGON = {
    "segmentation": [[2.5, 3.25, 8.0, 3.0, 8.0, 9.0], [20, 10, 25, 10, 25, 15]],
    "area": 30.123,
    "bbox": [2.5, 3.0, 22.5, 12.0],
    "iscrowd": 0,
    "keypoints": [1, 2, 2],
    "attributes": {"occluded": False},
}


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    project = MemoryProject(tmp_path / "photos")
    project.add_category("dog")
    project.add_photo("a b/x.png", np.zeros((*SIZE, 3), dtype=np.uint8), split="train")
    return project


def bring(project: MemoryProject, number: int, **entry: Any) -> Annotation:
    """An annotation as an import would add it."""
    (photo, *_), (category, *_) = project.images(), project.categories()
    said = {"id": number, "image_id": 7, "category_id": 18, **entry}
    shape = shaped(said, Entry, Place("x"))
    drawn = mask_of(shape)
    mask = drawn if isinstance(drawn, Mask) else drawn(SIZE)
    fields = told(said)
    row = project.annotate(
        photo,
        category,
        mask,
        z_order=len(project.all_annotations),
        iscrowd=fields.iscrowd,
        attributes=fields.attributes,
        tool=fields.tool,
        stage=fields.stage,
        model_key=fields.model_key,
        predicted_iou=fields.predicted_iou,
        stability=fields.stability,
    )
    record = kept(said, drawn if isinstance(drawn, Mask) else None)
    origin = Origin("coco", str(number), record, mask_key(mask))
    project.all_origins[OriginKind.ANNOTATION, row.id] = origin
    return row


def change(project: MemoryProject, row: Annotation, **more: Any) -> None:
    project.all_annotations[project.all_annotations.index(row)] = replace(row, **more)


def written(project: MemoryProject, folder: Path, **options: Any) -> dict[str, Any]:
    folder.mkdir()
    chosen = CocoOptions(**options)
    CocoFormat().write(project, folder, chosen, ignore_progress, CancelToken())
    path = folder / "annotations" / "instances_train.json"
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return data


COMPRESSED = Mask.from_array(disc(SIZE, 9, 9, 5)).to_coco()
RUNS = {"size": [20, 30], "counts": [10, 5, 585]}


@pytest.mark.parametrize(
    "entry",
    [
        POLYGON,
        {"segmentation": COMPRESSED, "area": 9, "bbox": [1, 2, 3, 4], "iscrowd": 0},
        {"segmentation": RUNS, "area": 5.5, "bbox": [0, 10, 1, 5], "iscrowd": 1, "z_order": 0},
        {"segmentation": [], "area": 9, "bbox": [1, 2, 3, 4], "iscrowd": 0, "score": 0.5},
        {"bbox": [1, 2, 3, 4], "area": None, "iscrowd": False, "attributes": "odd", "stage": 9},
        {**POLYGON, "stage": "automatic", "tool": "t", "model": "m", "predicted_iou": 0.5},
        {**POLYGON, "predicted_iou": "high", "attributes": None, "model": None, "tool": 3},
    ],
    ids=range(7),
)
@pytest.mark.parametrize("segmentation", ["rle", "polygons"])
def test_an_entry_that_nobody_changed_leaves_as_it_came(
    project: MemoryProject, tmp_path: Path, entry: dict[str, Any], segmentation: str
) -> None:
    bring(project, 41, **entry)
    (found,) = written(project, tmp_path / "out", segmentation=segmentation)["annotations"]
    wanted = {"id": 41, "image_id": 1, "category_id": 1, **entry}
    if wanted["area"] is None:
        wanted["area"] = project.all_annotations[0].mask.area
    assert found == wanted


def test_what_was_changed_is_written_and_nothing_else(
    project: MemoryProject, tmp_path: Path
) -> None:
    row = bring(project, 41, **POLYGON, tool="t", stage="automatic")
    more = {"attributes": {"occluded": True}, "stage": Stage.ASSISTED, "predicted_iou": 0.75}
    change(project, row, **more)
    (found,) = written(project, tmp_path / "out")["annotations"]
    ids = {"id": 41, "image_id": 1, "category_id": 1}
    changed = {"attributes": {"occluded": True}, "stage": "assisted", "predicted_iou": 0.75}
    assert found == {**ids, **POLYGON, "tool": "t", **changed}


def test_a_crowd_that_is_none_any_more_is_written_anew(
    project: MemoryProject, tmp_path: Path
) -> None:
    row = bring(project, 41, segmentation=RUNS, area=99.5, bbox=[0, 0, 9, 9], iscrowd=1)
    change(project, row, iscrowd=False)
    (found,) = written(project, tmp_path / "out", segmentation="polygons")["annotations"]
    assert found["iscrowd"] == 0
    assert isinstance(found["segmentation"], list)
    assert (found["area"], found["bbox"]) == (5, [0.0, 10.0, 1.0, 5.0])


def test_a_box_that_became_a_mask_does_not_say_that_it_is_only_a_box(
    project: MemoryProject, tmp_path: Path
) -> None:
    row = bring(project, 41, segmentation=[], bbox=[1, 2, 3, 4])
    mask = Mask.from_array(disc(SIZE, 9, 9, 5))
    change(project, row, mask=mask)
    (found,) = written(project, tmp_path / "out")["annotations"]
    assert found["segmentation"] == mask.to_coco()
    assert "attributes" not in found


def test_on_wish_the_export_is_as_of_our_own_making(project: MemoryProject, tmp_path: Path) -> None:
    row = bring(project, 41, **POLYGON)
    (found,) = written(project, tmp_path / "out", as_imported=False)["annotations"]
    assert found["id"] == row.id
    assert found["segmentation"] == row.mask.to_coco()
    assert found["area"] == row.mask.area
    assert "keypoints" not in found


def test_what_is_held_is_what_the_source_said_of_its_boxes(project: MemoryProject) -> None:
    kept_row, changed_row = bring(project, 41, **POLYGON), bring(project, 42, **POLYGON)
    change(project, changed_row, mask=Mask.from_array(disc(SIZE, 9, 9, 5)))
    (photo,) = project.images()
    for wanted, boxes in ((True, [Box(2.5, 3, 25, 15), None]), (False, [None, None])):
        options = CocoOptions(as_imported=wanted)
        held = CocoFormat().holding(project, options).image(photo, project.annotations(photo.id))
        assert [row.box for row in held.annotations] == boxes
        assert [row.ids for row in held.annotations] == [(kept_row.id,), (changed_row.id,)]


def test_datasets_images_and_categories_keep_what_they_said(
    project: MemoryProject, tmp_path: Path
) -> None:
    photo, dog = project.all_images[0], project.all_categories[0]
    project.add_category("cat")
    image = {"file_name": "deep/0007.png", "width": 30, "height": 20, "license": 4, "coco_url": "u"}
    category = {"name": "dog", "supercategory": "animal", "skeleton": [[1, 2]]}
    said = {"info": {"year": 2017}, "licenses": [{"id": 4}], "extra": 3}
    project.all_categories[0] = replace(dog, supercategory="animal")
    project.all_origins |= {
        (OriginKind.IMAGE, photo.id): Origin("coco", "790", image),
        (OriginKind.CATEGORY, dog.id): Origin("coco", "18", category),
        (OriginKind.PROJECT, 0): Origin("coco", "", {"by_split": {"val": {}, "train": said}}),
    }
    row = project.annotate(photo, dog, disc(SIZE, 9, 9, 5))
    data = written(project, tmp_path / "out")
    assert {key: data[key] for key in said} == said
    assert data["images"] == [
        {**image, "id": 790, "file_name": "0007.png", "source_path": "a b/x.png"}
    ]
    assert (tmp_path / "out" / "images" / "0007.png").is_file()
    found, new = data["categories"]
    assert found.items() >= {**category, "id": 18}.items()
    assert (new["id"], new["name"]) == (19, "cat")
    (entry,) = data["annotations"]
    assert (entry["id"], entry["image_id"], entry["category_id"]) == (row.id, 790, 18)


def test_names_of_files_are_kept_only_where_they_are_safe_and_their_own(
    project: MemoryProject,
) -> None:
    pixels = np.zeros((*SIZE, 3), dtype=np.uint8)
    wanted = {
        "1.png": "../../0001.png",  # its last part is safe
        "2.png": "a/0001.png",  # taken
        "3.png": "with blanks.png",
        "4.png": "0004.jpg",  # another kind of file
        "5.png": "con.png",
        "6.png": "",
    }
    for path, name in wanted.items():
        photo = project.add_photo(path, pixels)
        project.all_origins[OriginKind.IMAGE, photo.id] = Origin("coco", "", {"file_name": name})
    names = file_names(project, as_imported=True)
    assert list(names.values()) == [
        "a_b_x.png", "0001.png", "0001_2.png", "3.png", "4.png", "5.png", "6.png",
    ]  # fmt: skip
    plain = file_names(project, as_imported=False)
    assert list(plain.values()) == ["a_b_x.png", *wanted]


rows = st.lists(
    st.tuples(st.none() | st.integers(-3, 12) | st.just(2**53), st.integers(0, 2)), max_size=12
)


@given(rows=rows, first=st.integers(1, 9))
def test_ids_are_kept_by_the_first_in_a_file_and_new_ones_are_above_all(
    rows: list[tuple[int | None, int]], first: int
) -> None:
    numbering = Numbering()
    for index, (wanted, file) in enumerate(rows):
        origin = None if wanted is None else Origin("coco", f"b/a.json:{wanted}")
        numbering.add(first + index, origin, file)
    numbers = numbering.numbers()
    given_out = [numbers.of(first + index) for index in range(len(rows))]
    assert [numbers.of(first + index) for index in range(len(rows))] == given_out
    had = [wanted for wanted, _ in rows if wanted is not None]
    if not had:
        assert given_out == [first + index for index in range(len(rows))]
        return
    seen: set[tuple[int, int]] = set()
    new = []
    for (wanted, file), number in zip(rows, given_out, strict=True):
        if wanted is not None and (wanted, file) not in seen:
            assert number == wanted
            seen.add((wanted, file))
        else:
            new.append(number)
    assert new == sorted(set(new))
    assert all(number > max(had) for number in new)
    assert numbers.of(10_000) > max([*had, *new]), "one that appeared meanwhile"


def test_ids_that_are_no_numbers_are_given_anew() -> None:
    numbering = Numbering()
    for number, key in ((1, ""), (2, "x"), (3, "9"), (4, str(2**60))):
        numbering.add(number, Origin("coco", key))
    assert [numbering.numbers().of(number) for number in (1, 2, 3, 4)] == [10, 11, 9, 12]


class Noise(MemoryProject):
    """One image with a mask that is all outline."""

    def annotations(self, image_id: int) -> Sequence[Annotation]:
        pixels = np.zeros((300, 300), dtype=bool)
        pixels[::2] = True
        pixels[1::2, 0] = True  # a comb: one piece
        return [Annotation(1, image_id, 1, Mask.from_array(pixels))]


def test_an_outline_that_pycocotools_could_not_draw_is_written_as_run_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segstudio.formats.coco.entries.MOST_OUTLINE", 4e4)
    project = Noise(tmp_path)
    project.all_categories = [Category(1, "comb", "#000000")]
    project.all_images = [ImageRecord(1, "a.png", 300, 300, "", split="train")]
    data = written(project, tmp_path / "out", images=False, segmentation="polygons")
    (mask,) = [row.mask for row in project.annotations(1)]
    assert data["annotations"][0]["segmentation"] == mask.to_coco()

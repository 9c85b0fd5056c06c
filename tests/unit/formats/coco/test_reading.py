"""COCO instances come in with all that they say, and what is wrong with them is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_masks

from segstudio.core.annotation import Stage
from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.formats.coco.entries import AnnotationEntry, mask_of
from segstudio.formats.coco.reading import CocoImport
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundDataset,
    FoundImage,
)
from segstudio.formats.import_contract import ImportOptions

SIZE = (20, 30)
SQUARE = [[2.0, 3.0, 8.0, 3.0, 8.0, 9.0, 2.0, 9.0]]


def image(number: int = 7, **more: object) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "width": 30, "height": 20, **more}


def category(number: int = 18, name: str = "dog", **more: object) -> dict[str, Any]:
    return {"id": number, "name": name, **more}


def annotation(number: int | None = 1, **more: object) -> dict[str, Any]:
    entry: dict[str, Any] = {"image_id": 7, "category_id": 18, "segmentation": SQUARE}
    entry |= {"bbox": [2.0, 3.0, 6.0, 6.0], "area": 36.0, "iscrowd": 0}
    return entry | ({} if number is None else {"id": number}) | more


def data(*annotations: object, **more: object) -> dict[str, Any]:
    lists = {"images": [image()], "annotations": list(annotations), "categories": [category()]}
    return lists | more


def written(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def read(source: Path, **options: object) -> list[Found]:
    chosen = ImportOptions(**options)  # type: ignore[arg-type]
    return list(CocoImport().read(source, chosen, ignore_progress, CancelToken()))


def only(kind: type, pieces: list[Found]) -> Any:
    (piece,) = [piece for piece in pieces if isinstance(piece, kind)]
    return piece


def all_of(kind: type, pieces: list[Found]) -> list[Any]:
    return [piece for piece in pieces if isinstance(piece, kind)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "annotations" / "instances_train.json"


def test_everything_that_is_said_comes_along(path: Path) -> None:
    more = {"keypoints": [1, 2, 2], "attributes": {"occluded": True}, "predicted_iou": 0.5}
    more |= {"stage": "automatic", "tool": "x", "model": "m", "stability_score": 1}
    content = data(annotation(**more), info={"year": 2017}, licenses=[{"id": 4}], extra=[1])
    content["images"] = [image(license=4, coco_url="http://x/7.jpg")]
    content["categories"] = [category(supercategory="animal", isthing=0, color=[1, 2, 255], x=1)]
    pieces = read(written(path, content))
    found = only(FoundAnnotation, pieces)
    assert (found.image, found.category, found.key) == ("7", "18", "1")
    assert (found.attributes, found.predicted_iou) == ({"occluded": True}, 0.5)
    assert (found.stage, found.tool, found.model_key) == (Stage.AUTOMATIC, "x", "m")
    assert (found.stability, found.iscrowd, found.box) == (1.0, False, Box(2, 3, 8, 9))
    ids = {"id", "image_id", "category_id"}
    entry = content["annotations"][0]
    assert found.record == {key: value for key, value in entry.items() if key not in ids}
    assert str(found.place) == "annotations/instances_train.json, annotations[0]"
    dog = only(FoundCategory, pieces)
    assert (dog.name, dog.supercategory, dog.isthing, dog.colour) == (
        "dog", "animal", False, "#0102ff",
    )  # fmt: skip
    assert dog.record["x"] == 1
    photo = only(FoundImage, pieces)
    assert (photo.name, photo.size, photo.split) == ("7.jpg", SIZE, "train")
    assert photo.record["coco_url"] == "http://x/7.jpg"
    said = {"info": {"year": 2017}, "licenses": [{"id": 4}], "extra": [1]}
    assert only(FoundDataset, pieces).record == {"by_split": {"train": said}}


@pytest.mark.parametrize("last", ["images", "annotations", "categories"])
def test_the_order_of_the_lists_does_not_matter(path: Path, last: str) -> None:
    content = data(annotation())
    content[last] = content.pop(last)
    kinds = [type(piece) for piece in read(written(path, content))]
    assert kinds.index(FoundAnnotation) > max(kinds.index(FoundImage), kinds.index(FoundCategory))


@given(
    parts=st.lists(
        st.lists(st.floats(-40, 70), min_size=3, max_size=7).flatmap(
            lambda xs: st.tuples(
                st.just(xs),
                st.lists(st.floats(-40, 70), min_size=len(xs), max_size=len(xs)),
            )
        ),
        min_size=1,
        max_size=3,
    )
)
def test_polygons_are_drawn_as_pycocotools_draws_them(
    parts: list[tuple[list[float], list[float]]],
) -> None:
    flat = [np.stack(part, axis=1).ravel().tolist() for part in parts]
    drawn = mask_of(AnnotationEntry(7, 18, segmentation=flat))
    assert callable(drawn)
    runs = coco_masks.frPyObjects(flat, *SIZE)
    expected = np.any([coco_masks.decode(one) for one in runs], axis=0)
    found, wanted = drawn(SIZE), Mask.from_array(expected)
    assert (found.counts, found.area, found.box) == (wanted.counts, wanted.area, wanted.box)
    assert np.array_equal(found.to_array(), expected)


def test_run_lengths_of_both_kinds_are_the_same_mask(path: Path) -> None:
    pixels = np.random.default_rng(3).random(SIZE) < 0.5
    compressed = Mask.from_array(pixels).to_coco()
    runs = Mask.from_array(pixels).runs.tolist()
    plain = {"size": list(SIZE), "counts": runs}
    entries = (annotation(1, segmentation=compressed), annotation(2, segmentation=plain, iscrowd=1))
    first, second = all_of(FoundAnnotation, read(written(path, data(*entries))))
    assert first.mask(SIZE) == second.mask(SIZE) == Mask.from_array(pixels)
    assert (first.iscrowd, second.iscrowd) == (False, True)
    assert first.record["segmentation"] == "rle", "the mask gives it back"
    assert second.record["segmentation"] == plain
    with pytest.raises(BadInputError, match=r"30 x 20 pixels, its image of 31 x 20"):
        first.mask((20, 31))


@pytest.mark.parametrize("missing", [None, [], "absent"])
def test_a_box_alone_is_a_mask_that_says_so(path: Path, missing: object) -> None:
    entry = annotation(segmentation=missing)
    if missing == "absent":
        del entry["segmentation"]
    found = only(FoundAnnotation, read(written(path, data(entry))))
    assert found.attributes == {"box_only": True}
    mask = found.mask(SIZE)
    assert (mask.box, mask.area) == (Box(2, 3, 8, 9), 36)


def test_an_annotation_needs_no_id_and_no_crowd_flag(path: Path) -> None:
    entry = annotation(None)
    del entry["iscrowd"], entry["area"], entry["bbox"]
    found = only(FoundAnnotation, read(written(path, data(entry))))
    assert (found.key, found.iscrowd, found.box) == ("", False, None)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"segmentation": {"size": [20, 30], "counts": [599]}}, "add up to 599"),
    ({"segmentation": {"size": [20, 30], "counts": [2**62] * 4 + [600]}}, "longer than its image"),
    ({"segmentation": {"size": [20, 30], "counts": [700, -100]}}, "negative"),
    ({"segmentation": {"size": [20, 30], "counts": [300.5, 299.5]}}, "Segmentation.*counts"),
    ({"segmentation": {"size": [20, 30], "counts": "ü"}}, "characters"),
    ({"segmentation": {"size": [20, 30], "counts": "~~~~"}}, "characters|pixels"),
    ({"segmentation": {"size": [20], "counts": [600]}}, "Segmentation.*size"),
    ({"segmentation": {"size": [2**20, 2**20], "counts": [2**40]}}, "claims 1048576 x 1048576"),
    ({"segmentation": {"counts": [600]}}, "missing required field `size`"),
    ({"segmentation": [[1, 2, 3, 4]]}, "4 coordinates"),
    ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "7 coordinates"),
    ({"segmentation": [[]]}, "0 coordinates"),
    ({"segmentation": [1, 2, 3, 4, 5, 6]}, "expected `array`"),
    ({"segmentation": [["1", 2, 3, 4, 5, 6]]}, "expected `float`"),
    ({"segmentation": [[0, 0, 1e7, 0, 0, 5]]}, "far outside"),
    ({"segmentation": [[0, 0, 1e300, 0, 0, 5]]}, "far outside"),
    ({"segmentation": [[0, 0, 9e5, 9e5] * 3]}, "longer than any"),
    ({"segmentation": [[0, 0, 9e5, 0, 0, 5]] * 40}, "longer than any"),
    ({"segmentation": "x"}, "Segmentation"),
    ({"segmentation": 5}, "Segmentation"),
    ({"segmentation": [], "bbox": []}, "neither a segmentation nor a bbox"),
    ({"bbox": [1, 2, 3]}, "Bbox: it is not four"),
    ({"bbox": [1, 2, -3, 4]}, "negative"),
    ({"bbox": [1, 2, 1e300, 4]}, "could lie on an image"),
    ({"bbox": "x"}, "Bbox: expected `array"),
    ({"area": "x"}, "Area"),
    ({"iscrowd": 2}, "Iscrowd"),
    ({"image_id": 8}, "There is no image 8"),
    ({"image_id": "7"}, "Image_id"),
    ({"category_id": 5}, "There is no category 5"),
    ({"category_id": None}, "Category_id"),
    ({"id": 2**60}, "Id: expected"),
]


@pytest.mark.parametrize(("wrong", "reason"), FAULTS, ids=range(len(FAULTS)))
def test_a_faulty_annotation_is_told_with_its_place_and_the_rest_goes_on(
    path: Path, wrong: dict[str, Any], reason: str
) -> None:
    pieces = read(written(path, data(annotation(1), annotation(2, **wrong), annotation(3))))
    fault = only(Fault, pieces)
    assert str(fault.place) == "annotations/instances_train.json, annotations[1]"
    assert [piece.key for piece in all_of(FoundAnnotation, pieces)] == ["1", "3"]
    assert re.search(reason, fault.reason), fault.reason
    assert fault.reason.endswith(".")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_faults(path: Path, number: str) -> None:
    entry = json.dumps(annotation(2)).replace("36.0", number)
    text = json.dumps(data(annotation(1), "HERE")).replace('"HERE"', entry)
    path.parent.mkdir()
    path.write_text(text)
    pieces = read(path)
    assert only(Fault, pieces).place.entry == "annotations[1]"
    assert "not valid JSON" in only(Fault, pieces).reason
    assert only(FoundAnnotation, pieces).key == "1"


@pytest.mark.parametrize(
    ("key", "entry", "reason"),
    [
        ("images", image(8, width=0), "Width"),
        ("images", image(8, width=2**30, height=2**30), "It claims 1073741824 x"),
        ("images", {"id": 8}, "file_name"),
        ("images", image(8, file_name="../../etc/passwd"), "leads out of the source"),
        ("images", image(8, file_name="/etc/passwd"), "leads out of the source"),
        ("images", image(8, file_name="C:\\x.jpg"), "leads out of the source"),
        ("images", image(8, file_name="a\0b"), "leads out of the source"),
        ("images", [1], "expected `object`"),
        ("categories", category(18, "cat"), "The category id 18 is there twice"),
        ("categories", category(19, "dog"), "Two categories have the name “dog”"),
        ("categories", category(19, None), "Name"),
        ("categories", "dog", "expected `object`"),
    ],
)
def test_faulty_images_and_categories_are_told(
    path: Path, key: str, entry: object, reason: str
) -> None:
    content = data(annotation())
    content[key].append(entry)
    pieces = read(written(path, content))
    fault = only(Fault, pieces)
    assert fault.place.entry == f"{key}[1]"
    assert reason in fault.reason
    assert only(FoundAnnotation, pieces).key == "1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1, byte 0: the file does not begin as a JSON object"),
        ("[]", "does not begin as a JSON object"),
        ('{"images": {}, "categories": [], "annotations": []}', "“images” is not a list"),
        ('{"images": [], "annotations": []}', "no list “categories”"),
        ('{"images": [], "images": []}', "“images” is there twice"),
        ('{"images": [\n{"id": 7', r"line 2, byte \d+: the file ends within images\[0\]"),
        ('{"images": [], "info": {x}, "categories": []}', "info: this is not valid JSON"),
        ('{"info": ' + "[" * 5000 + "]" * 5000 + "}", "info: this is not valid JSON"),
    ],
)
def test_what_is_no_coco_at_all_is_refused_with_its_place(
    path: Path, text: str, reason: str
) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(BadInputError, match=rf"^annotations/instances_train\.json.*{reason}"):
        read(path)


def test_a_folder_is_read_split_by_split_and_images_are_found_where_datasets_have_them(
    tmp_path: Path,
) -> None:
    for split, number in (("train2017", 7), ("val2017", 9)):
        content = data(annotation(number, image_id=number), images=[image(number)])
        written(tmp_path / "annotations" / f"instances_{split}.json", content)
    written(tmp_path / "annotations" / "captions_val2017.json", {"annotations": [1]})
    for name in ("train2017/7.jpg", "images/9.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    pieces = read(tmp_path)
    photos = all_of(FoundImage, pieces)
    assert [(row.key, row.split) for row in photos] == [("7", "train2017"), ("9", "val2017")]
    assert [row.file for row in photos] == [tmp_path / "train2017/7.jpg", tmp_path / "images/9.jpg"]
    assert photos[0].also == ("train2017/7.jpg",)
    assert [row.category for row in all_of(FoundAnnotation, pieces)] == ["18", "18"]
    assert only(FoundCategory, pieces).name == "dog"
    assert only(FoundImage, read(tmp_path, split="val2017")).key == "9"
    with pytest.raises(BadInputError, match="no split 'test'; it has: train2017, val2017"):
        read(tmp_path, split="test")


def test_ids_that_begin_anew_in_each_file_stay_apart(tmp_path: Path) -> None:
    for split, name in (("train", "dog"), ("valid", "cat")):
        content = data(annotation(), categories=[category(18, name), category(20, "both")])
        written(tmp_path / split / "_annotations.coco.json", content)
        (tmp_path / split / "7.jpg").write_bytes(b"x")
    pieces = read(tmp_path)
    beside = "valid/_annotations.coco.json"
    assert [row.key for row in all_of(FoundImage, pieces)] == ["7", f"{beside}:7"]
    assert [row.split for row in all_of(FoundImage, pieces)] == ["train", "valid"]
    assert [row.file for row in all_of(FoundImage, pieces)] == [
        tmp_path / "train/7.jpg", tmp_path / "valid/7.jpg",
    ]  # fmt: skip
    found = all_of(FoundAnnotation, pieces)
    assert [(row.key, row.image, row.category) for row in found] == [
        ("1", "7", "18"), (f"{beside}:1", f"{beside}:7", f"{beside}:18"),
    ]  # fmt: skip
    assert [row.name for row in all_of(FoundCategory, pieces)] == ["dog", "both", "cat"]


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (tmp_path / "secret.jpg").write_bytes(b"x")
    outside = written(tmp_path / "instances_out.json", data())
    written(source / "annotations" / "instances_train.json", data())
    (source / "annotations" / "instances_val.json").symlink_to(outside)
    (source / "7.jpg").symlink_to(tmp_path / "secret.jpg")
    pieces = read(source)
    assert [row.split for row in all_of(FoundImage, pieces)] == []
    assert "link that leads out" in only(Fault, pieces).reason


def test_it_knows_its_own_and_no_others(tmp_path: Path, path: Path) -> None:
    written(path, data(annotation()))
    for source in (path, tmp_path):
        assert CocoImport().recognises(source)
    panoptic = {**data(), "annotations": [{"segments_info": []}]}
    others = (
        written(tmp_path / "o" / "panoptic.json", panoptic),
        written(tmp_path / "o" / "labelme.json", {"shapes": [], "imageData": ""}),
        written(tmp_path / "o" / "sa1b.json", {"image": {}, "annotations": []}),
        written(tmp_path / "o" / "list.json", [data()]),
        tmp_path / "o",
        tmp_path / "absent",
    )
    for source in others:
        assert not CocoImport().recognises(source)
    with pytest.raises(BadInputError, match="“o” holds no COCO instances; choose"):
        read(tmp_path / "o")


def test_it_says_how_far_it_is_and_stops_when_cancelled(path: Path) -> None:
    written(path, data(*(annotation(number) for number in range(5000))))
    seen: list[Progress] = []
    token = CancelToken()
    reading = CocoImport().read(path, ImportOptions(), seen.append, token)
    assert len(list(reading)) == 5003
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert (seen[-1].fraction, seen[0].text) == (
        1.0, "Reading annotations/instances_train.json",
    )  # fmt: skip
    token.cancel()
    with pytest.raises(Cancelled):
        list(CocoImport().read(path, ImportOptions(), ignore_progress, token))

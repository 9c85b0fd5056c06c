"""SA-1B: what its authors, `segstudio everything` and we write, read and written back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found_project import found_in, project_of, write
from memory_project import disc, photo_project
from PIL import Image
from pycocotools import mask as coco_masks

from segstudio.cli.everything import sa1b_record
from segstudio.cli.files import Source
from segstudio.core.annotation import Stage
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Candidate, Candidates, Prompt
from segstudio.formats.found import Fault, FoundAnnotation, FoundCategory, FoundImage
from segstudio.formats.sa1b.format import Sa1bFormat, Sa1bOptions
from segstudio.formats.sa1b.reading import Sa1bImport, Sa1bImportOptions

SIZE = (40, 60)
READER, WRITER = Sa1bImport(), Sa1bFormat()


def page(name: str, number: int, *masks: np.ndarray, **more: object) -> dict[str, Any]:
    """A page as the dataset has them: `bbox` counts from pixel to pixel, one less than COCO's."""
    rows = []
    for index, array in enumerate(masks):
        runs = coco_masks.encode(np.asfortranarray(array.astype(np.uint8)))
        x, y, width, height = coco_masks.toBbox(runs).tolist()
        rows.append(
            {
                "id": 500_000_000 + 10 * number + index,
                "segmentation": {"size": [*SIZE], "counts": runs["counts"].decode()},
                "bbox": [x, y, width - 1, height - 1],
                "area": int(array.sum()),
                "predicted_iou": 0.9 + index / 100,
                "stability_score": 0.95,
                "crop_box": [0.0, 0.0, 60.0, 40.0],
                "point_coords": [[x + 0.25, y + 0.75]],
                **more,
            }
        )
    height, width = SIZE
    image = {"image_id": number, "file_name": name, "width": width, "height": height}
    return {"image": image, "annotations": rows}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "sa_000020"
    folder.mkdir()
    small, large = disc(SIZE, 20, 20, 5), disc(SIZE, 22, 20, 15)
    for number in (223750, 223760):
        Image.new("RGB", SIZE[::-1], (number % 255, 0, 0)).save(folder / f"sa_{number}.jpg")
        content = page(f"sa_{number}.jpg", number, small, large)
        (folder / f"sa_{number}.json").write_text(json.dumps(content))
    return folder


def test_a_folder_of_the_dataset_is_read_with_all_that_it_says(source: Path) -> None:
    found = found_in(READER, source)
    images = [piece for piece in found if isinstance(piece, FoundImage)]
    assert [(image.name, image.size) for image in images] == [
        ("sa_223750.jpg", SIZE), ("sa_223760.jpg", SIZE),
    ]  # fmt: skip
    assert images[0].file == source / "sa_223750.jpg"
    assert [piece.name for piece in found if isinstance(piece, FoundCategory)] == ["object"]
    masks = [piece for piece in found if isinstance(piece, FoundAnnotation)]
    assert len(masks) == 4
    behind, front = masks[:2]
    np.testing.assert_array_equal(behind.mask(SIZE).to_array(), disc(SIZE, 22, 20, 15))
    np.testing.assert_array_equal(front.mask(SIZE).to_array(), disc(SIZE, 20, 20, 5))
    assert (front.predicted_iou, front.stability, front.stage) == (0.9, 0.95, Stage.AUTOMATIC)
    assert front.record["point_coords"] == [[15.25, 15.75]]
    assert str(front.place) == "sa_223750.json, annotations[0]"


def test_what_the_dataset_said_is_written_back_entry_by_entry(source: Path, tmp_path: Path) -> None:
    project = project_of(found_in(READER, source), tmp_path / "photos", "sa1b")
    out = write(WRITER, project, tmp_path / "out")
    for path in source.glob("*.json"):
        before, after = json.loads(path.read_text()), json.loads((out / path.name).read_text())
        entries = {entry["id"]: entry for entry in after["annotations"]}
        assert {key: after["image"][key] for key in before["image"]} == before["image"]
        assert len(entries) == len(before["annotations"])
        for entry in before["annotations"]:
            assert {key: entries[entry["id"]][key] for key in entry} == entry
        assert (out / before["image"]["file_name"]).is_file()


def test_the_box_of_a_mask_that_was_changed_is_its_own(source: Path, tmp_path: Path) -> None:
    project = project_of(found_in(READER, source), tmp_path / "photos", "sa1b")
    mask = Mask.from_array(disc(SIZE, 30, 20, 3))
    project.all_annotations[0] = replace(project.all_annotations[0], mask=mask)
    out = write(WRITER, project, tmp_path / "out")
    entry = json.loads((out / "sa_223750.json").read_text())["annotations"][0]
    assert (entry["bbox"], entry["area"]) == ([*mask.bbox], mask.area)
    assert entry["id"] == 500_000_000 + 2237501
    image = project.all_images[0]
    held = WRITER.holding(project, WRITER.options()).image(image, project.annotations(image.id))
    assert [row.box for row in held.annotations] == [None, Box(15, 15, 25, 25)]


def test_new_masks_get_numbers_above_those_of_the_source(source: Path, tmp_path: Path) -> None:
    project = project_of(found_in(READER, source), tmp_path / "photos", "sa1b")
    image, category = project.all_images[0], project.all_categories[0]
    project.annotate(image, category, disc(SIZE, 50, 8, 4), z_order=99)
    out = write(WRITER, project, tmp_path / "out")
    ids = [row["id"] for row in json.loads((out / "sa_223750.json").read_text())["annotations"]]
    assert ids == [502237501, 502237500, 502237502]


def test_what_everything_writes_is_read_where_its_images_lie_elsewhere(tmp_path: Path) -> None:
    ring = Mask.from_array(disc(SIZE, 30, 20, 15) & ~disc(SIZE, 30, 20, 8))
    items = (Candidate(ring, 0.7, 0.8, point=(20.5, 20.5), crop=Box(0, 0, 60, 40)),)
    record = sa1b_record(Source(3, "street/a.jpg", tmp_path), SIZE, Candidates(items, "graph_cut"))
    (tmp_path / "out" / "street").mkdir(parents=True)
    (tmp_path / "out" / "street" / "a.json").write_text(json.dumps(record))
    found = found_in(READER, tmp_path / "out")
    (image,) = (piece for piece in found if isinstance(piece, FoundImage))
    (mask,) = (piece for piece in found if isinstance(piece, FoundAnnotation))
    assert (image.name, image.size, image.file) == ("street/a.jpg", SIZE, None)
    assert mask.mask(SIZE) == ring
    assert (mask.predicted_iou, mask.stability) == (0.7, 0.8)
    alone = found_in(READER, tmp_path / "out" / "street" / "a.json")
    assert [type(piece) for piece in alone] == [type(piece) for piece in found]


def test_every_key_of_the_dataset_is_written_and_pycocotools_decodes_the_masks(
    tmp_path: Path,
) -> None:
    project = photo_project(tmp_path / "photos")
    prompt = Prompt(points=((5.0, 6.0), (7.0, 8.0)), labels=(1, 0))
    project.all_annotations[1] = replace(project.all_annotations[1], prompt=prompt)
    out = write(WRITER, project, tmp_path / "out")
    content = json.loads((out / "cats_chelsea.json").read_text())
    assert content["image"].keys() >= {"image_id", "width", "height", "file_name"}
    rows = project.annotations(1)
    for row, entry in zip(rows, content["annotations"], strict=True):
        array = coco_masks.decode(entry["segmentation"]).astype(bool)
        np.testing.assert_array_equal(array, row.mask.to_array())
        assert entry["area"] == array.sum()
        assert entry["crop_box"] == [0, 0, array.shape[1], array.shape[0]]
        ((x, y),) = entry["point_coords"]
        assert array[int(y), int(x)] or row.prompt
    assert content["annotations"][2]["point_coords"] == [[5.0, 6.0]]
    assert content["annotations"][0]["predicted_iou"] == 0.9
    assert content["annotations"][2]["predicted_iou"] is None


def test_our_own_keys_bring_back_what_sa1b_has_no_word_for(tmp_path: Path) -> None:
    project = photo_project(tmp_path / "photos")
    for with_images in (True, False):
        out = write(WRITER, project, tmp_path / str(with_images), Sa1bOptions(images=with_images))
        found = found_in(READER, out)
        names = {piece.key: piece for piece in found if isinstance(piece, FoundImage)}
        first = names["cats_chelsea"]
        assert (first.name, first.split) == (
            "cats_chelsea.jpg" if with_images else "cats/chelsea.jpg", "train",
        )  # fmt: skip
        assert "cats/chelsea.jpg" in (first.name, *first.also)
        assert (first.file is None) == (not with_images)
        masks = [piece for piece in found if isinstance(piece, FoundAnnotation)]
        said = {(row.category, row.iscrowd, row.stage, row.tool, row.model_key) for row in masks}
        assert said == {
            ("cat", False, Stage.ASSISTED, "point", ""),
            ("cat", False, Stage.AUTOMATIC, "", "graph_cut"),
            ('table <wood> & "cloth"', False, Stage.ASSISTED, "", ""),
            ("person", False, Stage.ASSISTED, "", ""),
            ("person", True, Stage.ASSISTED, "", ""),
        }
        assert {"difficult": 1, "pose": "Left"} in [row.attributes for row in masks]
    only = found_in(READER, out, Sa1bImportOptions(split="val"))
    assert [piece.name for piece in only if isinstance(piece, FoundImage)] == ["astronaut.png"]


def test_masks_without_a_category_get_the_chosen_one(source: Path) -> None:
    found = found_in(READER, source, Sa1bImportOptions(category="anything"))
    assert [piece.name for piece in found if isinstance(piece, FoundCategory)] == ["anything"]


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        ({"segmentation": []}, "annotations[1]", "Segmentation: expected `object`"),
        ({"segmentation": {"size": [40, 60]}}, "annotations[1]", "counts"),
        ({"predicted_iou": "high"}, "annotations[1]", "Predicted_iou"),
        ({"bbox": [1, 2, 3]}, "annotations[1]", "Bbox"),
        ({"iscrowd": 7}, "annotations[1]", "Iscrowd"),
        ({"id": 502237500}, "annotations[0]", "is there twice"),  # the larger came first
    ],
)
def test_a_faulty_mask_is_named_by_its_entry_and_the_others_go_on(
    source: Path, change: dict[str, Any], place: str, reason: str
) -> None:
    path = source / "sa_223750.json"
    content = json.loads(path.read_text())
    content["annotations"][1].update(change)
    path.write_text(json.dumps(content))
    found = found_in(READER, source)
    (fault,) = (piece for piece in found if isinstance(piece, Fault))
    assert (fault.place.file, fault.place.entry) == (path.name, place)
    assert reason in fault.reason
    assert path.name not in fault.reason
    assert sum(isinstance(piece, FoundAnnotation) for piece in found) == 3


@pytest.mark.parametrize(
    "counts",
    ["0", "", "日本", [40 * 60 + 1], [-1, 40 * 60 + 1], [2**60] * 16 + [40 * 60], [2**80]],
    ids=str,
)
def test_run_lengths_that_are_no_mask_are_refused_when_it_is_drawn(
    source: Path, counts: object
) -> None:
    path = source / "sa_223750.json"
    content = page("sa_223750.jpg", 1, disc(SIZE, 9, 9, 4))
    content["annotations"][0]["segmentation"]["counts"] = counts
    path.write_text(json.dumps(content))
    pieces = found_in(READER, path)
    faults = [piece for piece in pieces if isinstance(piece, Fault)]
    masks = [piece for piece in pieces if isinstance(piece, FoundAnnotation)]
    for mask in masks:
        with pytest.raises(BadInputError):
            mask.mask(SIZE)
    assert len(faults) + len(masks) == 1


def test_a_small_file_that_claims_a_huge_mask_is_never_given_the_memory(source: Path) -> None:
    path = source / "sa_223750.json"
    content = page("sa_223750.jpg", 1, disc(SIZE, 9, 9, 4))
    content["annotations"][0]["segmentation"] = {"size": [100_000, 100_000], "counts": [10**10]}
    path.write_text(json.dumps(content))
    mask = found_in(READER, path)[-1]
    assert isinstance(mask, FoundAnnotation)
    with pytest.raises(BadInputError, match="100000 x 100000 pixels and its image of 60 x 40"):
        mask.mask(SIZE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2]", "expected `object`"),
        ('{"image": {}', "not valid JSON"),
        ('{"image": {"width": NaN}, "annotations": []}', "not valid JSON"),
        ('{"annotations": []}', "missing required field `image`"),
        ('{"image": {"file_name": "a.jpg", "width": -3, "height": 4}, "annotations": []}', "width"),
        (
            '{"image": {"file_name": "../a.jpg", "width": 3, "height": 4}, "annotations": []}',
            "leads out of the source",
        ),
        (
            '{"image": {"file_name": "/etc/passwd", "width": 3, "height": 4}, "annotations": []}',
            "leads out of the source",
        ),
        ("[" * 5000, "not valid JSON"),
    ],
)
def test_a_file_that_is_not_of_the_dataset_is_a_fault_of_a_folder_and_refused_alone(
    source: Path, text: str, reason: str
) -> None:
    path = source / "sa_223750.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=reason):
        found_in(READER, path)
    found = found_in(READER, source)
    (fault,) = (piece for piece in found if isinstance(piece, Fault))
    assert reason in fault.reason
    assert fault.place.file == path.name
    assert sum(isinstance(piece, FoundAnnotation) for piece in found) == 2


def test_links_that_lead_out_of_the_folder_are_not_followed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text((source / "sa_223750.json").read_text())
    (source / "sa_223750.json").unlink()
    (source / "sa_223750.json").symlink_to(tmp_path / "secret.json")
    found = found_in(READER, source)
    assert [p.name for p in found if isinstance(p, FoundImage)] == ["sa_223760.jpg"]


def test_it_knows_its_own_and_no_others(source: Path, tmp_path: Path) -> None:
    assert READER.recognises(source)
    assert READER.recognises(source / "sa_223750.json")
    assert READER.recognises(tmp_path)  # its shards lie in folders of their own
    coco = tmp_path / "coco"
    coco.mkdir()
    (coco / "a.json").write_text('{"images": [], "annotations": [], "categories": []}')
    (coco / "b.json").write_text('{"shapes": [], "imagePath": "a.jpg"}')
    (coco / "c.json").write_bytes(b"\xff\x00")
    assert not READER.recognises(coco)
    assert not READER.recognises(coco / "a.json")
    assert not READER.recognises(tmp_path / "missing")
    with pytest.raises(BadInputError, match="no JSON file"):
        (tmp_path / "empty").mkdir()
        found_in(READER, tmp_path / "empty")

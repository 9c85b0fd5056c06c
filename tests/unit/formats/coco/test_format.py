"""COCO files as pycocotools reads them: the same masks, boxes and areas, streamed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from memory_project import MemoryProject, disc, photo_project
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.formats.coco.format import CocoFormat, CocoOptions
from segstudio.formats.contract import ExportReport


def write(project: MemoryProject, folder: Path, options: CocoOptions | None = None) -> ExportReport:
    folder.mkdir()
    options = options or CocoOptions()
    return CocoFormat().write(project, folder, options, ignore_progress, CancelToken())


def read(folder: Path, split: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        (folder / "annotations" / f"instances_{split}.json").read_text()
    )
    return data


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


def test_there_is_one_file_for_each_split(project: MemoryProject, tmp_path: Path) -> None:
    done = write(project, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out" / "annotations").iterdir()}
    assert names == {"instances_train.json", "instances_val.json"}
    assert (done.images, done.annotations) == (4, 6)
    assert [image["file_name"] for image in read(tmp_path / "out", "train")["images"]] == [
        "cats_chelsea.jpg", "desk_turned.jpg", "desk_nothing.jpg",
    ]  # fmt: skip
    assert [item.path for item in done.skipped] == ["later.jpg"]


def test_images_without_a_split_go_to_the_default_file(tmp_path: Path) -> None:
    project = photo_project(tmp_path / "photos")
    project.all_images = [replace(image, split="") for image in project.all_images]
    write(project, tmp_path / "out")
    assert len(read(tmp_path / "out", "default")["images"]) == 4


@pytest.mark.parametrize("kind", ["rle", "polygons"])
def test_pycocotools_reads_every_mask_box_and_area_back(
    project: MemoryProject, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, tmp_path / "out", CocoOptions(segmentation=kind))
    wanted = {annotation.id: annotation for annotation in project.all_annotations}
    seen = set()
    for file in (tmp_path / "out" / "annotations").iterdir():
        coco = COCO(str(file))
        for number, entry in coco.anns.items():
            seen.add(number)
            mask = coco.annToMask(entry).astype(bool)
            np.testing.assert_array_equal(mask, wanted[number].mask.to_array())
            runs = coco.annToRLE(entry)
            assert entry["area"] == coco_masks.area(runs)
            assert entry["bbox"] == coco_masks.toBbox(runs).tolist()
            assert entry["iscrowd"] == int(wanted[number].iscrowd)
            is_polygon = isinstance(entry["segmentation"], list)
            assert is_polygon == (kind == "polygons" and not entry["iscrowd"])
    assert seen == set(wanted)


MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS)
@settings(max_examples=60, deadline=None)
def test_any_mask_comes_back_from_either_kind(array: np.ndarray) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        project = MemoryProject(Path(name))
        thing = project.add_category("thing")
        height, width = array.shape
        image = ImageRecord(1, "a.png", width, height, "", ImageState.LABELLED)
        project.all_images.append(image)
        project.annotate(image, thing, array)
        for kind in ("rle", "polygons"):
            options = CocoOptions(segmentation=kind, images=False)
            done = write(project, Path(name) / kind, options)
            entries = read(Path(name) / kind, "default")["annotations"]
            if not array.any():
                assert entries == []
                assert "empty mask" in done.skipped[0].reason
                continue
            coded = entries[0]["segmentation"]
            if kind == "polygons":
                coded = coco_masks.merge(coco_masks.frPyObjects(coded, height, width))
            np.testing.assert_array_equal(coco_masks.decode(coded).astype(bool), array)


def test_provenance_stands_under_keys_of_its_own(project: MemoryProject, tmp_path: Path) -> None:
    write(project, tmp_path / "out")
    first, second, _ = read(tmp_path / "out", "train")["annotations"][:3]
    assert (first["predicted_iou"], first["stability_score"], first["tool"]) == (0.9, 0.95, "point")
    assert "model" not in first
    assert second["z_order"] == 1
    assert read(tmp_path / "out", "val")["annotations"][0]["attributes"] == {"truncated": True}


def test_categories_keep_ids_names_and_what_they_are(
    project: MemoryProject, tmp_path: Path
) -> None:
    write(project, tmp_path / "out")
    categories = read(tmp_path / "out", "train")["categories"]
    assert [entry["id"] for entry in categories] == [1, 2, 3]
    assert categories[0]["supercategory"] == "animal"
    assert categories[2]["name"] == 'table <wood> & "cloth"'
    assert [entry["isthing"] for entry in categories] == [1, 1, 0]
    assert categories[0]["color"] == [0xE6, 0x9F, 0x00]


def test_upright_images_are_copied_byte_for_byte_and_turned_ones_are_turned(
    project: MemoryProject, tmp_path: Path
) -> None:
    write(project, tmp_path / "out")
    images = tmp_path / "out" / "images"
    for path, name in (("cats/chelsea.jpg", "cats_chelsea.jpg"), ("astronaut.png",) * 2):
        assert (images / name).read_bytes() == (project.folder / path).read_bytes()
    turned = project.all_images[2]
    with Image.open(images / "desk_turned.jpg") as image:
        assert image.size == (turned.width, turned.height)
        assert image.getexif().get(274, 1) == 1
        stored = Image.open(project.folder / "desk/turned.jpg")
        upright = np.asarray(stored.transpose(Image.Transpose.ROTATE_270), dtype=int)
        assert np.abs(np.asarray(image, dtype=int) - upright).mean() < 2


def test_a_turned_png_stays_lossless(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path / "photos")
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    project.add_photo("noise.png", pixels, orientation=3)
    write(project, tmp_path / "out")
    copied = np.asarray(Image.open(tmp_path / "out" / "images" / "noise.png"))
    np.testing.assert_array_equal(copied, pixels[::-1, ::-1])


def test_without_images_the_names_are_the_projects_own_paths(
    project: MemoryProject, tmp_path: Path
) -> None:
    write(project, tmp_path / "out", CocoOptions(images=False))
    assert not (tmp_path / "out" / "images").exists()
    assert read(tmp_path / "out", "train")["images"][0]["file_name"] == "cats/chelsea.jpg"


def test_attributes_that_json_does_not_know_become_text(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path / "photos")
    thing = project.add_category("thing")
    photo = project.add_photo("a.png", np.zeros((9, 9, 3), dtype=np.uint8))
    attributes = {"path": Path("x"), 3: np.float32(0.5)}
    project.annotate(photo, thing, disc(photo.size, 4, 4, 3), attributes=attributes)
    write(project, tmp_path / "out")
    (entry,) = read(tmp_path / "out", "default")["annotations"]
    assert entry["attributes"] == {"path": "x", "3": 0.5}


def test_an_unknown_kind_of_mask_is_refused(project: MemoryProject, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="rle or polygons"):
        write(project, tmp_path / "out", CocoOptions(segmentation="bitmap"))


class ManyAnnotations(MemoryProject):
    """Makes its annotations when asked, as a project file does."""

    def annotations(self, image_id: int) -> Sequence[Annotation]:
        rng = np.random.default_rng(image_id)
        found = []
        for number in range(100):
            runs = rng.integers(1, 30, 60)
            runs = np.append(runs, 640 * 480 - runs.sum())
            mask = Mask((480, 640), runs.astype(np.int64))
            found.append(Annotation(image_id * 100 + number, image_id, 1, mask))
        return found


def test_memory_stays_level_however_many_annotations_there_are(tmp_path: Path) -> None:
    project = ManyAnnotations(tmp_path)
    project.add_category("thing")
    state = ImageState.LABELLED
    project.all_images = [
        ImageRecord(number, f"{number}.jpg", 640, 480, "", state) for number in range(1, 101)
    ]
    tracemalloc.start()
    done = write(project, tmp_path / "out", CocoOptions(images=False))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = (tmp_path / "out" / "annotations" / "instances_default.json").stat().st_size
    assert done.annotations == 10_000
    assert size > 2_000_000
    assert peak < 3_000_000

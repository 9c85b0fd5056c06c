"""Real datasets, damaged: COCO's, CamVid's and what labelme itself wrote, cut down to a few images.

Other programs write what ours do not, so damage to their files reaches other corners of a reader.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile_imports import taken_or_refused
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from mutations import damaged_file

from segstudio.core.progress import CancelToken
from segstudio.engine.folder_scan import list_images
from segstudio.imaging.read import file_sha256, read_size
from segstudio.store.project import NewImage, ProjectStore

# SEGSTUDIO_FUZZ=2000 damages as many sources of each format; the suite has seconds, not hours.
EXAMPLES = int(os.environ.get("SEGSTUDIO_FUZZ", "5"))
SOME = 4  # images of a dataset that has more


def coco(data: Path, folder: Path) -> None:
    """The images with the fewest objects, and those objects."""
    entries = json.loads((data / "coco_instances/annotations/instances_val2017.json").read_bytes())
    _write_some(entries, folder / "annotations/instances_val2017.json")
    for image in _some(entries):
        _copy(data / "coco_instances/val2017" / image["file_name"], folder / "val2017")


def coco_panoptic(data: Path, folder: Path) -> None:
    _copy(data / "coco_panoptic/panoptic_examples.json", folder)
    shutil.copytree(data / "coco_panoptic/panoptic_examples", folder / "panoptic_examples")
    shutil.copytree(data / "coco_panoptic/input_images", folder / "input_images")


def voc(data: Path, folder: Path) -> None:
    shutil.copytree(data / "labelme/instance_segmentation/data_dataset_voc", folder)


def labelme(data: Path, folder: Path) -> None:
    """One of each kind of shape, groups, and an image that is embedded."""
    shutil.copytree(data / "labelme/instance_segmentation/data_annotated", folder / "photos")
    shutil.copytree(data / "labelme/primitives", folder / "primitives")
    for suffix in (".json", ".jpg"):
        _copy(data / f"labelme/tutorial/apc2016_obj3{suffix}", folder)


def label_maps(data: Path, folder: Path) -> None:
    _copy(data / "camvid/classes.txt", folder)
    for number, path in enumerate(sorted((data / "camvid/valannot").iterdir())[:SOME]):
        _copy(path, folder / "valannot")
        _copy(data / "camvid/val" / f"{path.stem}.jpg", folder / ("val" if number else "elsewhere"))


DATASETS: dict[str, Callable[[Path, Path], None]] = {
    "coco": coco,
    "coco-panoptic": coco_panoptic,
    "voc": voc,
    "labelme": labelme,
    "label-maps": label_maps,
}


def _copy(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / path.name)


def _some(entries: dict[str, Any]) -> list[dict[str, Any]]:
    used = [each["image_id"] for each in entries["annotations"]]
    crowds = {each["image_id"] for each in entries["annotations"] if each["iscrowd"]}
    images = sorted(entries["images"], key=lambda row: (used.count(row["id"]), row["id"]))
    return [*images[: SOME - 1], next(row for row in images if row["id"] in crowds)]


def _write_some(entries: dict[str, Any], path: Path) -> None:
    images = _some(entries)
    numbers = {row["id"] for row in images}
    annotations = [row for row in entries["annotations"] if row["image_id"] in numbers]
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**entries, "images": images, "annotations": annotations}))


@pytest.mark.parametrize("key", DATASETS)
def test_a_damaged_dataset_of_others_is_refused_or_taken_but_never_half(
    key: str,
    reference_data: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    sound = tmp_path / "sound"
    DATASETS[key](reference_data, sound)
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sound.rglob("*.jpg"):
        shutil.copyfile(path, photos / path.name)
    project = tmp_path / "p.segstudio"
    with ProjectStore.create(project, photos) as store:
        images = [(name, photos / name) for name in list_images(photos, CancelToken())]
        rows = [(name, *read_size(path)[::-1], file_sha256(path)) for name, path in images]
        store.add_images([NewImage(*row) for row in rows])
    empty = project.read_bytes()
    ended: Counter[str] = Counter()
    with ProjectStore.open(project) as store:
        # Two of the panoptic samples' segments have no pixel in their PNGs.
        assert taken_or_refused(key, sound, store, leave_out=key == "coco-panoptic")

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def damage(data: st.DataObject) -> None:
        project.write_bytes(empty)
        with tempfile.TemporaryDirectory() as name, ProjectStore.open(project) as store:
            source = Path(name) / "source"
            shutil.copytree(sound, source)
            for _ in range(data.draw(st.integers(1, 2))):
                note(data.draw(damaged_file(source)))
            taken = taken_or_refused(key, source, store, leave_out=data.draw(st.booleans()))
            ended["taken" if taken else "refused"] += 1

    damage()
    record_property("ended", dict(ended))  # --junitxml says how many

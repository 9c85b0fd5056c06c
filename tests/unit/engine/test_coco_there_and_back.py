"""COCO's own files come in and go out with every entry as it was."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segstudio.core.changes import Edit, Records
from segstudio.core.mask import Mask
from segstudio.core.origin import OriginKind
from segstudio.engine.export_run import export
from segstudio.engine.import_run import carry_out, survey
from segstudio.formats.coco.format import CocoOptions
from segstudio.formats.coco.reading import CocoImport, CocoImportOptions
from segstudio.store.project import NewImage, ProjectStore

SPLITS = ("train2017", "val2017")


@pytest.fixture(scope="module")
def samples(reference_data: Path) -> Path:
    return reference_data / "coco_instances"


@pytest.fixture(scope="module")
def imported(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectStore]:
    """A project of the samples' photos with all that their JSON says."""
    with ProjectStore.create(tmp_path_factory.mktemp("p") / "p.segstudio", samples) as store:
        photos = []
        for path in sorted(samples.glob("*/*.jpg")):
            with Image.open(path) as opened:
                digest = sha256(path.read_bytes()).hexdigest()
                photos.append(NewImage(path.relative_to(samples).as_posix(), *opened.size, digest))
        store.add_images(photos)
        options = CocoImport().options()
        with survey("coco", samples, store, options) as plan:
            assert not plan.faults
            report = carry_out(plan, store)
        assert report.annotations == 820
        yield store


@pytest.fixture(scope="module")
def exported(imported: ProjectStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "out"
    report = export("coco", imported, folder)
    assert report.proof is not None
    assert report.proof.equal
    assert (report.proof.images, report.proof.annotations) == (72, 820)
    return folder


def read(folder: Path, split: str) -> dict[str, Any]:
    path = folder / "annotations" / f"instances_{split}.json"
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return data


def by_id(entries: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    assert len({entry["id"] for entry in entries}) == len(entries)
    return {entry["id"]: entry for entry in entries}


def loaded(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("split", SPLITS)
def test_every_entry_is_as_it_was(samples: Path, exported: Path, split: str) -> None:
    was, now = read(samples, split), read(exported, split)
    assert by_id(now["annotations"]) == by_id(was["annotations"])
    assert by_id(now["images"]) == by_id(was["images"])
    assert (now["info"], now["licenses"]) == (was["info"], was["licenses"])
    categories = by_id(now["categories"])
    for number, category in by_id(was["categories"]).items():
        assert categories.pop(number).items() >= category.items()
    assert not categories
    for entry in now["images"]:
        copied = exported / "images" / entry["file_name"]
        assert copied.read_bytes() == (samples / split / entry["file_name"]).read_bytes()


@pytest.mark.parametrize("split", SPLITS)
def test_average_precision_of_the_export_against_the_source_is_one(
    samples: Path, exported: Path, split: str
) -> None:
    truth = loaded(samples / "annotations" / f"instances_{split}.json")
    ours = loaded(exported / "annotations" / f"instances_{split}.json")
    found = [
        {**entry, "score": 1.0, "segmentation": ours.annToRLE(entry)}
        for entry in ours.loadAnns(ours.getAnnIds(iscrowd=False))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        for kind in ("segm", "bbox"):
            evaluation = COCOeval(truth, truth.loadRes(found), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            assert evaluation.stats[0] == pytest.approx(1.0, abs=1e-9)


def test_torchvision_reads_the_export(exported: Path) -> None:
    from torchvision.datasets import CocoDetection

    path = exported / "annotations" / "instances_val2017.json"
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = CocoDetection(str(exported / "images"), str(path))
    entries = by_id(read(exported, "val2017")["annotations"])
    assert len(dataset) == 36
    assert sum(len(targets) for _, targets in dataset) == len(entries)
    photo, targets = dataset[0]
    assert all(entries[target["id"]] == target for target in targets)
    image = dataset.coco.imgs[targets[0]["image_id"]]
    assert photo.size == (image["width"], image["height"])


def test_masks_are_those_that_pycocotools_draws(imported: ProjectStore, samples: Path) -> None:
    truth = loaded(samples / "annotations" / "instances_val2017.json")
    names = {Path(image.path).name: image for image in imported.images()}
    for entry in truth.loadImgs(truth.getImgIds()):
        found = imported.annotations(names[entry["file_name"]].id)
        wanted = [Mask.from_array(truth.annToMask(row)) for row in truth.imgToAnns[entry["id"]]]
        assert [row.mask for row in found] == wanted


def test_only_what_was_changed_leaves_otherwise(
    imported: ProjectStore, samples: Path, tmp_path: Path
) -> None:
    image = next(row for row in imported.images() if imported.annotations(row.id))
    rows = imported.annotations(image.id)
    changed = replace(rows[0], mask=Mask.from_array(np.eye(*image.size, dtype=bool)))
    added = replace(rows[0], id=imported.new_annotation_id(), z_order=10_000, tool="brush")
    was, now = Records((rows[0],)), Records((changed, added))
    imported.commit(Edit("Change", image.id, was, now))
    try:
        export("coco", imported, tmp_path / "out", CocoOptions(images=False))
    finally:
        imported.undo(image.id)
    split = image.split
    before = by_id(read(samples, split)["annotations"])
    after = by_id(read(tmp_path / "out", split)["annotations"])
    new = after.pop(max(after))
    assert new["id"] > max(before)
    assert new["tool"] == "brush"
    assert after.keys() == before.keys()
    differing = [number for number in after if after[number] != before[number]]
    assert len(differing) == 1
    entry = after[differing[0]]
    assert entry["segmentation"] == changed.mask.to_coco()
    assert entry["area"] == changed.mask.area
    assert entry["bbox"] == list(changed.mask.bbox)
    same = before[differing[0]]
    assert {key for key in entry if entry[key] != same[key]} == {"segmentation", "area", "bbox"}


@pytest.mark.parametrize(
    ("depth", "order"), [("file", ["1", "2", "3", "4"]), ("area", ["4", "3", "1", "2"])]
)
def test_crowds_and_large_objects_that_a_file_lists_last_lie_at_the_back_if_one_likes(
    tmp_path: Path, depth: str, order: list[str]
) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "photos" / "a.png")

    def entry(number: int, side: int, **more: object) -> dict[str, object]:
        square = [0, 0, side, 0, side, side, 0, side]
        return {"id": number, "image_id": 1, "category_id": 1, "segmentation": [square], **more}

    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 20}],
        "categories": [{"id": 1, "name": "dog"}],
        # What an entry says of its area counts for nothing.
        "annotations": [entry(1, 9, area=1), entry(2, 4), entry(3, 16), entry(4, 6, iscrowd=1)],
    }
    source = tmp_path / "a.json"
    source.write_text(json.dumps(content), "utf-8")
    with ProjectStore.create(tmp_path / "p.segstudio", tmp_path / "photos") as store:
        store.add_images([NewImage("a.png", 30, 20, "")])
        with survey("coco", source, store, CocoImportOptions(depth=depth)) as plan:
            carry_out(plan, store)
        rows = store.annotations(store.images()[0].id)
        origins = store.origins(OriginKind.ANNOTATION, [row.id for row in rows], "coco")
        assert [origins[row.id].key for row in rows] == order
        assert [row.z_order for row in rows] == [0, 1, 2, 3]

"""From a folder of photos to results, by commands alone, as a script would call them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from segstudio.__main__ import main
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.engine.image_session import ImageSession
from segstudio.imaging.read import read_image
from segstudio.imaging.sample_photos import write_sample_photos
from segstudio.imaging.superpixels import slic
from segstudio.store.project import ProjectStore

ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """Runs `segstudio` in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.said = ""

    def __call__(self, *arguments: object) -> int:
        status = main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        self.out, self.said = captured.out, captured.err
        return status

    def json(self, *arguments: object) -> dict[str, Any]:
        assert self(*arguments, "--json") == 0, self.said
        data: dict[str, Any] = json.loads(self.out)
        return data

    def refused(self, *arguments: object) -> str:
        """The one sentence of a command whose input is at fault."""
        assert self(*arguments) == 1
        assert self.out == "" and self.said.count("\n") == 1, self.said
        return self.said


@pytest.fixture
def segstudio(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_sample_photos(tmp_path / "photos")
    return tmp_path / "photos"


def decoded(annotation: dict[str, Any]) -> np.ndarray:
    """The mask as pycocotools reads it."""
    return coco_mask.decode(annotation["segmentation"]).astype(bool)


def test_photos_become_a_project_and_leave_it_as_coco(segstudio: Shell, photos: Path) -> None:
    names = photos.parent / "names.txt"
    names.write_text("cat\ncup\n")
    project = photos.parent / "work.segstudio"
    made = segstudio.json("new", project, "--images", photos, "--categories", names)
    assert (made["images"], made["categories"], made["unreadable"]) == (4, ["cat", "cup"], [])
    out = photos.parent / "cat.json"
    segstudio.json("segment", photos / "chelsea.png", "--box", "115,30,350,290", "--out", out)
    with ProjectStore.open(project) as store:
        image = next(row for row in store.images() if row.path == "chelsea.png")
        mask = decoded(json.loads(out.read_text()))
        candidate = Candidate(Mask.from_array(mask), 0.9, 0.9)
        ImageSession(store, image.id).accept([candidate], 1, tool="box")
    info = segstudio.json("info", project)
    assert info["images"] == 4 and info["annotations"] == 1 and info["integrity"] == []
    assert info["states"] == {"todo": 3, "labelled": 1, "reviewed": 0, "rejected": 0}
    counts = {row["name"]: row["annotations"] for row in info["categories"]}
    assert counts == {"cat": 1, "cup": 0} and info["missing_files"] == []
    exported = segstudio.json("export", "coco", project, photos.parent / "coco")
    assert exported["annotations"] == 1
    assert segstudio("info", project) == 0 and "1 labelled" in segstudio.out


def test_one_mask_from_points_is_the_same_as_png_and_as_json(
    segstudio: Shell, photos: Path
) -> None:
    image = photos / "coffee.png"
    prompt = ("--point", "300,200", "--point", "20.5,20.5,0")
    said = segstudio.json("segment", image, *prompt, "--out", photos.parent / "mask.png")
    segstudio.json("segment", image, *prompt, "--out", photos.parent / "deep" / "mask.json")
    mask = np.asarray(Image.open(photos.parent / "mask.png"))
    assert mask.shape == read_image(image).size and set(np.unique(mask)) == {0, 255}
    assert mask[200, 300] == 255 and mask[20, 20] == 0
    annotation = json.loads((photos.parent / "deep" / "mask.json").read_text())
    assert np.array_equal(decoded(annotation), mask == 255)
    assert annotation["area"] == said["area"] == int((mask == 255).sum())
    assert annotation["bbox"] == list(coco_mask.toBbox(annotation["segmentation"]))
    assert annotation["iscrowd"] == 0 and 0 <= annotation["predicted_iou"] <= 1
    assert said["model"] == "segstudio_nano", "the model in the box, as nobody has chosen one"
    assert said["prompt"]["points"] == [[300.0, 200.0], [20.5, 20.5]]


def test_a_prompt_that_cannot_be_is_refused(segstudio: Shell, photos: Path) -> None:
    image, out = photos / "coffee.png", photos.parent / "x.png"
    assert "outside the image" in segstudio.refused(
        "segment", image, "--point", "601,3", "--out", out
    )
    assert "outside" in segstudio.refused("segment", image, "--box", "700,0,800,9", "--out", out)
    assert "--point" in segstudio.refused("segment", image, "--out", out)
    point = ("--point", "300,200")
    assert "no file" in segstudio.refused("segment", photos / "no.png", *point, "--out", out)
    assert ".json" in segstudio.refused("segment", image, *point, "--out", photos / "x.gif")
    assert "graph_cut" in segstudio.refused(
        "segment", image, *point, "--out", out, "--model", "yolo"
    )
    assert "segstudio models pull mobile_sam" in segstudio.refused(
        "segment", image, *point, "--out", out, "--model", "mobile_sam"
    )
    assert "no device" in segstudio.refused(
        "segment", image, *point, "--out", out, "--device", "abacus"
    )
    for wrong in (("--point", "3"), ("--point", "3,4,2"), ("--point", "a,b"), ("--box", "9,9,1,1")):
        assert segstudio("segment", image, *wrong, "--out", out) == 2
    assert not out.exists()


def test_embeddings_are_made_once(segstudio: Shell, photos: Path, own_home: Path) -> None:
    (photos / "broken.png").write_text("no image")
    first = segstudio.json("embed", photos)
    assert (first["encoded"], first["already_there"]) == (4, 0)
    assert [row["path"] for row in first["unreadable"]] == ["broken.png"]
    assert "broken.png" in segstudio.said
    assert len(list((own_home / "cache" / "embeddings").rglob("*.emb"))) == 4
    project = photos.parent / "p.segstudio"
    segstudio.json("new", project, "--images", photos)
    again = segstudio.json("embed", project)
    assert (again["encoded"], again["already_there"]) == (0, 4)
    assert segstudio("embed", photos / "broken.png") == 1, "nothing could be done"


def test_everything_is_written_as_sa1b(segstudio: Shell, photos: Path) -> None:
    small = photos.parent / "small"
    small.mkdir()
    for name in ("coffee", "chelsea"):
        Image.open(photos / f"{name}.png").resize((150, 100)).save(small / f"{name}.png")
    Image.open(photos / "rocket.jpg").resize((150, 100)).save(small / "coffee.jpg")
    (small / "broken.png").write_text("no image")
    out = photos.parent / "masks"
    arguments = ("everything", small, "--out", out, "--points-per-side", "6", "--stability", "0.5")
    done = segstudio.json(*arguments, "--predicted-iou", "0.5")
    names = ["chelsea.json", "coffee.jpg.json", "coffee.png.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert done["images"] == 3 and [row["path"] for row in done["unreadable"]] == ["broken.png"]
    total = 0
    for path in out.iterdir():
        content = json.loads(path.read_text())
        assert set(content["image"]) == {"image_id", "width", "height", "file_name"}
        assert (content["image"]["width"], content["image"]["height"]) == (150, 100)
        total += len(content["annotations"])
        for row in content["annotations"]:
            mask = decoded(row)
            assert mask.shape == (100, 150) and row["area"] == mask.sum() > 0
            assert row["bbox"] == list(coco_mask.toBbox(row["segmentation"]))
            assert row["crop_box"] == [0, 0, 150, 100]
            ((x, y),) = row["point_coords"]
            assert mask[int(y), int(x)]
            assert 0 <= row["stability_score"] <= 1 and 0 <= row["predicted_iou"] <= 1
    assert total == done["masks"] > 3
    (out / "chelsea.json").unlink()
    resumed = segstudio.json(*arguments, "--resume")
    assert resumed["images"] == 1 and resumed["already_there"] == 2
    assert "256" in segstudio.refused(
        "everything", small, "--out", out, "--points-per-side", "1000"
    )
    assert "--box-nms" in segstudio.refused("everything", small, "--out", out, "--box-nms", "7")
    assert "--crop-layers" in segstudio.refused(
        "everything", small, "--out", out, "--crop-layers", "9"
    )


def test_everything_looks_at_crops_and_says_when_it_is_approximate(
    segstudio: Shell, photos: Path
) -> None:
    small, out = photos.parent / "small.png", photos.parent / "masks"
    Image.open(photos / "coffee.png").resize((300, 200)).save(small)
    arguments = ("everything", small, "--out", out, "--points-per-side", "6", "--stability", "0.5")
    done = segstudio.json(*arguments, "--predicted-iou", "0.3", "--crop-layers", "1")
    assert not done["approximate"]
    (path,) = out.iterdir()
    boxes = {tuple(row["crop_box"]) for row in json.loads(path.read_text())["annotations"]}
    assert (0, 0, 300, 200) in boxes and len(boxes) > 1
    assert segstudio.json(*arguments, "--fast")["approximate"]
    assert segstudio(*arguments, "--fast") == 0
    assert "approximate" in segstudio.out


def test_an_interrupted_batch_keeps_what_was_finished(photos: Path) -> None:
    many, out = photos.parent / "many", photos.parent / "masks"
    many.mkdir()
    small = Image.open(photos / "coffee.png").resize((120, 80))
    for index in range(300):
        small.point(lambda value, index=index: (value + index) % 256).save(many / f"{index:03}.png")
    arguments = ["everything", many, "--out", out, "--points-per-side", "4"]
    with subprocess.Popen(
        [sys.executable, "-m", "segstudio", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob("*.json")) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "Interrupted; what was finished is kept."
    assert "Traceback" not in said
    finished = list(out.iterdir())
    assert 0 < len(finished) < 300
    for path in finished:
        assert path.suffix == ".json" and json.loads(path.read_text())["annotations"] is not None


def test_superpixels_are_labels_from_zero(segstudio: Shell, photos: Path) -> None:
    image = photos / "chelsea.png"
    done = segstudio.json("superpixels", image, "--segments", 80, "--out", photos / "s.npy")
    labels = np.load(photos / "s.npy", allow_pickle=False)
    assert labels.dtype == np.int32 and labels.shape == (300, 451)
    assert np.array_equal(labels, slic(read_image(image).pixels, 80))
    assert done["segments"] == len(np.unique(labels)) == labels.max() + 1
    segstudio.json("superpixels", image, "--segments", 80, "--out", photos / "s.png")
    assert np.array_equal(np.asarray(Image.open(photos / "s.png")), labels)
    assert "larger than 0" in segstudio.refused(
        "superpixels", image, "--segments", 0, "--out", photos / "t.npy"
    )
    assert "npy" in segstudio.refused(
        "superpixels", image, "--segments", 90_000, "--out", photos / "t.png"
    )


def test_models_say_where_they_are(segstudio: Shell, own_home: Path) -> None:
    rows = {row["key"]: row for row in segstudio.json("models", "list")["models"]}
    assert rows["graph_cut"]["state"] == "built in" and rows["mobile_sam"]["state"] == "not here"
    assert rows["mobile_sam"]["bytes"] == 40_728_226
    assert segstudio.json("models", "path", "graph_cut")["path"] is None
    assert "models pull mobile_sam" in segstudio.refused("models", "path", "mobile_sam")
    assert "Name the model" in segstudio.refused("models", "pull")
    assert segstudio("models", "verify") == 0
    folder = own_home / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / "mobile_sam.pt").write_bytes(b"cut short")
    assert segstudio("models", "verify") == 1 and "9 bytes" in segstudio.out
    rows = {row["key"]: row for row in segstudio.json("models", "list")["models"]}
    assert rows["mobile_sam"]["state"] == "damaged"


def test_a_damaged_project_is_told(segstudio: Shell, photos: Path) -> None:
    assert "not" in segstudio.refused("info", photos / "coffee.png")
    project = photos.parent / "p.segstudio"
    segstudio.json("new", project, "--images", photos)
    assert "exists already" in segstudio.refused("new", project, "--images", photos)
    (photos / "coffee.png").unlink()
    assert segstudio.json("info", project)["missing_files"] == ["coffee.png"]
    content = bytearray(project.read_bytes())
    content[5000:9000] = os.urandom(4000)
    project.write_bytes(content)
    assert segstudio("info", project) == 1
    assert "Traceback" not in segstudio.said


def test_a_folder_stands_for_its_project(segstudio: Shell, photos: Path) -> None:
    segstudio.json("new", photos / "photos.segstudio", "--images", photos)
    assert segstudio.json("info", photos)["images"] == 4
    shutil.rmtree(photos)
    photos.mkdir()
    assert segstudio("info", photos) == 1


def test_the_doctor_speaks_json_and_packages(segstudio: Shell) -> None:
    status = segstudio("doctor", "--json")
    data = json.loads(segstudio.out)
    assert status == (0 if data["ok"] else 1)
    assert {"name", "found", "level", "remedy"} == set(data["findings"][0])
    assert segstudio("doctor", "--packages") == 0
    assert segstudio.out.split() == data["packages"]
    assert segstudio("doctor") == status and "Python" in segstudio.out

"""`segstudio import` and `segstudio take-back` on a real project file and a COCO file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up_source import SIZE, photo_store, write_photo

from segstudio.cli.command_line import main
from segstudio.cli.import_command import renamings
from segstudio.core.errors import BadInputError
from segstudio.store.project import ProjectStore

HEIGHT, WIDTH = SIZE


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with photo_store(tmp_path, "a.png", "b.png") as store:
        return store.path


def coco(folder: Path, *, images: tuple[str, ...] = ("a.png", "b.png"), hurt: int = 0) -> Path:
    """Two boxes on each image, the first `hurt` of them with a category that is not there."""
    boxes = [(1, 1, 4, 3), (6, 5, 5, 5)]
    data: dict[str, Any] = {
        "images": [
            {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
            for number, name in enumerate(images, start=1)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "a=b"}],
        "annotations": [],
    }
    for number in range(2 * len(images)):
        x, y, w, h = boxes[number % 2]
        corners = [x, y, x + w, y, x + w, y + h, x, y + h]
        data["annotations"].append({
            "id": 100 + number,
            "image_id": number // 2 + 1,
            "category_id": 99 if number < hurt else (1, 7)[number % 2],
            "segmentation": [corners],
            "bbox": [x, y, w, h],
            "area": w * h,
            "iscrowd": 0,
        })  # fmt: skip
    folder.mkdir(exist_ok=True)
    path = folder / "things.json"
    path.write_text(json.dumps(data))
    return path


def ran(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> dict[str, Any]:
    assert main([*map(str, arguments), "--json"]) == status
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def counted(project: Path) -> dict[str, int]:
    with ProjectStore.open(project, read_only=True) as store:
        used = store.category_counts()
        return {category.name: used[category.id] for category in store.categories()}


def test_a_dataset_comes_in_and_goes_again(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = coco(tmp_path / "source")
    data = ran(capsys, "import", "coco", source, project)
    assert (data["run"], data["images"], data["annotations"]) == (1, 2, 4)
    assert data["new_categories"] == ["cat", "a=b"]
    assert counted(project) == {"cat": 2, "a=b": 2}
    again = ran(capsys, "import", "coco", source, project)
    assert (again["run"], again["annotations"], again["already_there"]) == (None, 0, 4)
    gone = ran(capsys, "take-back", project)
    assert (gone["run"], gone["removed"], gone["kept"]) == (1, 4, [])
    assert counted(project) == {}
    with pytest.raises(BadInputError, match="No import or prediction of this project"):
        main(["take-back", str(project)])
    with pytest.raises(BadInputError, match="no run 77"):
        main(["take-back", str(project), "--run", "77"])


def test_a_dry_run_says_all_and_changes_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = project.read_bytes()
    source = coco(tmp_path / "source")
    flags = ["--dry-run", "--map", "a=b=cat", "--leave-out", "cat"]
    data = ran(capsys, "import", "coco", source, project.parent / "photos.segstudio", *flags)
    assert data["dry_run"] is True
    assert data["found"]["annotations"] == 4
    assert data["categories"] == [
        {"name": "cat", "annotations": 2, "becomes": None, "new": False},
        {"name": "a=b", "annotations": 2, "becomes": "cat", "new": True},
    ]
    assert project.read_bytes() == before
    assert main(["import", "coco", str(source), str(project), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "4 annotations on 2 images, of which the project has 2" in text
    assert "cat: 2 -> cat (new)" in text


def test_categories_are_mapped_and_left_out(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = coco(tmp_path / "source")
    flags = ["--map", "a=b=two=three", "--leave-out", "cat"]
    data = ran(capsys, "import", "coco", source, project, *flags)
    assert (data["annotations"], data["left_out"]) == (2, 2)
    assert counted(project) == {"two=three": 2}
    with pytest.raises(BadInputError, match="no category “dog”"):
        main(["import", "coco", str(source), str(project), "--leave-out", "dog"])


def test_faults_are_named_and_refused_unless_left_out(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("a.png", "b.png", *(f"gone{number}.png" for number in range(30)))
    source = coco(tmp_path / "source", images=names, hurt=1)
    with pytest.raises(BadInputError, match="There are 30 more faults"):
        main(["import", "coco", str(source), str(project)])
    said = capsys.readouterr().err.splitlines()
    assert "things.json" in said[0]
    assert said[20] == "... and 11 more faults."
    assert counted(project) == {}
    data = ran(capsys, "import", "coco", source, project, "--dry-run", status=1)
    assert data["fault_count"] == len(data["faults"]) == 31
    data = ran(capsys, "import", "coco", source, project, "--leave-out-faults")
    assert data["annotations"] == 3


def test_images_are_copied_when_asked(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = coco(tmp_path / "source", images=("a.png", "new.png"))
    write_photo(tmp_path / "source" / "new.png", 99)
    data = ran(capsys, "import", "coco", source, project, "--copy-images")
    assert data["copied"] == ["things/new.png"]
    assert (project.parent / "photos" / "things" / "new.png").is_file()


def test_a_category_with_an_equals_sign_is_told_from_the_one_that_it_becomes() -> None:
    assert renamings(["a=b=c"], ["a=b"]) == {"a=b": "c"}
    assert renamings(["a=b=c"], ["a"]) == {"a": "b=c"}
    assert renamings(["x=y=z"], []) == {"x": "y=z"}
    with pytest.raises(BadInputError, match="FOUND=NAME"):
        renamings(["x"], ["x"])


def test_a_bad_source_ends_the_program_with_one_sentence(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"images": [{]')
    command = [sys.executable, "-m", "segstudio", "import", "coco", tmp_path / "bad.json", project]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bad.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""

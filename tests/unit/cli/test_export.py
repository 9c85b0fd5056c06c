"""`segstudio export` on a real project file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from export_check import check_coco, check_voc
from memory_project import MemoryProject, photo_project

from segstudio.cli.command_line import main
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError
from segstudio.formats.coco.format import CocoOptions
from segstudio.formats.cut_outs.format import CutOutsFormat
from segstudio.formats.found import Found
from segstudio.formats.voc.format import VocOptions
from segstudio.store.project import NewImage, ProjectStore


@pytest.fixture
def memory(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


@pytest.fixture
def project(memory: MemoryProject) -> Path:
    """The same photos and annotations in a project file beside them."""
    path = memory.folder / "photos.segstudio"
    with ProjectStore.create(path, memory.folder) as store:
        records = store.add_images([
            NewImage(image.path, image.width, image.height, image.sha256, image.state, image.split)
            for image in memory.all_images
        ])  # fmt: skip
        names = {category.id: store.new_category_id() for category in memory.all_categories}
        categories = [replace(item, id=names[item.id]) for item in memory.all_categories]
        places = {old.id: new.id for old, new in zip(memory.all_images, records, strict=True)}
        annotations = [
            replace(
                item,
                id=store.new_annotation_id(),
                image_id=places[item.image_id],
                category_id=names[item.category_id],
            )
            for item in memory.all_annotations
        ]
        for record in records:
            own = tuple(item for item in annotations if item.image_id == record.id)
            first = tuple(categories) if record is records[0] else ()
            store.commit(Edit("Import", record.id, Records(), Records(own, first)))
    return path


def exported(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["export", *map(str, arguments), "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_coco_is_written_from_a_project_file(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = exported(capsys, "coco", project, tmp_path / "out")
    assert (data["format"], data["images"], data["annotations"]) == ("coco", 4, 6)
    assert [item["path"] for item in data["skipped"]] == ["later.jpg"]
    with ProjectStore.open(project, read_only=True) as store:
        assert check_coco(tmp_path / "out", store).differences == []


def test_losses_and_proof_are_in_the_json(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = exported(capsys, "voc", project, tmp_path / "out")
    assert data["proof"] == {
        "equal": True, "images": 4, "annotations": 6, "total": 0, "differences": [],
    }  # fmt: skip
    overlap = next(row for row in data["losses"]["counts"] if row["kind"] == "overlap")
    listed = [row for row in data["losses"]["listed"] if row["kind"] == "overlap"]
    assert overlap["annotations"] == len(listed) == 2
    assert overlap["pixels"] == sum(row["pixels"] for row in listed) > 0
    assert {row["path"] for row in listed} == {"cats/chelsea.jpg"}
    assert data["losses"]["always"]


def test_a_dry_run_says_what_would_be_lost_and_writes_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = sorted(path for path in tmp_path.rglob("*") if path.is_dir())
    assert main(["export", "voc", str(project), "--dry-run", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["dry_run"] is True
    assert [item["path"] for item in data["skipped"]] == ["later.jpg"]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_dir()) == folders
    assert data["losses"] == exported(capsys, "voc", project, tmp_path / "out")["losses"]
    assert main(["export", "voc", str(project), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "Would be lost (overlap): 2 annotations on 1 images" in text
    assert "cats/chelsea.jpg, annotation 1: " in text


def test_an_export_that_reads_back_otherwise_is_status_1_with_both_said(
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(*_: object) -> Iterator[Found]:
        return iter(())

    monkeypatch.setattr(CutOutsFormat, "reread", nothing)
    assert main(["export", "cut-outs", str(project), str(tmp_path / "out"), "--json"]) == 1
    printed = capsys.readouterr()
    proof = json.loads(printed.out)["proof"]
    assert (proof["equal"], proof["total"]) == (False, 3)
    assert proof["differences"][0]["path"] == "cats/chelsea.jpg"
    assert "cats/chelsea.jpg: The image is not in the files." in printed.err
    assert main(["export", "cut-outs", str(project), str(tmp_path / "two")]) == 1
    assert "3 differences from the project." in capsys.readouterr().out


def test_options_of_the_format_are_flags(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--segmentation", "polygons", "--no-images", "--split", "val"]
    data = exported(capsys, "coco", project, tmp_path / "out", *flags)
    assert (data["images"], data["annotations"]) == (1, 2)
    options = CocoOptions(segmentation="polygons", images=False, split="val")
    with ProjectStore.open(project, read_only=True) as store:
        assert check_coco(tmp_path / "out", store, options).differences == []
    exported(capsys, "voc", project, tmp_path / "voc", "--border", 2)
    with ProjectStore.open(project, read_only=True) as store:
        assert check_voc(tmp_path / "voc", store, VocOptions(border=2)).differences == []


def test_cut_outs_of_named_objects_with_a_margin(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = exported(capsys, "cut-outs", project, tmp_path / "all")
    assert (data["format"], data["images"], data["annotations"]) == ("cut-outs", 4, 6)
    assert data["files"] == 7  # and the index
    flags = ["--objects", "1,4", "--margin", "5", "--folders", "category"]
    data = exported(capsys, "cut-outs", project, tmp_path / "two", *flags)
    assert (data["images"], data["annotations"]) == (2, 2)
    files = sorted(
        path.relative_to(tmp_path / "two").as_posix() for path in tmp_path.glob("two/*/*/*")
    )
    assert files == ["objects/cat/cats_chelsea_1.png", "objects/person/astronaut_4.png"]
    with pytest.raises(BadInputError, match="no annotation 77"):
        main(["export", "cut-outs", str(project), str(tmp_path / "three"), "--objects", "77"])
    assert not (tmp_path / "three").exists()


def test_the_folder_of_images_stands_for_its_project(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(capsys, "voc", project.parent, tmp_path / "out")["images"] == 4


def test_a_person_reads_a_summary_with_what_was_left_out(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "voc", str(project), str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "6 annotations on 4 images" in text
    assert "Left out: 1 x Nobody has labelled it yet." in text


def test_a_second_export_needs_replace(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(capsys, "coco", project, tmp_path / "out")
    with pytest.raises(BadInputError, match="not empty"):
        main(["export", "coco", str(project), str(tmp_path / "out")])
    assert exported(capsys, "coco", project, tmp_path / "out", "--replace")["images"] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["png", "p", "d"],
        ["voc", "p"],
        ["voc", "p", "d", "--border", "99"],
        ["coco", "p", "d", "-x"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["export", *arguments])
    assert left.value.code == 2
    assert "usage: segstudio export" in capsys.readouterr().err


def test_a_project_that_is_not_there_is_status_1_and_one_sentence(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "segstudio", "export", "voc", tmp_path / "no.segstudio", tmp_path],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_exporting_imports_no_torch(project: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom segstudio.cli.command_line import main\n"
        "main(['export', 'voc', sys.argv[1], sys.argv[2]])\n"
        "assert 'torch' not in sys.modules and 'PySide6' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, project, tmp_path / "out"],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr

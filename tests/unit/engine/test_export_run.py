"""An export is whole or nothing, says what it left out, and is the same twice."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from memory_project import MemoryProject, photo_project

from segstudio.core.errors import BadInputError, Cancelled, StorageError
from segstudio.core.image import ImageState
from segstudio.core.progress import CancelToken, Progress
from segstudio.engine.export_run import export
from segstudio.formats import staging
from segstudio.formats.coco.format import CocoOptions
from segstudio.formats.voc.format import VocOptions


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("key", ["coco", "voc"])
def test_the_same_project_gives_the_same_bytes(
    project: MemoryProject, exports: Path, key: str
) -> None:
    export(key, project, exports / "one")
    export(key, project, exports / "two")
    assert contents(exports / "one") == contents(exports / "two")


def test_the_report_counts_what_is_on_the_disk(project: MemoryProject, exports: Path) -> None:
    done = export("coco", project, exports / "out")
    written = set(contents(exports / "out")) - {staging.MANIFEST}
    assert (done.images, done.annotations, done.files) == (4, 6, len(written))


def test_missing_damaged_and_changed_images_are_left_out_and_named(
    project: MemoryProject, exports: Path
) -> None:
    (project.folder / "astronaut.png").unlink()
    (project.folder / "desk/nothing.jpg").write_bytes(b"no image at all")
    shutil.copyfile(project.folder / "later.jpg", project.folder / "cats/chelsea.jpg")
    for key in ("coco", "voc"):
        done = export(key, project, exports / key)
        reasons = {item.path: item.reason for item in done.skipped}
        assert set(reasons) == {
            "astronaut.png", "desk/nothing.jpg", "cats/chelsea.jpg", "later.jpg",
        }  # fmt: skip
        assert "put it back" in reasons["astronaut.png"]
        assert "150 x 100" in reasons["cats/chelsea.jpg"]
        assert done.images == 1
        names = [name for name in contents(exports / key) if name.endswith((".jpg", ".png"))]
        assert all("desk_turned" in name for name in names)


def test_rejected_and_unlabelled_images_come_along_when_asked(
    project: MemoryProject, exports: Path
) -> None:
    project.change_image(project.all_images[0], state=ImageState.REJECTED)
    assert export("coco", project, exports / "plain").images == 3
    asked = CocoOptions(rejected=True, unlabelled=True)
    done = export("coco", project, exports / "all", asked)
    assert (done.images, done.skipped) == (5, ())


def test_an_image_that_is_still_to_do_but_has_annotations_is_exported(
    project: MemoryProject, exports: Path
) -> None:
    project.change_image(project.all_images[0], state=ImageState.TODO)
    assert export("coco", project, exports / "out").images == 4


def test_one_split_can_be_chosen_and_an_unknown_one_is_refused(
    project: MemoryProject, exports: Path
) -> None:
    done = export("voc", project, exports / "val", VocOptions(split="val"))
    assert (done.images, done.annotations) == (1, 2)
    with pytest.raises(BadInputError, match="are: train, val"):
        export("voc", project, exports / "dev", VocOptions(split="dev"))
    assert {path.name for path in exports.iterdir()} == {"val"}


def test_names_are_the_same_whichever_split_is_exported(
    project: MemoryProject, exports: Path
) -> None:
    project.change_image(project.all_images[1], path="cats_chelsea.png")
    shutil.copyfile(project.folder / "astronaut.png", project.folder / "cats_chelsea.png")
    export("voc", project, exports / "all")
    export("voc", project, exports / "val", VocOptions(split="val"))
    pages = {path.name for path in (exports / "all" / "Annotations").iterdir()}
    assert {"cats_chelsea.xml", "cats_chelsea_2.xml"} <= pages
    (page,) = (exports / "val" / "Annotations").iterdir()
    assert page.name == "cats_chelsea_2.xml"


def test_an_unknown_format_names_the_known_ones(project: MemoryProject, exports: Path) -> None:
    with pytest.raises(BadInputError, match="coco, coco-panoptic, voc"):
        export("bmp", project, exports / "out")


def test_options_of_another_format_are_a_mistake_of_the_caller(
    project: MemoryProject, exports: Path
) -> None:
    with pytest.raises(TypeError):
        export("voc", project, exports / "out", CocoOptions())


@pytest.mark.parametrize("key", ["coco", "voc"])
@pytest.mark.parametrize("step", range(5))
def test_cancelling_at_any_step_leaves_nothing(
    project: MemoryProject, exports: Path, key: str, step: int
) -> None:
    token = CancelToken()
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) > step:
            token.cancel()

    with pytest.raises(Cancelled):
        export(key, project, exports / "out", None, report, token)
    assert list(exports.iterdir()) == []


@pytest.mark.parametrize("key", ["coco", "voc"])
def test_progress_rises_to_its_total(project: MemoryProject, exports: Path, key: str) -> None:
    seen: list[Progress] = []
    export(key, project, exports / "out", None, seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert seen[-1].fraction == 1.0


@pytest.mark.parametrize("key", ["coco", "voc"])
def test_a_full_disk_is_said_in_one_sentence_and_keeps_the_earlier_export(
    project: MemoryProject, exports: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up while the files are forced out, as it does with delayed allocation."""
    export(key, project, exports / "out")
    before = contents(exports / "out")
    calls = iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(staging.os, "fsync", full)
    options = CocoOptions(replace=True) if key == "coco" else VocOptions(replace=True)
    with pytest.raises(StorageError, match="is full; nothing was exported"):
        export(key, project, exports / "out", options)
    assert contents(exports / "out") == before
    assert [path.name for path in exports.iterdir()] == ["out"]


SMALL_FILES_ONLY = """
import resource, sys
from pathlib import Path
from memory_project import photo_project
from segstudio.core.errors import StorageError
from segstudio.engine.export_run import export
project = photo_project(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    export(sys.argv[2], project, Path(sys.argv[3]))
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
@pytest.mark.parametrize("key", ["coco", "voc"])
def test_a_disk_that_really_stops_in_the_midst_of_a_file_leaves_nothing(
    tmp_path: Path, exports: Path, key: str
) -> None:
    support = Path(__file__).resolve().parents[2] / "support"
    root = support.parents[1]
    result = subprocess.run(
        [sys.executable, "-c", SMALL_FILES_ONLY, tmp_path / "small", key, exports / "out"],
        env={**os.environ, "PYTHONPATH": f"{support}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing was left there" in result.stdout
    assert "Traceback" not in result.stderr
    assert list(exports.iterdir()) == []


def test_an_earlier_export_is_replaced_only_when_asked(
    project: MemoryProject, exports: Path
) -> None:
    export("coco", project, exports / "out")
    with pytest.raises(BadInputError, match="not empty"):
        export("coco", project, exports / "out")
    project.all_annotations.pop()
    done = export("coco", project, exports / "out", CocoOptions(replace=True))
    assert done.annotations == 5
    export("voc", project, exports / "out", VocOptions(replace=True))
    assert not (exports / "out" / "annotations").exists(), "nothing of the other format is left"


def test_the_photos_themselves_are_never_the_place_of_an_export(project: MemoryProject) -> None:
    before = contents(project.folder)
    with pytest.raises(BadInputError, match="not of an earlier export"):
        export("coco", project, project.folder, CocoOptions(replace=True))
    assert contents(project.folder) == before

"""Projects are made whole or not at all, and follow their folder without losing work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segstudio.config.paths import data_dir
from segstudio.core.errors import BadInputError, Cancelled, ProjectLockedError, StorageError
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.core.prompt import Candidate
from segstudio.engine.folder_sync import ScanReport
from segstudio.engine.image_session import ImageSession
from segstudio.engine.project_session import (
    OpenedProject,
    new_project,
    open_path,
    project_path_for,
)
from segstudio.imaging.read import read_image
from segstudio.imaging.sample_photos import SAMPLE_PHOTOS, write_sample_photos
from segstudio.store.project import ProjectStore


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_sample_photos(tmp_path / "photos")
    return tmp_path / "photos"


def make(project: Path, images: Path, categories: Path | None = None) -> ScanReport:
    return new_project(project, images, ignore_progress, CancelToken(), categories)


@contextmanager
def opened(path: Path, read_only: bool = False) -> Iterator[OpenedProject]:
    project = open_path(path, ignore_progress, CancelToken(), read_only)
    try:
        yield project
    finally:
        project.store.close()


def label(store: ProjectStore, image_id: int) -> None:
    session = ImageSession(store, image_id)
    session.add_category(f"thing {image_id}")
    square = np.zeros(session.image.size, dtype=bool)
    square[10:20, 10:20] = True
    candidate = Candidate(Mask.from_array(square), 0.9, 0.9)
    session.accept([candidate], session.categories[-1].id, tool="point")


@contextmanager
def a_user_without_rights(folder: Path) -> Iterator[None]:
    """Make `folder` read-only, also for root (who then works as nobody)."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


# -- making ----------------------------------------------------------------------------------------


def test_a_folder_of_photos_becomes_a_project(photos: Path) -> None:
    (photos / "day 2" / "évening").mkdir(parents=True)
    shutil.copy(photos / "coffee.png", photos / "day 2" / "évening" / "Café.PNG")
    said: list[Progress] = []
    project = photos.parent / "out.segstudio"
    report = new_project(project, photos, said.append, CancelToken())
    assert report == ScanReport(added=5)
    assert said[-1].done == said[-1].total == 5
    with ProjectStore.open(project) as store:
        assert store.name == "out" and store.images_dir == photos
        paths = [image.path for image in store.images()]
        assert paths == sorted(paths) and "day 2/évening/Café.PNG" in paths
        for image in store.images():
            assert image.size == read_image(store.image_path(image)).size
            assert image.state is ImageState.TODO
        assert store.integrity() == []
    assert {path.name for path in photos.parent.iterdir()} <= {
        "photos",
        "out.segstudio",
        ".out.segstudio.lock",
    }, "nothing else is left behind"


def test_one_bad_file_is_told_and_the_others_go_in(photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.tif").write_text("not an image")
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    report = make(photos.parent / "p.segstudio", photos)
    assert report.added == len(SAMPLE_PHOTOS)
    names = [name for name, _ in report.unreadable]
    assert names == ["broken.jpg", "empty.png", "gone.png", "text.tif"]
    assert all(sentence.endswith(".") for _, sentence in report.unreadable)


def test_hidden_files_exports_and_link_loops_are_not_walked_into(photos: Path) -> None:
    for folder in (".thumbnails", "export", "loop"):
        (photos / folder).mkdir()
        shutil.copy(photos / "rocket.jpg", photos / folder / "again.jpg")
    shutil.copy(photos / "rocket.jpg", photos / "._rocket.jpg")
    (photos / "export" / ".segstudio-export").write_text("again.jpg\n")
    (photos / "loop" / "up").symlink_to(photos)
    (photos / "loop" / "self").symlink_to(photos / "loop" / "self")
    (photos / "loop" / "same").symlink_to(photos / "loop")
    outside = photos.parent / "elsewhere"
    outside.mkdir()
    shutil.copy(photos / "rocket.jpg", outside / "linked.jpg")
    (photos / "zlink").symlink_to(outside)
    make(photos.parent / "p.segstudio", photos)
    with ProjectStore.open(photos.parent / "p.segstudio") as store:
        paths = {image.path for image in store.images()}
    samples = {photo.name for photo in SAMPLE_PHOTOS}
    assert paths - samples == {"loop/again.jpg", "zlink/linked.jpg"}


def test_names_that_are_not_unicode_are_told_not_fatal(photos: Path) -> None:
    try:
        shutil.copy(os.fsencode(photos / "rocket.jpg"), os.fsencode(photos) + b"/caf\xe9.jpg")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    report = make(photos.parent / "p.segstudio", photos)
    assert len(report.unreadable) == 1 and "not valid Unicode" in report.unreadable[0][1]


@pytest.mark.parametrize("what", ["empty", "nothing readable", "missing", "a file"])
def test_a_folder_that_gives_no_image_is_one_sentence_and_no_file(
    tmp_path: Path, what: str
) -> None:
    images = tmp_path / "images"
    if what != "missing":
        images.mkdir()
    if what == "nothing readable":
        (images / "a.png").write_text("no")
    if what == "a file":
        images = images / "a.png"
        images.write_text("no")
    with pytest.raises(BadInputError) as refused:
        make(tmp_path / "p.segstudio", images)
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")
    assert not list(tmp_path.glob("*.segstudio*")) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("moment", range(4))
def test_a_cancelled_making_leaves_nothing(photos: Path, moment: int) -> None:
    token = CancelToken()

    def stop_at(progress: Progress) -> None:
        if progress.done == moment:
            token.cancel()

    with pytest.raises(Cancelled):
        new_project(photos.parent / "p.segstudio", photos, stop_at, token)
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


def test_a_bad_list_of_categories_leaves_nothing(photos: Path) -> None:
    names = photos.parent / "names.txt"
    names.write_text("cat\ncat\n")
    with pytest.raises(BadInputError, match=r"Entry 2 of “names.txt”: There is already"):
        make(photos.parent / "p.segstudio", photos, names)
    assert {path.name for path in photos.parent.iterdir()} == {"photos", "names.txt"}


def test_a_project_is_never_written_over(photos: Path) -> None:
    project = photos.parent / "p.segstudio"
    make(project, photos)
    content = project.read_bytes()
    with pytest.raises(BadInputError, match="exists already"):
        make(project, photos)
    with pytest.raises(BadInputError, match="ends with"):
        make(photos.parent / "p.db", photos)
    assert project.read_bytes() == content


def test_a_project_in_a_place_that_cannot_be_is_one_sentence(photos: Path) -> None:
    (photos.parent / "file").write_text("")
    with pytest.raises((StorageError, BadInputError)) as refused:
        make(photos.parent / "file" / "p.segstudio", photos)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "cat\n\n dog house \n", ["cat", "dog house"]),
        ("a.txt", "\ufeffcat\r\ndog\r\n", ["cat", "dog"]),
        ("a.json", '["cat", "dog"]', ["cat", "dog"]),
        ("a.json", '{"categories": [{"id": 7, "name": "cat", "supercategory": null}]}', ["cat"]),
        ("a.names", '[{"name": "sky", "isthing": 0, "color": [70, 130, 180]}]', ["sky"]),
    ],
)
def test_categories_come_from_text_or_json(
    photos: Path, name: str, content: str, expected: list[str]
) -> None:
    (photos.parent / name).write_text(content, encoding="utf-8")
    make(photos.parent / "p.segstudio", photos, photos.parent / name)
    with ProjectStore.open(photos.parent / "p.segstudio") as store:
        rows = store.categories()
    assert [row.name for row in rows] == expected
    assert [row.key for row in rows] == ["1", "2"][: len(rows)]
    if expected == ["sky"]:
        assert rows[0].colour == "#4682b4" and not rows[0].isthing


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{"),
        ("a.json", '{"images": []}'),
        ("a.json", "[1]"),
        ("a.json", "[" * 100_000),
        ("a.json", '[{"name": "cat", "color": "red"}]'),
        ("a.txt", "\n \n"),
        ("a.txt", "\udcff"),
        ("missing.txt", None),
    ],
)
def test_a_list_of_categories_that_is_none_is_one_sentence(
    photos: Path, name: str, content: str | None
) -> None:
    if content is not None:
        (photos.parent / name).write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(BadInputError) as refused:
        make(photos.parent / "p.segstudio", photos, photos.parent / name)
    assert name in str(refused.value) and "\n" not in str(refused.value)


# -- opening ---------------------------------------------------------------------------------------


def test_opening_a_folder_makes_its_project_once(photos: Path) -> None:
    with opened(photos) as first:
        assert first.report.added == 4 and first.start_image_id is None
        assert first.store.path == photos / "photos.segstudio"
        label(first.store, 1)
    with opened(photos) as second:
        assert second.report == ScanReport()
        assert second.store.annotation_counts()[1] == 1
    with opened(photos / "photos.segstudio") as third:
        assert third.report == ScanReport() and third.start_image_id is None


def test_opening_an_image_shows_it_among_its_neighbours(photos: Path) -> None:
    (photos / "below").mkdir()
    shutil.copy(photos / "coffee.png", photos / "below" / "cup.png")
    with opened(photos / "coffee.png") as project:
        assert project.start_image_id is not None
        assert project.store.image(project.start_image_id).path == "coffee.png"
        assert len(project.store.images()) == 4, "folders below are not looked through"
    with opened(photos / "below" / "cup.png") as project:
        assert project.store.path == photos / "photos.segstudio"
        assert project.start_image_id is not None
        assert project.store.image(project.start_image_id).path == "below/cup.png"
    with opened(photos / "chelsea.png") as project:
        assert project.report == ScanReport()


def test_an_image_reached_through_a_relative_path_is_found(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    with opened(Path("coffee.png")) as project:
        assert project.start_image_id is not None
    monkeypatch.chdir(photos.parent)
    with opened(Path("photos/../photos")) as project:
        assert project.store.path == photos / "photos.segstudio"


def test_a_single_project_of_another_name_is_the_folders_project(photos: Path) -> None:
    make(photos / "annotations.segstudio", photos)
    assert project_path_for(photos) == photos / "annotations.segstudio"
    with opened(photos) as project:
        assert project.store.name == "annotations"
    make(photos / "other.segstudio", photos)
    assert project_path_for(photos) == photos / "photos.segstudio", "two: neither is meant"


@pytest.mark.parametrize("name", ["nothing", "text.txt", "bad.png", "bad.segstudio", "\0"])
def test_what_is_no_project_image_or_folder_is_one_sentence(photos: Path, name: str) -> None:
    for bad in ("text.txt", "bad.png", "bad.segstudio"):
        (photos / bad).write_text("hello")
    before = sorted(path.name for path in photos.iterdir())
    with pytest.raises(BadInputError) as refused, opened(photos / name):
        pytest.fail("it opened")
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")
    left = {path.name for path in photos.iterdir()} - set(before)
    assert left <= {".bad.segstudio.lock"}


def test_a_project_open_elsewhere_is_locked_but_can_be_read(photos: Path) -> None:
    with opened(photos):
        with pytest.raises(ProjectLockedError, match="read-only"), opened(photos):
            pytest.fail("it opened twice")
        with opened(photos, read_only=True) as reader:
            assert len(reader.store.images()) == 4 and reader.store.read_only


# -- following the folder --------------------------------------------------------------------------


def test_new_missing_and_changed_files_are_told_and_no_mask_is_lost(photos: Path) -> None:
    with opened(photos) as project:
        ids = {image.path: image.id for image in project.store.images()}
        for name in ("coffee.png", "chelsea.png"):
            label(project.store, ids[name])
    shutil.copy(photos / "rocket.jpg", photos / "late.jpg")
    (photos / "coffee.png").unlink()
    Image.new("RGB", (30, 20)).save(photos / "chelsea.png")
    for _ in range(2):  # told each time, until somebody mends it
        with opened(photos) as project:
            report = project.report
            assert report.missing == ("coffee.png",) and report.changed == ("chelsea.png",)
            counts = project.store.annotation_counts()
            assert counts[ids["coffee.png"]] == counts[ids["chelsea.png"]] == 1
            assert project.store.image(ids["chelsea.png"]).size == (300, 451)
    assert report.added == 0


def test_a_changed_file_that_nobody_worked_on_is_taken_as_it_is(photos: Path) -> None:
    with opened(photos) as project:
        old = next(image for image in project.store.images() if image.path == "coffee.png")
    Image.new("RGB", (30, 20)).save(photos / "coffee.png")
    with opened(photos) as project:
        assert project.report == ScanReport(refreshed=("coffee.png",))
        new = project.store.image(old.id)
        assert new.size == (20, 30)
        assert replace(new, width=old.width, height=old.height, sha256=old.sha256) == old
    with opened(photos) as project:
        assert project.report == ScanReport()


def test_a_touched_file_is_read_once_and_then_trusted(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(photos):
        pass
    os.utime(photos / "coffee.png", ns=(1, 1))
    read: list[str] = []
    from segstudio.engine import folder_sync

    real = folder_sync.file_sha256

    def counted(path: Path) -> str:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(folder_sync, "file_sha256", counted)
    for _ in range(3):
        with opened(photos) as project:
            assert project.report == ScanReport()
    assert read == ["coffee.png"]


def test_a_renamed_file_keeps_its_masks(photos: Path) -> None:
    with opened(photos) as project:
        image = next(row for row in project.store.images() if row.path == "coffee.png")
        label(project.store, image.id)
    (photos / "sorted").mkdir()
    (photos / "coffee.png").rename(photos / "sorted" / "cup.png")
    with opened(photos) as project:
        assert project.report == ScanReport(moved=(("coffee.png", "sorted/cup.png"),))
        assert project.store.image(image.id).path == "sorted/cup.png"
        session = ImageSession(project.store, image.id)
        assert len(session.annotations) == 1
        session.undo()
        assert session.image.path == "sorted/cup.png", "undo does not undo the move"


def test_twins_are_not_mistaken_for_each_other(photos: Path) -> None:
    shutil.copy(photos / "coffee.png", photos / "coffee2.png")
    with opened(photos):
        pass
    (photos / "coffee.png").rename(photos / "x.png")
    (photos / "coffee2.png").rename(photos / "y.png")
    with opened(photos) as project:
        assert project.report.missing == ("coffee.png", "coffee2.png")
        assert project.report.added == 2 and project.report.moved == ()


def test_a_folder_that_is_not_there_today_is_not_fatal(photos: Path) -> None:
    project = photos.parent / "p.segstudio"
    make(project, photos)
    photos.rename(photos.with_name("unplugged"))
    with opened(project) as lost:
        assert len(lost.report.missing) == 4 and len(lost.store.images()) == 4
    photos.with_name("unplugged").rename(photos)
    with opened(project) as back:
        assert back.report == ScanReport()


def test_a_reader_changes_nothing(photos: Path) -> None:
    with opened(photos):
        pass
    content = (photos / "photos.segstudio").read_bytes()
    shutil.copy(photos / "rocket.jpg", photos / "late.jpg")
    (photos / "coffee.png").unlink()
    with opened(photos, read_only=True) as project:
        assert project.report == ScanReport(missing=("coffee.png",))
    assert (photos / "photos.segstudio").read_bytes() == content


def test_photos_that_may_only_be_read_get_a_project_in_the_users_folder(
    photos: Path, own_home: Path
) -> None:
    own_home.chmod(0o777)
    for parent in [own_home, photos]:
        for folder in list(parent.parents)[:4]:
            folder.chmod(folder.stat().st_mode | 0o055)
    with a_user_without_rights(photos):
        path = project_path_for(photos)
        assert path.parent == data_dir() / "projects"
        assert path.name.startswith("photos-")
        with opened(photos) as project:
            assert project.store.path == path and not project.store.read_only
            assert project.store.images_dir == photos
            label(project.store, 1)
        with opened(photos) as again:
            assert again.store.annotation_counts()[1] == 1
            assert again.report == ScanReport()
    assert project_path_for(photos) == path, "work goes on there, also once it may be written"


def test_a_project_that_may_only_be_read_is_opened_for_reading(photos: Path) -> None:
    with opened(photos):
        pass
    for folder in list(photos.parents)[:4]:
        folder.chmod(folder.stat().st_mode | 0o055)
    with a_user_without_rights(photos), opened(photos) as project:
        assert project.store.read_only and len(project.store.images()) == 4

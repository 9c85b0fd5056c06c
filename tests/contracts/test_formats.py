"""The same questions to every export format, through the registry."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from memory_project import MemoryProject, photo_project
from PIL import Image

from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.image import ImageState
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.engine.export_run import export
from segstudio.formats.contract import ExportFormat, ExportOptions, declared_options
from segstudio.formats.registry import EXPORT_FORMATS, export_format

every_format = pytest.mark.parametrize("member", EXPORT_FORMATS, ids=lambda member: member.key)


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write(member: ExportFormat, project: MemoryProject, folder: Path, **options: object) -> object:
    chosen = member.options(**options)
    return member.write(project, folder, chosen, ignore_progress, CancelToken())


def test_keys_are_unique_plain_and_found() -> None:
    keys = [member.key for member in EXPORT_FORMATS]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[a-z0-9-]+", key) for key in keys)
    assert all(export_format(member.key) is member for member in EXPORT_FORMATS)
    with pytest.raises(BadInputError, match=", ".join(keys)):
        export_format("no-such-format")


@every_format
def test_it_introduces_itself(member: ExportFormat) -> None:
    assert member.title
    assert member.description.endswith(".")


@every_format
def test_every_option_says_what_it_is(member: ExportFormat) -> None:
    assert issubclass(member.options, ExportOptions)
    rows = declared_options(member.options)
    assert {row.name for row in rows} == {item.name for item in dataclasses.fields(member.options)}
    for row in rows:
        assert row.label
        assert row.help.endswith(".")
        assert row.kind in {bool, int, str}
        assert type(row.default) is row.kind
        assert not row.choices or row.default in row.choices
        if row.kind is int:
            assert row.minimum <= row.default <= row.maximum
    with pytest.raises(dataclasses.FrozenInstanceError):
        member.options().split = "train"  # type: ignore[misc]


@every_format
def test_locks_change_nothing_in_what_is_written(
    member: ExportFormat, project: MemoryProject, tmp_path: Path
) -> None:
    written = []
    for name, locked in (("free", False), ("locked", True)):
        rows = [dataclasses.replace(row, locked=locked) for row in project.all_annotations]
        project.all_annotations = rows
        (tmp_path / name).mkdir()
        write(member, project, tmp_path / name)
        written.append(tree(tmp_path / name))
    assert written[0] == written[1]
    assert written[0]


@every_format
def test_it_writes_all_labelled_images_and_says_what_it_left_out(
    member: ExportFormat, project: MemoryProject, folder: Path
) -> None:
    done = member.write(project, folder, member.options(), ignore_progress, CancelToken())
    assert (done.images, done.annotations) == (4, 6)
    assert [item.path for item in done.skipped] == ["later.jpg"]
    assert tree(folder)


@every_format
def test_the_same_project_gives_the_same_bytes(
    member: ExportFormat, project: MemoryProject, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(member, project, tmp_path / name)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@every_format
def test_it_leaves_the_project_as_it_was(
    member: ExportFormat, project: MemoryProject, folder: Path
) -> None:
    photos = tree(project.folder)
    records = (list(project.all_images), list(project.all_annotations))
    write(member, project, folder)
    assert tree(project.folder) == photos
    assert (project.all_images, project.all_annotations) == records


@every_format
def test_it_stops_when_it_is_cancelled(
    member: ExportFormat, project: MemoryProject, folder: Path
) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        member.write(project, folder, member.options(), ignore_progress, token)


@every_format
def test_photos_of_the_same_name_in_two_folders_do_not_overwrite_one_another(
    member: ExportFormat, project: MemoryProject, folder: Path
) -> None:
    greys = (30, 90, 150)
    for grey, name in zip(greys, ("a/x.jpg", "b/x.jpg", "a_x.jpg"), strict=True):
        photo = project.add_photo(name, _grey(grey))
        project.annotate(photo, project.all_categories[0], np.ones(photo.size, dtype=bool))
    write(member, project, folder)
    written = set()
    for name in tree(folder):
        if name.endswith((".jpg", ".png")):
            with Image.open(folder / name) as opened:
                pixels = np.asarray(opened.convert("RGB"))
            written |= {grey for grey in greys if np.all(np.abs(pixels - float(grey)) <= 2)}
    assert written == set(greys)


@every_format
def test_hostile_paths_never_leave_the_folder(
    member: ExportFormat, project: MemoryProject, folder: Path, tmp_path: Path
) -> None:
    record = project.add_photo("plain.jpg", _grey(9))
    (project.folder.parent / "evil.jpg").write_bytes((project.folder / "plain.jpg").read_bytes())
    project.change_image(record, path="../evil.jpg")
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(folder)}
    write(member, project, folder)
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(folder)} == before


@every_format
def test_a_category_that_appears_meanwhile_waits_for_the_next_export(
    member: ExportFormat, project: MemoryProject, folder: Path
) -> None:
    def report(_: Progress) -> None:
        if len(project.all_categories) == 3:
            late = project.add_category("late")
            photo = project.all_images[1]
            project.annotate(photo, late, np.ones(photo.size, dtype=bool))

    done = member.write(project, folder, member.options(), report, CancelToken())
    assert done.annotations == 6
    assert "was not in the project when" in done.skipped[-1].reason
    assert not any(b"late<" in data or b'"late"' in data for data in tree(folder).values())


@every_format
def test_an_empty_project_gives_an_empty_export(member: ExportFormat, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    empty = MemoryProject(tmp_path)
    done = member.write(empty, tmp_path / "out", member.options(), ignore_progress, CancelToken())
    assert (done.images, done.annotations, done.skipped) == (0, 0, ())
    assert tree(tmp_path / "out")


@every_format
@pytest.mark.parametrize("seen", [False, True], ids=["nothing labelled", "labelled as empty"])
def test_images_without_annotations_are_exported_and_proved(
    member: ExportFormat, seen: bool, tmp_path: Path
) -> None:
    empty = MemoryProject(tmp_path)
    empty.add_photo("a.png", _grey(90), state=ImageState.LABELLED if seen else ImageState.TODO)
    done = export(member.key, empty, tmp_path / "out")
    assert done.annotations == 0
    assert done.proof is not None and done.proof.differences == ()


def _grey(value: int) -> np.ndarray:
    return np.full((16, 24, 3), value, dtype=np.uint8)

"""Full disks, read-only places and broken files: one sentence, and nothing accepted is lost."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segstudio.core.errors import BadInputError, SegStudioError, StorageError
from segstudio.store import sqlite_file
from segstudio.store.project import NewImage, ProjectStore


def is_one_sentence(error: BaseException) -> bool:
    text = str(error)
    return text.endswith(".") and "\n" not in text and len(text) < 400


# -- full disks ----------------------------------------------------------------------------------


def fill_until_refused(desk: Any, start: int) -> tuple[int, StorageError]:
    """Accept until the disk is full; returns the number accepted and the refusal."""
    for seed in range(start, start + 5000):
        try:
            desk.accept(seed)
        except StorageError as error:
            return seed - start, error
    raise AssertionError("the disk never became full")


def test_a_full_disk_refuses_in_a_sentence_and_loses_nothing(
    small_disk: Any, make_desk: Any
) -> None:
    desk = make_desk(small_disk.path)
    desk.accept(1)
    small_disk.fill()
    _, error = fill_until_refused(desk, 2)
    assert "The disk is full" in str(error) and "nothing accepted so far is lost" in str(error)
    assert is_one_sentence(error)
    seen = desk.everything()
    refusals = 0
    for act in (
        lambda: desk.accept(9),
        lambda: desk.store.add_images([NewImage(f"{n}.jpg", 9, 9, "x" * 64) for n in range(500)]),
        lambda: desk.store.save_copy(small_disk.path / "copy.segstudio"),
        lambda: ProjectStore.create(small_disk.path / "other.segstudio", small_disk.path),
    ):
        with pytest.raises(StorageError, match="The disk is full"):
            act()
        refusals += 1
        assert desk.everything() == seen
    assert refusals == 4
    assert desk.store.integrity() == []
    left = {path.name for path in small_disk.path.iterdir() if path.suffix == ".segstudio"}
    assert left == {"zoo.segstudio"}

    small_disk.empty()
    record = desk.accept(10)
    assert record in desk.store.annotations(record.image_id)
    assert desk.store.integrity() == []


def test_a_project_closed_on_a_full_disk_opens_whole(small_disk: Any, make_desk: Any) -> None:
    desk = make_desk(small_disk.path)
    small_disk.fill()
    fill_until_refused(desk, 1)
    seen = desk.everything()
    desk.store.close()
    small_disk.empty()
    desk.store = ProjectStore.open(desk.store.path)
    assert desk.everything() == seen
    assert desk.store.integrity() == []
    desk.accept(1)


def test_a_project_left_by_a_crash_on_a_full_disk_can_be_opened(
    small_disk: Any, make_desk: Any, tmp_path: Path
) -> None:
    desk = make_desk(tmp_path)
    record = desk.accept(1)
    for path in (desk.store.path, sqlite_file.beside(desk.store.path)[0]):
        shutil.copy(path, small_disk.path)
    small_disk.fill()
    path = small_disk.path / desk.store.path.name
    # Opened or refused with the reason; never broken.
    with pytest.raises(StorageError, match="The disk is full"):
        ProjectStore.open(path)
    with ProjectStore.open(path, read_only=True) as store:
        assert list(store.all_annotations()) == [record]
    small_disk.empty()
    with ProjectStore.open(path) as store:
        assert list(store.all_annotations()) == [record]


def test_a_file_that_may_not_grow_refuses_and_goes_on_when_it_may(desk: Any) -> None:
    desk.accept(0)

    def limit(pages: int | None) -> None:
        with desk.store._file.engine.connect() as connection:
            driver = sqlite_file.driver(connection)
            now = driver.execute("PRAGMA page_count").fetchone()[0]
            driver.execute(f"PRAGMA max_page_count={now + 1 if pages is None else pages}")

    limit(None)
    accepted, error = fill_until_refused(desk, 1)
    assert accepted < 200
    assert "The disk is full" in str(error) and is_one_sentence(error)
    seen = desk.everything()
    with pytest.raises(StorageError, match="The disk is full"):
        desk.accept(9)
    assert desk.everything() == seen
    limit(100_000)
    desk.accept(50)
    assert desk.store.integrity() == []


# -- other programs ------------------------------------------------------------------------------


def test_a_project_that_is_deleted_while_open_takes_no_more_work_but_can_be_saved(
    desk: Any, tmp_path: Path
) -> None:
    record = desk.accept(1)
    desk.store.path.unlink()
    with pytest.raises(StorageError, match="moved, deleted or replaced") as refused:
        desk.accept(2)
    assert is_one_sentence(refused.value)
    desk.store.save_copy(tmp_path / "rescued.segstudio")
    with ProjectStore.open(tmp_path / "rescued.segstudio") as rescued:
        assert list(rescued.all_annotations()) == [record]
        assert rescued.integrity() == []


def test_a_project_that_is_renamed_while_open_keeps_all_that_was_accepted(
    desk: Any, tmp_path: Path
) -> None:
    record = desk.accept(1)
    moved = desk.store.path.rename(tmp_path / "moved.segstudio")
    with pytest.raises(StorageError, match="moved, deleted or replaced"):
        desk.accept(2)
    desk.store.close()
    with ProjectStore.open(moved) as store:
        assert list(store.all_annotations()) == [record]
        assert store.integrity() == []


def test_a_project_in_use_by_another_program_says_so_and_goes_on_later(
    tmp_path: Path, make_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.05)
    desk = make_desk(tmp_path)
    other = sqlite3.connect(desk.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="Another program is using"):
        desk.accept(1)
    assert desk.store.annotation_counts() == {image.id: 0 for image in desk.images}
    other.execute("ROLLBACK")
    other.close()
    assert desk.accept(2) in desk.store.annotations(desk.images[0].id)


# -- read-only places ----------------------------------------------------------------------------


def require_refusals(store: ProjectStore, desk: Any, tmp_path: Path) -> None:
    assert store.read_only
    for act in (
        lambda: store.undo(desk.images[0].id),
        lambda: store.set_setting("x", 1),
        lambda: store.add_images([NewImage("x.jpg", 1, 1, "")]),
        lambda: store.start_run("export", {}),
    ):
        with pytest.raises(StorageError, match="read-only") as refused:
            act()
        assert is_one_sentence(refused.value)
    store.save_copy(tmp_path / "copy.segstudio")  # but a copy elsewhere may be made
    with ProjectStore.open(tmp_path / "copy.segstudio") as copy:
        assert copy.images() == store.images()
        assert copy.images_dir == store.images_dir
        copy.set_setting("x", 1)


def test_a_closed_project_can_be_read_in_a_read_only_folder(
    freeze: Any, make_desk: Any, tmp_path: Path
) -> None:
    desk = make_desk(freeze.path)
    record = desk.accept(1)
    desk.store.close()
    before = sorted(path.name for path in freeze.path.iterdir())
    freeze()
    with pytest.raises(StorageError, match="read-only") as refused:
        ProjectStore.open(desk.store.path)
    assert is_one_sentence(refused.value)
    with ProjectStore.open(desk.store.path, read_only=True) as store:
        assert list(store.all_annotations()) == [record]
        assert store.integrity() == []
        require_refusals(store, desk, tmp_path)
    assert sorted(path.name for path in freeze.path.iterdir()) == before
    with pytest.raises(StorageError, match="read-only"):
        ProjectStore.create(freeze.path / "new.segstudio", freeze.path)


@pytest.mark.parametrize("with_memory", [False, True], ids=["log", "log and shared memory"])
def test_what_a_killed_writer_left_in_the_log_is_seen_in_a_read_only_folder(
    freeze: Any, make_desk: Any, tmp_path: Path, with_memory: bool
) -> None:
    desk = make_desk(tmp_path)
    record = desk.accept(1)
    log, memory, _ = sqlite_file.beside(desk.store.path)
    assert log.stat().st_size > 0
    for path in (desk.store.path, log, *([memory] if with_memory else [])):
        shutil.copy(path, freeze.path)
    freeze()
    with ProjectStore.open(freeze.path / "zoo.segstudio", read_only=True) as store:
        assert list(store.all_annotations()) == [record]
        assert store.integrity() == []
        private = store._file.copy
    assert private is None or not private.exists()


def test_reading_does_not_change_a_byte(desk: Any) -> None:
    desk.accept(1)
    desk.store.close()
    before = desk.store.path.read_bytes(), desk.store.path.stat().st_mtime_ns
    with ProjectStore.open(desk.store.path, read_only=True) as store:
        assert store.integrity() == []
        with pytest.raises(StorageError, match="read-only"):
            store.set_setting("x", 1)
    with ProjectStore.open(desk.store.path):
        pass
    assert (desk.store.path.read_bytes(), desk.store.path.stat().st_mtime_ns) == before


# -- files that are no projects, or broken ones --------------------------------------------------


def open_both_ways(path: Path) -> list[Callable[[], ProjectStore]]:
    return [lambda: ProjectStore.open(path), lambda: ProjectStore.open(path, read_only=True)]


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n" * 100, b"SQLite format 3\0", b"SQLite format 3\0" + bytes(5000)],
)
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.segstudio"
    path.write_bytes(content)
    for act in open_both_ways(path):
        with pytest.raises(BadInputError, match="not a SegStudio project") as refused:
            act()
        assert is_one_sentence(refused.value)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE image (id INTEGER)")
    other.close()
    content = path.read_bytes()
    for act in open_both_ways(path):
        with pytest.raises(BadInputError, match="another program"):
            act()
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.segstudio"):
        for act in open_both_ways(path):
            with pytest.raises(BadInputError, match="no project file"):
                act()
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_project_is_refused_and_left_alone(desk: Any, tmp_path: Path) -> None:
    for seed in range(30):
        desk.accept(seed)
    desk.store.close()
    content = desk.store.path.read_bytes()
    refused = 0
    lengths = [*range(100, len(content), len(content) // 40), len(content) - 1]
    for index, length in enumerate(lengths):
        path = tmp_path / f"cut {index}.segstudio"
        path.write_bytes(content[:length])
        for act in open_both_ways(path):
            with pytest.raises(BadInputError) as error:
                act()
            assert is_one_sentence(error.value)
            refused += 1
        assert path.read_bytes() == content[:length]
    assert refused >= 80


def test_a_project_with_a_destroyed_page_never_answers_with_nonsense(
    desk: Any, tmp_path: Path
) -> None:
    for seed in range(20):
        desk.accept(seed)
    expected = desk.everything()
    desk.store.close()
    content = desk.store.path.read_bytes()
    for page in range(1, len(content) // 4096):
        path = tmp_path / f"hole {page}.segstudio"
        path.write_bytes(content[: page * 4096] + os.urandom(4096) + content[(page + 1) * 4096 :])
        try:
            with ProjectStore.open(path, read_only=True) as store:
                faults = store.integrity()
                found = (store.images(), store.categories(), list(store.all_annotations()))
        except SegStudioError as error:
            assert is_one_sentence(error)
        else:
            assert faults or found == expected[:3]


def test_a_new_project_never_replaces_a_file(desk: Any, tmp_path: Path) -> None:
    desk.store.close()
    content = desk.store.path.read_bytes()
    with pytest.raises(StorageError, match="exists already"):
        ProjectStore.create(desk.store.path, tmp_path)
    assert desk.store.path.read_bytes() == content


def test_the_log_of_a_project_that_was_deleted_does_not_get_into_a_new_one(
    desk: Any, tmp_path: Path
) -> None:
    desk.accept(1)
    log = sqlite_file.beside(desk.store.path)[0]
    old = log.read_bytes()
    desk.store.close()
    desk.store.path.unlink()
    log.write_bytes(old)
    with ProjectStore.create(desk.store.path, tmp_path) as store:
        assert store.images() == [] and list(store.all_annotations()) == []
        assert store.integrity() == []
    assert (tmp_path / "zoo.segstudio-wal.left-over-1").read_bytes() == old


MAKE = """
import sys
from pathlib import Path
from segstudio.store.project import ProjectStore
folder = Path(sys.argv[1])
number = 0
while True:
    number += 1
    store = ProjectStore.create(folder / f"{number}.segstudio", folder, f"project {number}")
    store.save_copy(folder / f"{number} copy.segstudio")
    print(number, flush=True)
    store.close()
"""


def test_a_killed_process_leaves_no_half_made_project(tmp_path: Path) -> None:
    rng = random.Random(7)
    whole = 0
    for kill in range(5):
        folder = tmp_path / str(kill)
        folder.mkdir()
        command = [sys.executable, "-c", MAKE, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "1\n"
            time.sleep(rng.random() * 0.1)
            process.kill()
            made = int([1, *process.stdout.read().split()][-1])
        for path in folder.glob("[!.]*.segstudio"):
            with ProjectStore.open(path) as store:
                assert store.name == f"project {path.stem.split()[0]}"
                assert store.integrity() == []
            whole += 1
        for number in (*range(1, made + 1), made + 1, made + 2):  # what was not made can be
            path = folder / f"{number}.segstudio"
            assert path.exists() or number > made
            if not path.exists():
                ProjectStore.create(path, folder).close()
        left = [path.name for path in folder.glob(".*.part*")]
        assert all(int(name.split(".")[1].split()[0]) > made for name in left)
    assert whole >= 10


def test_a_project_may_have_a_strange_name(tmp_path: Path) -> None:
    path = tmp_path / "a b?#%41&mode=ro" / "ü'\"; 木.segstudio"
    with ProjectStore.create(path, tmp_path) as store:
        store.set_setting("x", 1)
    for act in open_both_ways(path):
        with act() as store:
            assert store.setting("x") == 1

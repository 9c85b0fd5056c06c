"""One process writes a project at a time; the second is told who has it."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segstudio.core.errors import ProjectLockedError, StorageError
from segstudio.store.project import ProjectStore

HOLD = """
import sys
from pathlib import Path
from segstudio.store.project import ProjectStore
store = ProjectStore.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.readline()
"""


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_writer_is_told_who_has_the_project(desk: Any) -> None:
    record = desk.accept(1)
    path = desk.store.path
    desk.store.close()
    with another_process(path) as holder:
        with pytest.raises(ProjectLockedError) as refused:
            ProjectStore.open(path)
        for part in (getpass.getuser(), socket.gethostname(), str(holder.pid), "read-only", "zoo"):
            assert part in str(refused.value)
        with ProjectStore.open(path, read_only=True) as reader:
            assert list(reader.all_annotations()) == [record]
        # A copy over it, or a new project in its place, is refused as well.
        with pytest.raises(StorageError):
            ProjectStore.create(path, path.parent)


def test_the_lock_of_a_killed_process_is_free(desk: Any) -> None:
    path = desk.store.path
    desk.store.close()
    with another_process(path) as holder:
        os.kill(holder.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        holder.wait()
        with ProjectStore.open(path) as store:
            assert len(store.images()) == 2


def test_the_same_process_cannot_write_twice_either(desk: Any) -> None:
    with pytest.raises(ProjectLockedError, match=str(os.getpid())):
        ProjectStore.open(desk.store.path)
    desk.store.close()
    with ProjectStore.open(desk.store.path) as store:
        assert not store.read_only


def test_a_link_to_a_project_is_the_same_project(desk: Any, tmp_path: Path) -> None:
    link = tmp_path / "link.segstudio"
    try:
        link.symlink_to(desk.store.path)
    except OSError:
        pytest.skip("this system lets users make no symbolic links")
    with pytest.raises(ProjectLockedError):
        ProjectStore.open(link)


def test_a_project_may_be_closed_by_another_thread(desk: Any) -> None:
    thread = threading.Thread(target=desk.store.close)
    thread.start()
    thread.join()
    with ProjectStore.open(desk.store.path) as store:
        assert store.categories() == [desk.category]


def test_a_reader_sees_what_the_writer_accepts_meanwhile(desk: Any) -> None:
    with ProjectStore.open(desk.store.path, read_only=True) as reader:
        assert reader.read_only
        record = desk.accept(1)
        assert list(reader.all_annotations()) == [record]
        desk.store.undo(record.image_id)
        assert list(reader.all_annotations()) == []

"""The first compiling on a machine: who does it, and who waits."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken
from segstudio.imaging import slic_apart
from segstudio.imaging.superpixels import reference_slic, slic


class Started:
    """A process that was begun; `wait` lets it compile."""

    count = 0

    def __init__(self, command: tuple[str, ...], **_: object) -> None:
        Started.count += 1
        assert command == slic_apart.COMMAND

    def wait(self, timeout: float) -> int:
        if Started.slow:
            raise subprocess.TimeoutExpired("it", timeout)
        slic_apart.note_compiled()
        return 0

    slow = False


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing was compiled."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(slic_apart, "_tried", False)
    monkeypatch.setattr(slic_apart, "_process", None)
    monkeypatch.setattr(subprocess, "Popen", Started)
    monkeypatch.setattr(Started, "count", 0)
    monkeypatch.setattr(Started, "slow", False)
    return tmp_path


def photo() -> np.ndarray:
    return np.ascontiguousarray(data.coffee()[::8, ::8])


def test_who_cannot_wait_gets_scikit_images_and_one_process_compiles(fresh: Path):
    theirs = reference_slic(photo(), 30, 10.0, CancelToken())
    assert np.array_equal(slic(photo(), 30, at_once=True), theirs)
    assert np.array_equal(slic(photo(), 30, at_once=True), theirs)
    assert Started.count == 1
    slic_apart.wait(CancelToken())
    assert slic_apart.compiled_before()
    assert np.array_equal(slic(photo(), 30, at_once=True), slic(photo(), 30))


def test_a_thread_beside_the_window_waits_for_the_other_process(fresh: Path):
    made: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: made.append(slic(photo(), 30)))
    thread.start()
    thread.join(60)
    assert Started.count == 1
    assert np.array_equal(made[0], slic(photo(), 30))


def test_waiting_for_the_other_process_can_be_cancelled(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Started, "slow", True)
    token, ended = CancelToken(), threading.Event()

    def work() -> None:
        with pytest.raises(Cancelled):
            slic(photo(), 30, cancel=token)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    token.cancel()
    thread.join(60)
    assert ended.is_set()


def test_without_a_folder_it_is_compiled_where_it_is_called(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    slic_apart.begin()
    slic_apart.note_compiled()
    assert slic_apart.compiled_before()
    assert Started.count == 0
    assert not list(fresh.iterdir())


@pytest.fixture(scope="module")
def started_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody's files, in which the other process was started and did its work."""
    folder = tmp_path_factory.mktemp("theirs")
    for name in ("numpy", "numba", "segstudio"):
        (folder / f"{name}.py").write_text("open('ran', 'w')")
    environment = {**os.environ, "SEGSTUDIO_HOME": "/dev/null/nowhere"}
    command = slic_apart.COMMAND
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.usefixtures("started_in")
def test_the_other_process_is_started_with_what_it_needs():
    assert slic_apart.compiled_before()


def test_the_other_process_runs_nothing_of_the_folder_it_is_started_in(started_in: Path):
    assert not (started_in / "ran").exists()

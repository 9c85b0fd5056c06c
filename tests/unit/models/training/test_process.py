"""The training process: what it tells, what it is told, and being killed at any moment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_training
from tiny_training import settings, write_training

from segstudio.models.training import checkpoint
from segstudio.models.training.control import Control
from segstudio.models.training.event_log import read_events
from segstudio.models.training.events import (
    Ended,
    Event,
    Paused,
    Started,
    Stepped,
    Validated,
    Waiting,
    decode,
)
from segstudio.models.training.loop import run
from segstudio.models.training.several import within

Train = Callable[..., list[Event]]
Curve = Callable[[list[Event]], list[tuple[object, ...]]]


def started(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, tiny_training.__file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            "PATH": "/usr/bin:/bin",
            "OMP_NUM_THREADS": "1",
            "SEGSTUDIO_HOME": str(folder),
            **environment,
        },
        cwd=folder,
    )


def heard_until(process: subprocess.Popen[bytes], wanted: Callable[[Event], bool]) -> list[Event]:
    """The events up to the first one that is wanted."""
    found: list[Event] = []
    assert process.stdout is not None
    for line in process.stdout:
        found.append(decode(line))
        if wanted(found[-1]):
            return found
    raise AssertionError(f"it ended before, after {found[-3:]}")


def test_killed_twice_it_goes_on_to_the_very_same_curve(
    tmp_path: Path, train: Train, curve: Curve
) -> None:
    chosen = settings(epochs=12, validate_every=2)
    write_training(tmp_path / "whole", chosen)
    expected = curve(train(tmp_path / "whole"))
    folder = tmp_path / "killed"
    write_training(folder, chosen)

    first = started(folder)  # killed after a step of no checkpoint
    heard_until(first, lambda event: isinstance(event, Stepped) and event.step == 11)
    first.kill()
    first.communicate()

    second = started(folder)  # killed after a validation, while it keeps what was best
    again = heard_until(second, lambda event: isinstance(event, Validated) and event.step >= 16)
    second.kill()
    second.communicate()
    assert isinstance(again[0], Started)
    assert 8 <= again[0].step <= 11
    checkpoints = folder / "checkpoint"
    (checkpoints / "last.safetensors").write_bytes(b"what a broken disk leaves")

    events = train(folder)
    assert isinstance(events[0], Started)
    assert 0 < events[0].step < 24
    assert events[-1].reason == "done"
    assert curve(list(read_events(folder))) == expected


def test_it_takes_words_and_stops_at_their_end(tmp_path: Path) -> None:
    write_training(tmp_path, settings(epochs=100_000, validate_every=1000))
    process = started(tmp_path)
    heard_until(process, lambda event: isinstance(event, Stepped))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"pause\n")
    process.stdin.flush()
    heard_until(process, lambda event: isinstance(event, Paused))
    assert (tmp_path / "checkpoint" / "last.safetensors").exists()
    process.stdin.write(b"resume\n")
    process.stdin.flush()
    heard_until(process, lambda event: isinstance(event, Stepped))
    process.stdin.close()  # whoever started it is gone
    *_, last = (decode(line) for line in process.stdout)
    assert process.wait() == 0
    assert isinstance(last, Ended)
    assert last.reason == "stopped"
    assert list(read_events(tmp_path))[-1] == last


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    write_training(tmp_path, settings())
    control, told = Control(), []

    def tell(event: Event) -> None:
        told.append(event)
        if isinstance(event, Stepped) and event.step == 3:
            os.kill(os.getpid(), number)

    undo = control.heed_signals()
    try:
        last = run(tmp_path, control, tell)
    finally:
        undo()
    assert (last.reason, last.step) == ("stopped", 3)
    kept = checkpoint.load(tmp_path / "checkpoint")
    assert kept is not None
    assert '"step":3' in kept.state


def test_a_folder_without_a_training_ends_with_a_sentence(tmp_path: Path, train: Train) -> None:
    last = train(tmp_path)[-1]
    assert last.reason == "failed"
    assert "settings.json" in last.message


def test_it_leaves_though_the_other_machine_never_comes(tmp_path: Path) -> None:
    write_training(tmp_path, settings(nodes=2))
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "NODE_RANK": "0"}
    process = started(tmp_path, **meeting)
    (told,) = heard_until(process, lambda event: isinstance(event, Waiting))
    assert isinstance(told, Waiting)
    assert told.text == (
        f"Waiting for 2 machines to meet at 127.0.0.1, port {meeting['MASTER_PORT']} (this is "
        "number 0, counted from 0)."
    )
    assert process.stderr is not None
    while b"MEMBER: 1/2" not in (line := process.stderr.readline()):  # Fabric's word that it waits
        assert line, "it ended without waiting"
    process.terminate()
    process.terminate()
    out, complaints = process.communicate(timeout=60)
    assert b"ignored" not in complaints  # Python's word for a handler that failed
    assert [decode(line) for line in out.splitlines()] == [Ended("stopped", 0)]
    assert process.returncode == 0


def test_machines_that_nobody_told_where_to_meet_are_told_how(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASTER_PORT", "29500")
    write_training(tmp_path, settings(nodes=3))
    (ended,) = train(tmp_path)
    assert ended.reason == "failed"
    assert "needs MASTER_ADDR and NODE_RANK in the environment of each" in ended.message
    assert "0 to 2 in NODE_RANK" in ended.message


def test_a_wait_ends_when_it_took_too_long() -> None:
    late = threading.Event()
    with within(0.01, late.set):
        assert late.wait(10)
    soon = threading.Event()
    with within(0.01, soon.set):
        pass
    assert not soon.wait(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])

"""A process that accepts masks is killed again and again; what it was told is kept, is kept.

SIGKILL leaves the process no last word, as a crash does not. It says nothing about a power cut:
for that the store asks the disk to flush before it answers (`synchronous=FULL`).
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segstudio.core.changes import Edit, Records
from segstudio.store.project import ProjectStore

KILLS = int(os.environ.get("SEGSTUDIO_KILLS", "60"))  # the suite has seconds, not hours
KILLS_A_PROJECT = 12
SCRIPT = Path(__file__).with_name("accepting_process.py")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="the workers are forked, which this system cannot do"
)


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("accepting_process", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def nursery() -> Iterator[subprocess.Popen[str]]:
    """The process that forks workers."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


def run_and_kill(
    nursery: subprocess.Popen[str], path: Path, seed: int, rng: random.Random
) -> list[list[str]]:
    """Let one worker loose and kill it at a random moment; returns what it said."""
    assert nursery.stdin is not None and nursery.stdout is not None
    nursery.stdin.write(f"{path}\t{seed}\n")
    nursery.stdin.flush()
    said: list[list[str]] = []
    worker = 0
    # One in five dies while it opens the project, the others at their n-th step or a little later.
    wanted = 0 if rng.random() < 0.2 else rng.randrange(1, 20)
    while not worker or sum(words[0] == "try" for words in said) < wanted:
        words = nursery.stdout.readline().split()
        assert words and words[0] != "ended", f"the worker failed: {words}"
        if words[0] == "worker":
            worker = int(words[1])
        else:
            said.append(words)
    time.sleep(rng.random() * (0.03 if wanted == 0 else 0.004))
    os.kill(worker, signal.SIGKILL)
    while (words := nursery.stdout.readline().split())[0] != "ended":
        said.append(words)
    assert words == ["ended", str(-signal.SIGKILL)]
    return said


def test_what_was_acknowledged_survives_every_kill(
    nursery: subprocess.Popen[str], tmp_path: Path, record_property: Any
) -> None:
    script = load_script()
    rng = random.Random(20260101)
    tally: Counter[str] = Counter()
    known, path = "", tmp_path
    for kill in range(KILLS):
        if kill % KILLS_A_PROJECT == 0:
            path = tmp_path / f"{kill}.segstudio"
            script.create_project(path)
            with ProjectStore.open(path) as store:
                known = script.read_world(path, store).digest()
        said = run_and_kill(nursery, path, kill, rng)
        if said and said[0][0] == "start":
            assert said[0][1] == known, "the worker did not find what was there before"
        allowed = {"acknowledged": known}
        for words in said:
            if words[0] == "try":
                allowed["in flight"] = words[2]
            elif words[0] == "ack":
                assert words[2] == allowed.pop("in flight")
                allowed["acknowledged"] = words[2]
                tally[f"{words[1]} acknowledged"] += 1
        # Half of the time what the worker left is only looked at, so that the next worker
        # finds the log of a killed one.
        with ProjectStore.open(path, read_only=rng.random() < 0.5) as store:
            found = script.read_world(path, store).digest()
            assert found in allowed.values(), f"kill {kill}: an acknowledged edit is lost"
            assert store.integrity() == []
        tally["killed with a step in flight"] += "in flight" in allowed
        tally["step in flight was kept"] += found == allowed.get("in flight")
        tally["killed before the first step"] += not any(words[0] == "try" for words in said)
        known = found
        tally["kills"] += 1
    print(dict(tally))
    for name, count in tally.items():
        record_property(name, count)
    assert tally["kills"] == KILLS
    assert tally["killed with a step in flight"] >= KILLS // 4
    assert min(tally[f"{what} acknowledged"] for what in ("commit", "undo", "redo")) > 0

    # And work goes on from there.
    with ProjectStore.open(path) as store:
        world = script.read_world(path, store)
        image = store.images()[0]
        step = script.next_edit(rng, store, world, image.id)
        world.commit(step)
        store.commit(step)
        assert script.read_world(path, store).digest() == world.digest()
        while store.undo(image.id) is not None:
            assert world.undo(image.id)
        assert store.annotations(image.id) == []
        assert script.read_world(path, store).digest() == world.digest()
        assert store.history(image.id).undo is None
        store.commit(Edit("Nothing", image.id, Records(), Records()))
        assert store.redo(image.id) is None
        assert store.integrity() == []

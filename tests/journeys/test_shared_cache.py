"""Windows and batches share one cache folder: nobody reads what is wrong, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import caching_process
import numpy as np
import pytest
from caching_process import KEYS, MODEL, embedding, image_key

from segstudio.config.paths import cache_dir
from segstudio.core.progress import CancelToken
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.embedding_file import rounded, to_bytes
from segstudio.imaging.read import read_image
from segstudio.imaging.sample_photos import write_sample_photos
from segstudio.models.registry import EMBEDDED_MODEL, prompt_model

SCRIPT = Path(caching_process.__file__)
HELD = KEYS // 2  # embeddings that the budget holds, so that there is always something to evict


def start(folder: Path, budget: int, seed: int, steps: int, *more: str) -> subprocess.Popen[str]:
    numbers = (str(number) for number in (budget, seed, steps))
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), *numbers, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_processes_share_a_folder_and_one_that_is_killed_leaves_no_harm(tmp_path: Path) -> None:
    size = len(to_bytes(embedding(1)))
    budget = HELD * size
    workers = [start(tmp_path, budget, seed, 1_200) for seed in range(3)]
    dying = start(tmp_path, budget, 77, 10**9, "die")
    killed = start(tmp_path, budget, 88, 10**9)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "at work\n"
    time.sleep(0.5)
    killed.kill()

    told = []
    for worker in workers:
        out, problems = worker.communicate(timeout=120)
        assert (worker.returncode, problems) == (0, "")
        told.append(json.loads(out.splitlines()[-1]))
    assert dying.wait(60) == killed.wait(60) == -signal.SIGKILL
    for one in (dying, killed):
        one.communicate()
    assert [one["wrong"] for one in told] == [0, 0, 0]
    assert all(one["hits"] > 100 and one["misses"] > 100 for one in told)

    kept = [path.stat().st_size for path in tmp_path.rglob("*.emb")]
    assert sum(kept) <= budget * (1 + len(workers) / 16) + len(workers) * size
    assert len(kept) > HELD // 2

    left = list(tmp_path.rglob("*.part"))
    assert left  # of the process that died while it wrote
    for path in left:
        os.utime(path, (1_000, 1_000))
    later = EmbeddingCache(tmp_path, 0, budget)
    later.put(embedding(KEYS + 1))
    assert list(tmp_path.rglob("*.part")) == []
    assert later.get(MODEL, image_key(KEYS + 1)) is not None


def embed(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "segstudio", "embed", str(folder)]
    return subprocess.Popen(
        [*command, "--model", EMBEDDED_MODEL, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_batches_share_the_cache_and_one_that_is_killed_leaves_no_harm(tmp_path: Path) -> None:
    write_sample_photos(tmp_path)
    photos = [read_image(path) for path in sorted(tmp_path.iterdir()) if path.suffix == ".png"]
    batches = [embed(tmp_path) for _ in range(2)]
    folder = cache_dir() / "embeddings"
    while not list(folder.rglob("*.emb")):
        assert any(batch.poll() is None for batch in batches), "nothing was encoded"
        time.sleep(0.01)
    batches[0].kill()
    for batch in batches[1:]:
        out, problems = batch.communicate(timeout=120)
        assert batch.returncode == 0, problems
        told = json.loads(out)
        assert told["encoded"] + told["already_there"] == told["images"] >= len(photos) > 0
    batches[0].communicate()

    last, problems = embed(tmp_path).communicate(timeout=120)
    told = json.loads(last)
    assert (told["encoded"], told["already_there"]) == (0, told["images"]), problems
    model, cache = (
        prompt_model(EMBEDDED_MODEL).load(None, "cpu"),
        EmbeddingCache(folder, 0, 1 << 30),
    )
    for photo in photos[:2]:
        found = cache.get(model.model_key, photo.key)
        assert found is not None
        wanted = rounded(model.encode(photo, CancelToken()))
        for name, array in wanted.arrays.items():
            assert np.array_equal(found.arrays[name], array)

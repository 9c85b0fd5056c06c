"""A process that shares a cache folder with others. Run by test_shared_cache.py.

    caching_process.py FOLDER BUDGET SEED STEPS [die]

It puts and gets embeddings whose values follow from their keys, damages a file now and then as a
failing disk would, and checks everything that it reads. It writes "at work" when it has begun, and
at the end a JSON object: `hits`, `misses`, and `wrong` (embeddings that were not what they should
be). With `die` it kills itself in the middle of a write, after the file and before its new name.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np

from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.embedding_file import rounded

KEYS = 24
FLOATS = 4_000
MODEL = "shared-1"


def image_key(number: int) -> str:
    return f"{number:02x}{number:038x}"


def embedding(number: int) -> Embedding:
    values = np.random.default_rng(number).normal(size=FLOATS).astype(np.float32)
    return rounded(Embedding(MODEL, image_key(number), (3, number + 1), {"values": values}))


def right(found: Embedding, number: int) -> bool:
    wanted = embedding(number)
    return (
        (found.model_key, found.image_key, found.image_size)
        == (wanted.model_key, wanted.image_key, wanted.image_size)
        and found.arrays.keys() == wanted.arrays.keys()
        and np.array_equal(found.arrays["values"], wanted.arrays["values"])
    )


def damage(folder: Path, chance: random.Random) -> None:
    """Cut a file off, or change a byte of it, in place."""
    names = sorted(folder.rglob("*.emb"))
    if not names:
        return
    try:
        with chance.choice(names).open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if chance.random() < 0.5:
                file.truncate(chance.randrange(size))
            else:
                file.seek(chance.randrange(size))
                file.write(b"\xff")
    except (OSError, ValueError):
        return  # gone, or empty already


def main(folder: Path, budget: int, seed: int, steps: int, *, die: bool) -> None:
    chance = random.Random(seed)
    cache = EmbeddingCache(folder, 0, budget)
    told = {"hits": 0, "misses": 0, "wrong": 0}
    if die:
        replace = os.replace

        def dying(source: str, target: str) -> None:
            if chance.random() < 0.05:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = dying  # type: ignore[assignment]
    print("at work", flush=True)
    for step in range(steps):
        number = chance.randrange(KEYS)
        found = cache.get(MODEL, image_key(number))
        if found is None:
            told["misses"] += 1
            cache.put(embedding(number))
        else:
            told["hits"] += 1
            told["wrong"] += not right(found, number)
        if step % 20 == 19:
            damage(folder, chance)
        if cache.warning is not None:
            raise RuntimeError(cache.warning)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]), die=sys.argv[5:] == ["die"])

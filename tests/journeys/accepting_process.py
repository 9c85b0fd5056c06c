"""A process that works on a project until it is killed. Run by test_nothing_accepted_is_lost.py.

It reads lines `PROJECT<tab>SEED` from stdin and forks a worker for each, so that a worker is at
work within milliseconds. A worker writes, in one write each:

    start DIGEST          what it found in the project
    try WHAT DIGEST       what the project will be when the next step is done
    ack WHAT DIGEST       the store has returned from that step

The digests come from the worker's own plain model of the project (`World`), never from the store.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Prompt
from segstudio.store.codec import records_from_json
from segstudio.store.project import NewImage, ProjectStore

SIZE = (72, 96)
IMAGES = 3


@dataclass
class Entry:
    """One row of a history: the edit, and whether it is done, undone or dropped."""

    edit: Edit
    state: str = "done"


class World:
    """What a project means, in dictionaries and lists."""

    def __init__(
        self,
        images: list[ImageRecord],
        categories: list[Category],
        annotations: list[Annotation],
        ledger: dict[int, list[Entry]],
    ) -> None:
        self.images = {record.id: record for record in images}
        self.categories = {record.id: record for record in categories}
        self.annotations = {record.id: record for record in annotations}
        self.ledger = ledger
        self._texts: dict[int, tuple[Annotation, str]] = {}

    def _apply(self, before: Records, after: Records) -> None:
        for record in before.annotations:
            del self.annotations[record.id]
        self.annotations |= {record.id: record for record in after.annotations}
        self.categories |= {record.id: record for record in after.categories}
        self.images |= {record.id: record for record in after.images}

    def commit(self, edit: Edit) -> None:
        self._apply(edit.before, edit.after)
        for entry in self.ledger[edit.image_id]:
            if entry.state == "undone":
                entry.state = "dropped"
        self.ledger[edit.image_id].append(Entry(edit))

    def undo(self, image_id: int) -> bool:
        for entry in reversed(self.ledger[image_id]):
            if entry.state == "done":
                self._apply(entry.edit.after, entry.edit.before)
                entry.state = "undone"
                return True
        return False

    def redo(self, image_id: int) -> bool:
        for entry in self.ledger[image_id]:
            if entry.state == "undone":
                self._apply(entry.edit.before, entry.edit.after)
                entry.state = "done"
                return True
        return False

    def _told(self, record: Annotation) -> str:
        """Every field; `repr` of a mask alone would not tell its pixels."""
        known, text = self._texts.get(record.id, (None, ""))
        if known is not record:
            masks = [record.mask, *([record.prompt.prior] if record.prompt else [])]
            pixels = b"".join(mask.to_array().tobytes() for mask in masks if mask)
            text = f"{record!r} {hashlib.sha256(pixels).hexdigest()}"
            self._texts[record.id] = record, text
        return text

    def digest(self) -> str:
        """Of every field of every record, and of every row of every history."""
        history = {
            number: [[entry.edit.text, entry.state] for entry in entries]
            for number, entries in sorted(self.ledger.items())
        }
        parts = [
            *(repr(record) for _, record in sorted(self.images.items())),
            *(repr(record) for _, record in sorted(self.categories.items())),
            *(self._told(record) for _, record in sorted(self.annotations.items())),
            json.dumps(history, sort_keys=True),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_world(path: Path, store: ProjectStore) -> World:
    """What the store says now; the ledger straight from its table."""
    ledger: dict[int, list[Entry]] = {record.id: [] for record in store.images()}
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT image_id, sequence, text, state, before, after FROM edit"
            " WHERE image_id IS NOT NULL ORDER BY image_id, sequence"
        ).fetchall()
    finally:
        connection.close()
    for image_id, sequence, text, state, before, after in rows:
        assert sequence == len(ledger[image_id]) + 1, "the ledger has a gap"
        edit = Edit(text, image_id, records_from_json(before), records_from_json(after))
        ledger[image_id].append(Entry(edit, state))
    return World(store.images(), store.categories(), list(store.all_annotations()), ledger)


def create_project(path: Path) -> None:
    with ProjectStore.create(path, path.parent / "photos") as store:
        store.add_images(
            [NewImage(f"{n}.jpg", SIZE[1], SIZE[0], f"{n:064x}") for n in range(IMAGES)]
        )
        categories = tuple(
            Category(store.new_category_id(), name, "#0072b2") for name in ("zebra", "gnu")
        )
        store.commit(Edit("Add categories", 0, Records(), Records(categories=categories)))


def _blob(rng: random.Random) -> Mask:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    cx, cy, radius = rng.randrange(SIZE[1]), rng.randrange(SIZE[0]), rng.randrange(3, 30)
    return Mask.from_array((x - cx) ** 2 + (y - cy) ** 2 < radius**2)


def _annotation(rng: random.Random, store: ProjectStore, world: World, image_id: int) -> Annotation:
    number = store.new_annotation_id()
    used = {
        record.id
        for entries in world.ledger.values()
        for entry in entries
        for record in entry.edit.after.annotations
    }
    assert number not in used, "an id was given out twice"
    return Annotation(
        id=number,
        image_id=image_id,
        category_id=rng.choice(list(world.categories)),
        mask=_blob(rng),
        z_order=rng.randrange(100),
        attributes={"note": "ß木", "n": rng.random()},
        stage=rng.choice(list(Stage)),
        tool="point",
        model_key="graph_cut",
        prompt=Prompt(((rng.random() * 90, 3.5),), (1,), Box(1, 2, 30.5, 40), _blob(rng)),
        predicted_iou=rng.random(),
        stability=rng.random(),
        seconds=rng.random() * 9,
        created_at=1.7e9 + rng.random(),
        updated_at=1.7e9 + rng.random(),
    )


def next_edit(rng: random.Random, store: ProjectStore, world: World, image_id: int) -> Edit:
    """Accept one or many masks, delete some, or give one another category."""
    there = [record for record in world.annotations.values() if record.image_id == image_id]
    what = rng.random()
    if there and what < 0.2:
        gone = tuple(rng.sample(there, min(len(there), rng.randrange(1, 4))))
        return Edit(f"Delete {len(gone)}", image_id, Records(annotations=gone), Records())
    if there and what < 0.35:
        old = rng.choice(there)
        new = replace(old, category_id=rng.choice(list(world.categories)), z_order=old.z_order + 1)
        before, after = Records(annotations=(old,)), Records(annotations=(new,))
        return Edit(f"Change {old.id}", image_id, before, after)
    count = 20 if what > 0.95 else 1
    fresh = tuple(_annotation(rng, store, world, image_id) for _ in range(count))
    image = world.images[image_id]
    labelled = replace(image, state=ImageState.LABELLED)
    return Edit(
        f"Accept {count} from {fresh[0].id}",
        image_id,
        Records(images=(image,)),
        Records(annotations=fresh, images=(labelled,)),
    )


def _say(*words: str) -> None:
    os.write(1, (" ".join(words) + "\n").encode())


def work(path: Path, seed: int) -> None:
    """Never returns by itself."""
    rng = random.Random(seed)
    store = ProjectStore.open(path)
    world = read_world(path, store)
    _say("start", world.digest())
    while True:
        image_id = rng.choice(list(world.images))
        choice = rng.random()
        act: Any
        if choice < 0.2 and world.undo(image_id):
            what, act = "undo", lambda number=image_id: store.undo(number)
        elif 0.2 <= choice < 0.32 and world.redo(image_id):
            what, act = "redo", lambda number=image_id: store.redo(number)
        else:
            edit = next_edit(rng, store, world, image_id)
            world.commit(edit)
            what, act = "commit", lambda this=edit: store.commit(this)
        digest = world.digest()
        _say("try", what, digest)
        assert act() is not None
        _say("ack", what, digest)


def main() -> None:
    for line in sys.stdin:
        path, seed = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            work(Path(path), int(seed))
        _say("worker", str(child))
        _, status = os.waitpid(child, 0)
        _say("ended", str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()

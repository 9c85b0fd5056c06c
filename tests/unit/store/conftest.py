"""Real projects, real edits, and small disks that can be filled and frozen."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Prompt
from segstudio.store.project import NewImage, ProjectStore

SIZE = (48, 64)


@dataclass
class Desk:
    """A project with two images and one category, and a hand that accepts masks."""

    store: ProjectStore
    images: list[ImageRecord]
    category: Category

    def mask(self, seed: int = 0) -> Mask:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        radius = int(rng.integers(2, 12))
        return Mask.from_array(
            (y - rng.integers(48)) ** 2 + (x - rng.integers(64)) ** 2 < radius**2
        )

    def annotation(self, seed: int = 0, image: int = 0, **values: Any) -> Annotation:
        return Annotation(
            **{
                "id": self.store.new_annotation_id(),
                "image_id": self.images[image].id,
                "category_id": self.category.id,
                "mask": self.mask(seed),
                "z_order": seed,
                "attributes": {"occluded": True, "note": "naïve “quotes” 木", "n": [1, 2.5, None]},
                "stage": Stage.SEMI_AUTOMATIC,
                "tool": "point",
                "model_key": "mobile_sam",
                "prompt": Prompt(((3.5, 4.5),), (1,), Box(1, 2, 30.5, 40), self.mask(seed + 1)),
                "predicted_iou": 0.1 + 0.2,
                "stability": 1 / 3,
                "seconds": 2.25,
                "review": "fine",
                "locked": True,
                "created_at": 1.7e9 + 0.123456,
                "updated_at": 1.7e9 + 1,
                **values,
            }
        )

    def accept(self, seed: int = 0, image: int = 0) -> Annotation:
        record = self.annotation(seed, image)
        after = Records(annotations=(record,))
        self.store.commit(Edit(f"Accept mask {seed}", record.image_id, Records(), after))
        return record

    def everything(self) -> tuple[Any, ...]:
        return (
            self.store.images(),
            self.store.categories(),
            list(self.store.all_annotations()),
            [self.store.history(image.id) for image in self.images],
        )


MakeDesk = Callable[[Path], Desk]


@pytest.fixture
def make_desk() -> Iterator[MakeDesk]:
    opened: list[ProjectStore] = []

    def make(folder: Path) -> Desk:
        store = ProjectStore.create(folder / "zoo.segstudio", folder / "photos")
        opened.append(store)
        images = store.add_images(
            [NewImage(f"day {n}/é{n}.jpg", SIZE[1], SIZE[0], f"{n:064x}") for n in (1, 2)]
        )
        category = Category(store.new_category_id(), "zebra", "#0072b2", "animal", True, "1")
        store.commit(Edit("Add category", 0, Records(), Records(categories=(category,))))
        return Desk(store, images, category)

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def desk(tmp_path: Path, make_desk: MakeDesk) -> Desk:
    return make_desk(tmp_path)


class SmallDisk:
    """A file system of its own, of 2 MiB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Write until not one byte more fits."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def empty(self) -> None:
        self._ballast.unlink()

    def freeze(self) -> None:
        """Make the whole disk read-only, also for the administrator."""
        _run("mount", "-o", "remount,ro", str(self.path))


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def _mounted(folder: Path) -> Iterator[SmallDisk | None]:
    """A small disk at `folder`, or None where this user cannot mount one."""
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    if sys.platform != "linux" or os.geteuid() != 0 or not _run(*mount):
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        assert _run("umount", str(folder)) or _run("umount", "-l", str(folder))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with _mounted(tmp_path / "disk") as disk:
        if disk is None:
            pytest.skip("needs the administrator of a Linux machine, to mount a small disk")
        yield disk


@pytest.fixture
def freeze(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """A folder to work in first; calling it makes the folder read-only."""
    folder = tmp_path / "frozen"
    with _mounted(folder) as disk:
        if disk is not None:
            yield _Freezer(folder, disk.freeze)
        else:
            yield _Freezer(folder, lambda: folder.chmod(0o555))
            folder.chmod(0o755)


class _Freezer:
    def __init__(self, path: Path, act: Callable[[], None]) -> None:
        self.path, self._act = path, act

    def __call__(self) -> Path:
        self._act()
        probe = self.path / "probe"
        try:
            probe.touch()
        except OSError:
            return self.path
        probe.unlink()
        pytest.skip("this system lets its administrator write to read-only folders")

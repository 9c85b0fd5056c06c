"""A teacher's answers are kept: asked once, whole or not there, of its own weights and settings."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from seeded_weights import small_mobile_sam, write_checkpoint

from segstudio.core.errors import StorageError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken
from segstudio.engine.cache_folder import CacheFolder
from segstudio.engine.teacher_cache import TeacherCache
from segstudio.models.prompt.mobile_sam import build_mobile_sam
from segstudio.models.prompt_training.teacher import TeacherAnswers, TeacherSettings, places
from segstudio.models.registry import prompt_model

# Random masks are of any size, no box brings them again, and their scores say nothing.
ASKED = TeacherSettings(
    clicks=3, least_iou=-100.0, same=0.0001, most=4, least_share=0.0, most_share=1.0
)
IMAGE = RgbImage(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("teacher") / "mobile_sam.pt"
    with small_mobile_sam():
        write_checkpoint(build_mobile_sam(), path)
        return prompt_model("mobile_sam").load(path, "cpu")


@pytest.fixture(scope="module")
def answers(teacher: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TeacherAnswers]:
    """A cache with the answers of one image, and those answers."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, TeacherCache(folder).answers(teacher, IMAGE, ASKED, CancelToken())


def test_answers_come_from_the_disk_as_they_were_given(
    teacher: Any, answers: tuple[Path, TeacherAnswers], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, given = answers
    assert given.masks
    assert given.grid is not None
    assert (given.grid.shape, given.grid.dtype) == ((256, 64, 64), np.float16)
    monkeypatch.setattr(type(teacher), "encode", None)  # it would fail
    cache = TeacherCache(folder)
    again = cache.answers(teacher, IMAGE, ASKED, CancelToken())
    assert cache.asked == 0
    assert (again.masks, again.ious) == (given.masks, given.ious)
    assert np.array_equal(again.grid, given.grid)
    assert again.grid.dtype == np.float16


def test_other_settings_and_damaged_files_are_asked_again(
    teacher: Any, answers: tuple[Path, TeacherAnswers]
) -> None:
    folder, given = answers
    cache = TeacherCache(folder)
    fewer = msgspec.structs.replace(ASKED, clicks=1)
    cache.answers(teacher, IMAGE, fewer, CancelToken())
    assert cache.asked == 1
    for path in folder.rglob("*.answers"):
        path.write_bytes(path.read_bytes()[:-3])
    assert cache.answers(teacher, IMAGE, fewer, CancelToken()).grid is not None
    assert cache.asked == 2
    assert not list(folder.rglob("*.part"))
    # Left as the other test wants it, whichever comes first.
    assert TeacherCache(folder).answers(teacher, IMAGE, ASKED, CancelToken()).ious == given.ious


def test_a_full_disk_is_said(teacher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CacheFolder, "write", full)
    with pytest.raises(StorageError, match="is full; make room"):
        TeacherCache(tmp_path).answers(
            teacher, IMAGE, msgspec.structs.replace(ASKED, clicks=1), CancelToken()
        )


def test_clicks_are_spread_over_the_image_and_the_same_each_time() -> None:
    settings = TeacherSettings(clicks=24)
    found = places((40, 60), settings)
    assert len(found) == 24
    assert found == places((40, 60), settings)
    assert {(int(x // 10), int(y // 10)) for x, y in found} == {
        (column, row) for column in range(6) for row in range(4)
    }

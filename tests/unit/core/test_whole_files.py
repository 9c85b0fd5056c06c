"""Files are written whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from segstudio.core.whole_files import disk_error, put, put_by


def test_a_file_takes_the_place_of_another_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    target = tmp_path / ("a" * 250)  # the longest name that a disk takes, nearly
    put(target, b"one")
    put(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_what_goes_wrong_in_between_leaves_the_old_file_alone(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "kept"
    put(target, b"old")

    def half(part: Path) -> None:
        part.write_bytes(b"ne")
        raise error

    with pytest.raises(type(error)):
        put_by(target, half)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put(tmp_path / "gone" / "file", b"")
    assert not (tmp_path / "gone").exists()


def test_a_full_disk_and_another_fault_have_a_sentence_each(tmp_path: Path) -> None:
    full = disk_error(OSError(errno.ENOSPC, "No space left"), tmp_path, "Training")
    assert (
        str(full) == f"Training stopped: the disk of {tmp_path} is full; make room and try again."
    )
    other = disk_error(OSError(errno.EROFS, "Read-only file system"), tmp_path, "Training")
    assert "cannot be written (Read-only file system)" in str(other)

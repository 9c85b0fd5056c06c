"""Checkpoints are whole, whatever happens between two of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from segstudio.core.errors import StorageError
from segstudio.models.training import checkpoint
from segstudio.models.training.checkpoint import Checkpoint


def made(number: int) -> Checkpoint:
    return Checkpoint(
        {"a": torch.full((3, 2), float(number)), "b": torch.tensor(number)}, f"{number}"
    )


def loaded(folder: Path) -> int:
    found = checkpoint.load(folder)
    assert found is not None
    assert found.tensors["a"].eq(float(found.state)).all()
    assert found.tensors["b"].shape == ()
    return int(found.state)


def test_what_is_saved_is_loaded_and_the_one_before_stays(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path) is None
    for number in (1, 2, 3):
        checkpoint.save(tmp_path, made(number))
        assert loaded(tmp_path) == number
    (tmp_path / checkpoint.LAST).unlink()
    assert loaded(tmp_path) == 2


def test_of_a_file_cut_short_anywhere_the_one_before_is_taken(tmp_path: Path) -> None:
    for number in (1, 2):
        checkpoint.save(tmp_path, made(number))
    last = tmp_path / checkpoint.LAST
    whole = last.read_bytes()
    for size in range(len(whole)):
        last.write_bytes(whole[:size])
        assert loaded(tmp_path) == 1
    last.write_bytes(whole)
    assert loaded(tmp_path) == 2


@pytest.mark.parametrize("kill_at", range(1, 6))
def test_killed_between_any_two_steps_of_the_disk_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    """Each rename and each flush is where a kill may come; the last number is one past the end."""
    checkpoint.save(tmp_path, made(1))
    checkpoint.save(tmp_path, made(2))

    class Killed(BaseException):
        pass

    calls = 0

    def counted(real):  # type: ignore[no-untyped-def]
        def call(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                raise Killed
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(checkpoint.os, "fsync", counted(checkpoint.os.fsync))
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # a kill runs no cleaning
        if kill_at < 5:
            with pytest.raises(Killed):
                checkpoint.save(tmp_path, made(3))
        else:
            checkpoint.save(tmp_path, made(3))
    assert loaded(tmp_path) in (2, 3)
    checkpoint.save(tmp_path, made(4))
    assert loaded(tmp_path) == 4
    assert not list(tmp_path.glob("*.part"))


def test_the_best_becomes_the_last_again(tmp_path: Path) -> None:
    assert not checkpoint.return_to_best(tmp_path)
    checkpoint.save(tmp_path, made(1))
    checkpoint.mark_best(tmp_path)
    for number in (2, 3):
        checkpoint.save(tmp_path, made(number))
    assert checkpoint.return_to_best(tmp_path)
    assert loaded(tmp_path) == 1
    (tmp_path / checkpoint.LAST).unlink()
    assert loaded(tmp_path) == 1  # not the state that led astray


def test_where_links_cannot_be_made_the_best_is_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(checkpoint.os, "link", refused)
    checkpoint.save(tmp_path, made(1))
    checkpoint.mark_best(tmp_path)
    checkpoint.save(tmp_path, made(2))
    assert checkpoint.return_to_best(tmp_path)
    assert loaded(tmp_path) == 1


def test_if_none_is_whole_it_says_so(tmp_path: Path) -> None:
    (tmp_path / checkpoint.LAST).write_bytes(b"x" * 100)
    with pytest.raises(StorageError, match="are damaged"):
        checkpoint.load(tmp_path)

"""Raw results come back from disk as they were, no damage passes, the budget is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Candidate, Candidates, MaskLogits
from segstudio.engine.array_file import DamagedFile, pack, unpack
from segstudio.engine.everything_results import (
    RawResults,
    ResultsStore,
    from_bytes,
    raw_settings,
    to_bytes,
)

KEY = "0123456789abcdef"
MIB = 1 << 20


def results(*arrays: npt.NDArray[np.bool_], key: str = KEY) -> RawResults:
    items = tuple(
        Candidate(
            Mask.from_array(array),
            0.9 - step / 1000,
            0.8 + step / 7000,
            point=(step + 0.25, 3.5) if step % 2 else None,
            crop=Box(0, 0, 9, 7) if step % 3 else None,
        )
        for step, array in enumerate(arrays)
    )
    return RawResults.of(key, raw_settings(), Candidates(items, "model-1"))


def some(key: str = KEY, count: int = 5) -> RawResults:
    rng = np.random.default_rng(count)
    return results(*(rng.random((40, 50)) > 0.6 for _ in range(count)), key=key)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@settings(deadline=None, max_examples=60)
@given(st.lists(hnp.arrays(np.bool_, (7, 9)), max_size=6))
def test_any_results_come_back_as_they_were(arrays: list[npt.NDArray[np.bool_]]) -> None:
    before = results(*arrays)
    after = from_bytes(to_bytes(before))
    assert after == before
    for item in after.candidates.items:
        assert item.mask.to_array().any()
        assert not item.mask.runs.flags.writeable


def test_runs_longer_than_31_bits_come_back() -> None:
    size = (70_000, 70_000)
    runs = np.array([4_000_000_000, 5, 900_000_000 - 5], dtype=np.int64)
    items = (Candidate(Mask(size, runs), 0.9, 0.9),)
    before = RawResults(KEY, raw_settings(), Candidates(items, "m"))
    assert from_bytes(to_bytes(before)) == before


def test_logits_and_empty_masks_are_not_kept() -> None:
    logits = MaskLogits(np.zeros((4, 4), dtype=np.float32), (0, 0), (1, 1))
    full = Mask.from_array(np.ones((4, 4), dtype=bool))
    items = (Candidate(full, 0.9, 0.9, logits), Candidate(Mask.empty((4, 4)), 0.8, 0.9))
    kept = RawResults.of(KEY, raw_settings(), Candidates(items, "m")).candidates.items
    assert [item.mask for item in kept] == [full]
    assert kept[0].logits is None


def test_a_store_gives_back_what_another_kept(tmp_path: Path) -> None:
    found = some()
    ResultsStore(tmp_path, MIB).put(found)
    again = ResultsStore(tmp_path, MIB)
    assert again.get("model-1", KEY, raw_settings()) == found
    assert again.get("model-2", KEY, raw_settings()) is None
    assert again.get("model-1", KEY[::-1], raw_settings()) is None
    assert again.get("model-1", KEY, raw_settings(fast=True)) is None
    assert again.get("model-1", KEY, raw_settings(crop_layers=1)) is None
    assert all(not path.name.endswith(".part") for path in files(tmp_path))


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    whole = bytearray(to_bytes(results(np.eye(5, dtype=bool))))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedFile):
        from_bytes(bytes(whole))


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "foreign"])
def test_a_damaged_file_is_a_miss_is_deleted_and_can_be_made_again(
    tmp_path: Path, damage: str
) -> None:
    store = ResultsStore(tmp_path, MIB)
    store.put(some())
    (path,) = files(tmp_path)
    data = path.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    path.write_bytes(
        {
            "cut": data[:-1],
            "empty": b"",
            "flipped": flipped,
            "foreign": to_bytes(some(KEY[::-1])),
        }[damage]
    )
    assert store.get("model-1", KEY, raw_settings()) is None
    assert files(tmp_path) == []
    store.put(some())
    assert store.get("model-1", KEY, raw_settings()) == some()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lengths", np.array([3, 0], dtype=np.int64)),
        ("lengths", np.array([-1, 4], dtype=np.int64)),
        ("lengths", np.array([1 << 40], dtype=np.int64)),
        ("runs", np.frombuffer(b"not deflated", dtype=np.uint8)),
        ("stability", np.zeros(1)),
        ("point", np.zeros((2, 3))),
    ],
)
def test_a_file_with_a_right_checksum_and_wrong_contents_is_refused(
    name: str, value: npt.NDArray[np.generic]
) -> None:
    """A checksum says that a file is whole, not who wrote it."""
    facts, arrays = unpack(b"SEGALL1\n", to_bytes(results(np.eye(5, dtype=bool), np.eye(5) > 0)))
    arrays[name] = value
    wrong = pack(b"SEGALL1\n", facts, {key: (row, row.dtype.str) for key, row in arrays.items()})
    with pytest.raises(DamagedFile):
        from_bytes(wrong)


def test_runs_that_do_not_fill_the_image_are_refused() -> None:
    facts, arrays = unpack(b"SEGALL1\n", to_bytes(results(np.eye(5, dtype=bool))))
    named = {key: (row, row.dtype.str) for key, row in arrays.items()}
    for size in ([5, 6], [5], ["a", 5]):
        with pytest.raises(DamagedFile):
            from_bytes(pack(b"SEGALL1\n", {**facts, "image_size": size}, named))
    wrong = {**facts, "settings": {**facts["settings"], "another": 1}}
    with pytest.raises(DamagedFile):
        from_bytes(pack(b"SEGALL1\n", wrong, named))


def test_the_disk_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    size = len(to_bytes(some(count=20)))
    store = ResultsStore(tmp_path, 4 * size + size // 2)
    keys = [f"{number:016x}" for number in range(6)]
    for when, key in enumerate(keys[:4]):
        store.put(some(key, 20))
        path = next(path for path in files(tmp_path) if path.name.startswith(key))
        os.utime(path, (when + 1, when + 1))
    store.get("model-1", keys[0], raw_settings())
    store.put(some(keys[4], 20))
    here = [store.get("model-1", key, raw_settings()) is not None for key in keys]
    assert here[0]
    assert here[4]
    assert not here[1]
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 4 * size + size // 2


def test_a_folder_that_cannot_be_written_is_told_and_nothing_fails(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    store = ResultsStore(blocked, MIB)
    store.put(some())
    assert store.warning is not None
    assert str(blocked) in store.warning
    assert store.get("model-1", KEY, raw_settings()) is None


def test_without_a_folder_nothing_is_kept() -> None:
    for store in (ResultsStore(None, MIB), ResultsStore(Path("unused"), 0)):
        store.put(some())
        assert store.get("model-1", KEY, raw_settings()) is None
        assert store.warning is None


def test_keys_that_could_leave_the_folder_are_refused(tmp_path: Path) -> None:
    store = ResultsStore(tmp_path, MIB)
    with pytest.raises(ValueError, match="not keys"):
        store.get("../m", KEY, raw_settings())
    with pytest.raises(ValueError, match="not keys"):
        store.put(replace(some(), image_key="../../x"))

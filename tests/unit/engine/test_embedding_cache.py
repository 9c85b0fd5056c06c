"""The embedding cache: same values from every tier, no damage passes, budgets are kept."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.embedding_file import DamagedFile, from_bytes, rounded, to_bytes

MIB = 1 << 20


def image_key(number: int) -> str:
    return f"{number:040x}"


def embedding(number: int = 1, model: str = "m-1.0_x", floats: int = 1000) -> Embedding:
    values = np.random.default_rng(number).normal(0, 3, floats).astype(np.float32)
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    return Embedding(model, image_key(number), (30, 40), {"features": values, "labels": labels})


def same(left: Embedding | None, right: Embedding | None) -> bool:
    assert left is not None
    assert right is not None
    assert (left.model_key, left.image_key, left.image_size) == (
        right.model_key,
        right.image_key,
        right.image_size,
    )
    assert list(left.arrays) == list(right.arrays)
    for name, array in left.arrays.items():
        other = right.arrays[name]
        assert array.dtype == other.dtype
        assert array.shape == other.shape
        assert np.array_equal(array, other, equal_nan=array.dtype.kind == "f")
    return True


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def cache_in(folder: Path, memory: int = 64 * MIB, disk: int = 64 * MIB) -> EmbeddingCache:
    return EmbeddingCache(folder, memory, disk)


# -- the same values, whichever tier answers ----------------------------------------------------


def test_memory_disk_and_put_give_the_same_values(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    put = cache.put(embedding())
    assert cache.get(put.model_key, put.image_key) is put
    assert cache.where(put.model_key, put.image_key) == "memory"
    fresh = cache_in(tmp_path)
    assert fresh.where(put.model_key, put.image_key) == "disk"
    assert same(fresh.get(put.model_key, put.image_key), put)
    assert fresh.where(put.model_key, put.image_key) == "memory"


def test_the_cost_of_a_float_is_as_stated() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=50_000) * 10.0 ** rng.integers(-9, 4, 50_000)).astype(np.float32)
    kept = rounded(Embedding("m", image_key(1), (1, 1), {"a": values})).arrays["a"]
    error = np.abs(kept.astype(np.float64) - values)
    size = np.abs(values.astype(np.float64))
    assert np.all(error <= np.where(size >= 2.0**-14, size * 2.0**-11, 2.0**-25))
    assert error.max() > 0  # otherwise nothing was measured


@pytest.mark.parametrize("value", [65520.0, -70000.0, 3e38])
def test_an_array_that_float16_cannot_hold_keeps_its_exact_values(
    tmp_path: Path, value: float
) -> None:
    values = np.array([1.0001, value], dtype=np.float32)
    cache_in(tmp_path).put(Embedding("m", image_key(1), (1, 2), {"a": values}))
    read = cache_in(tmp_path).get("m", image_key(1))
    assert read is not None
    assert np.array_equal(read.arrays["a"], values)


NUMBERS = st.one_of(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)),
    hnp.arrays(np.float64, hnp.array_shapes(max_side=4)),
    hnp.arrays(st.sampled_from([np.int8, np.int32, np.int64]), hnp.array_shapes(max_side=4)),
    hnp.arrays(st.sampled_from([np.uint8, np.uint16, np.bool_]), hnp.array_shapes(max_side=4)),
)


@settings(deadline=None)
@given(arrays=st.dictionaries(st.text(max_size=8), NUMBERS, max_size=4))
def test_any_arrays_come_back_as_they_were_rounded(
    arrays: dict[str, npt.NDArray[np.generic]],
) -> None:
    one = Embedding("model", image_key(5), (7, 9), arrays)
    read = from_bytes(to_bytes(one))
    assert same(read, rounded(one))
    assert same(from_bytes(to_bytes(read)), read)  # rounding twice changes nothing more
    for name, array in arrays.items():
        if array.dtype != np.float32:
            assert np.array_equal(read.arrays[name], array, equal_nan=array.dtype.kind == "f")


def test_arrays_in_any_memory_order_and_byte_order_are_kept(tmp_path: Path) -> None:
    turned = np.arange(12, dtype=">i4").reshape(3, 4).T
    cache_in(tmp_path).put(Embedding("m", image_key(1), (1, 1), {"a": turned}))
    read = cache_in(tmp_path).get("m", image_key(1))
    assert read is not None
    assert np.array_equal(read.arrays["a"], turned)
    assert read.arrays["a"].flags.c_contiguous


def test_arrays_that_could_hold_code_are_refused(tmp_path: Path) -> None:
    bad = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="numbers"):
        cache_in(tmp_path).put(Embedding("m", image_key(1), (1, 1), {"a": bad}))


@pytest.mark.parametrize("key", ["../../etc", "..", "", "a/b", "a\\b", ".hidden", "é"])
def test_a_model_key_cannot_lead_out_of_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="keys"):
        cache_in(tmp_path).get(key, image_key(1))
    with pytest.raises(ValueError, match="keys"):
        cache_in(tmp_path).where("m", "../" + image_key(1))


# -- damage -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    whole = bytearray(to_bytes(embedding(floats=8)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedFile):
        from_bytes(bytes(whole))


@pytest.mark.parametrize("damage", ["cut", "empty", "longer", "flipped", "text"])
def test_a_damaged_file_is_a_miss_and_is_deleted(tmp_path: Path, damage: str) -> None:
    put = cache_in(tmp_path).put(embedding())
    (path,) = files(tmp_path)
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "cut": data[:-1],
            "empty": b"",
            "longer": data + b"\0",
            "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "text": b"hello, this is not an embedding at all",
        }[damage]
    )
    fresh = cache_in(tmp_path)
    assert fresh.get(put.model_key, put.image_key) is None
    assert files(tmp_path) == []
    fresh.put(embedding())
    assert same(cache_in(tmp_path).get(put.model_key, put.image_key), put)


def test_a_whole_file_under_anothers_name_is_a_miss(tmp_path: Path) -> None:
    cache_in(tmp_path).put(embedding(1))
    (path,) = files(tmp_path)
    other = path.with_name(f"{image_key(2)}.emb")
    path.rename(other)
    assert cache_in(tmp_path).get("m-1.0_x", image_key(2)) is None
    assert not other.exists()


# -- budgets ------------------------------------------------------------------------------------


def test_memory_keeps_what_was_used_last() -> None:
    size = embedding().nbytes
    cache = EmbeddingCache(None, 3 * size, 0)
    for number in (1, 2, 3):
        cache.put(embedding(number))
    cache.get("m-1.0_x", image_key(1))
    cache.put(embedding(4))
    held = [n for n in (1, 2, 3, 4) if cache.where("m-1.0_x", image_key(n)) == "memory"]
    assert held == [1, 3, 4]
    assert cache.warning is None


def test_what_is_larger_than_memory_is_not_held_and_pushes_nothing_out() -> None:
    cache = EmbeddingCache(None, embedding().nbytes, 0)
    cache.put(embedding(1))
    cache.put(embedding(2, floats=5000))
    assert cache.where("m-1.0_x", image_key(1)) == "memory"
    assert cache.get("m-1.0_x", image_key(2)) is None


def test_the_disk_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    size = len(to_bytes(embedding()))
    cache = EmbeddingCache(tmp_path, 0, 4 * size + size // 2)
    for number in (1, 2, 3, 4):
        cache.put(embedding(number))
        path = next(path for path in files(tmp_path) if path.stem == image_key(number))
        os.utime(path, (1000 + number, 1000 + number))
    assert cache.get("m-1.0_x", image_key(1)) is not None  # used just now
    cache.put(embedding(5))
    held = [n for n in range(1, 6) if cache.where("m-1.0_x", image_key(n))]
    assert 1 in held
    assert 5 in held
    assert 2 not in held
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 4 * size + size // 2


def test_the_disk_budget_is_kept_however_much_is_put(tmp_path: Path) -> None:
    size = len(to_bytes(embedding(floats=100)))
    cache = EmbeddingCache(tmp_path, 0, 40 * size)
    for number in range(150):
        cache.put(embedding(number, floats=100))
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 40 * size
    assert len(files(tmp_path)) >= 30  # it is not thrown away without need either


def test_two_caches_that_share_a_folder_keep_the_budget_together(tmp_path: Path) -> None:
    size = len(to_bytes(embedding(floats=100)))
    budget = 64 * size
    caches = [EmbeddingCache(tmp_path, 0, budget) for _ in range(2)]
    for number in range(200):
        caches[number % 2].put(embedding(number, floats=100))
        used = sum(path.stat().st_size for path in files(tmp_path))
        assert used <= budget * (1 + 2 / 16)


def test_leftovers_of_a_process_that_died_are_swept(tmp_path: Path) -> None:
    left = tmp_path / "m" / "00" / ".dead.1.1.part"
    fresh = tmp_path / "m" / "00" / ".alive.2.2.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(left, (1000, 1000))
    cache_in(tmp_path).put(embedding())
    assert not left.exists()
    assert fresh.exists()


# -- disks that refuse --------------------------------------------------------------------------


def test_a_full_disk_is_told_once_and_work_goes_on_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_in(tmp_path)

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        cache.put(embedding())
    assert cache.warning is not None
    assert "No space left on device" in cache.warning
    assert cache.where("m-1.0_x", image_key(1)) == "memory"
    assert files(tmp_path) == []
    cache.put(embedding(2))
    assert cache.warning is None  # the disk has room again
    assert len(files(tmp_path)) == 1


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = cache_in(tmp_path / "file" / "cache")
    cache.put(embedding())
    assert cache.get("m-1.0_x", image_key(1)) is not None
    assert cache.warning is not None


def test_a_file_that_another_process_reads_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, one = cache_in(tmp_path, memory=0), embedding()
    cache.put(one)

    def held(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", held)  # as on Windows while somebody has the target open
        cache.put(one)
        assert cache.warning is None
        cache.put(embedding(2))  # this one is not there yet: nothing was kept, and that is told
        assert cache.warning is not None
    assert same(cache.get(one.model_key, one.image_key), rounded(one))
    assert len(files(tmp_path)) == 1

    small = EmbeddingCache(tmp_path, 0, files(tmp_path)[0].stat().st_size)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", held)
        small.put(embedding(3))  # has to make room and cannot
        assert small.warning is None
    assert len(files(tmp_path)) == 2


# -- several at once ----------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
import numpy as np
from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
cache = EmbeddingCache(Path(sys.argv[1]), 0, 1 << 26)
values = np.arange(20000, dtype=np.float32) % 1000
one = Embedding("m", f"{7:040x}", (1, 1), {"a": values})
sys.stdin.readline()
for _ in range(60):
    cache.put(one)
    read = cache.get("m", f"{7:040x}")
    assert read is not None and np.array_equal(read.arrays["a"], values)
"""


def test_two_processes_that_write_the_same_key_always_read_it_whole(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(files(tmp_path)) == 1


def test_threads_may_put_and_get_at_once(tmp_path: Path) -> None:
    size = embedding().nbytes
    cache = EmbeddingCache(tmp_path, 3 * size, 5 * size)
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for step in range(60):
                number = (seed * 7 + step) % 8
                cache.put(embedding(number))
                read = cache.get("m-1.0_x", image_key(number))
                if read is not None:
                    assert same(read, rounded(embedding(number)))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert cache.warning is None

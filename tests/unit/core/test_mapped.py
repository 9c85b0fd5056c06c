"""Mapped arrays are walked through band by band and given back on the way."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from segstudio.core.image import RgbImage
from segstudio.core.mapped import bands, mapping_of, release


def mapped(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.write_bytes(pixels.tobytes())
    with path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(whole, dtype=pixels.dtype).reshape(pixels.shape)


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssFile"):
            return int(line.split()[1])
    raise AssertionError("no RssFile")


def test_bands_are_the_rows_in_order_and_as_many_as_asked_for() -> None:
    pixels = np.arange(1000 * 20 * 3, dtype=np.uint8).reshape(1000, 20, 3)
    found = list(bands(pixels, multiple=7, most_bytes=60 * 50))
    assert [top for top, _ in found] == list(range(0, 1000, 49))
    assert np.array_equal(np.concatenate([rows for _, rows in found]), pixels)
    assert all(rows.base is not None for _, rows in found), "views, no copies"


def test_the_mapping_is_found_through_any_view(tmp_path: Path) -> None:
    pixels = mapped(tmp_path / "file", np.zeros((40, 50, 3), dtype=np.uint8))
    assert mapping_of(pixels[3:20, 4:9].swapaxes(0, 1)[::-1]) is not None
    assert mapping_of(RgbImage(pixels).pixels) is not None
    assert mapping_of(pixels.copy()) is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's accounts")
def test_what_is_given_back_is_not_counted_and_still_there(tmp_path: Path) -> None:
    random = np.random.default_rng(1).integers(0, 256, (64, 100_000, 3), dtype=np.uint8)
    pixels = mapped(tmp_path / "file", random)
    before = resident_kib()
    total = int(pixels.sum())
    assert resident_kib() - before > 15_000
    release(pixels)
    assert resident_kib() - before < 2_000
    assert int(pixels.sum()) == total


def test_the_key_does_not_ask_how_pixels_lie_in_memory() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    part = pixels[10:50, 20:70]
    view, copy = RgbImage(part), RgbImage(part.copy())
    assert not view.pixels.flags.c_contiguous
    assert view.key == copy.key
    assert RgbImage(pixels[:, ::-1]).pixels.flags.c_contiguous
    assert RgbImage.named(pixels, "abc").key == "abc"

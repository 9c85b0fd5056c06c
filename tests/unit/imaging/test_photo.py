"""Huge images: streamed into a file, and the same pixels as if they had been read at once."""

from __future__ import annotations

import errno
import gc
import os
import shutil
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from segstudio.core.errors import BadInputError, Cancelled, StorageError
from segstudio.core.mapped import mapping_of
from segstudio.core.progress import CancelToken, Progress
from segstudio.imaging import photo as photo_module
from segstudio.imaging import pixel_file, streamed
from segstudio.imaging.photo import open_image, open_photo
from segstudio.imaging.pyramid import Pyramid
from segstudio.imaging.read import read_image, thumbnail

RNG = np.random.default_rng(5)
PHOTO = data.coffee()[:301, :403]
GREY_16 = (PHOTO[..., 0].astype(np.uint16) << 4) + 7
RGBA = np.dstack((PHOTO, PHOTO[..., 1]))


def saved(folder: Path, name: str, pixels: np.ndarray, mode: str | None = None, **how) -> Path:
    image = Image.fromarray(pixels)
    image = image.convert(mode) if mode else image
    image.save(folder / name, **how)
    return folder / name


def png_16(path: Path, pixels: np.ndarray) -> Path:
    """A PNG of 16 bits a channel, which Pillow cannot write."""
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


def files(folder: Path) -> list[Path]:
    """One of every kind that libvips reads here, and some that it leaves to Pillow."""
    coloured = Image.fromarray(PHOTO).quantize(64)
    coloured.save(folder / "palette.png")
    coloured.save(folder / "clear.png", transparency=3)
    deep = PHOTO.astype(np.uint16) * 257 - (PHOTO > 0)
    return [
        folder / "palette.png",
        folder / "clear.png",
        saved(folder, "rgb.jpg", PHOTO, quality=90),
        saved(folder, "444.jpg", PHOTO, quality=90, subsampling=0),
        saved(folder, "progressive.jpg", PHOTO, progressive=True),
        saved(folder, "grey.jpg", PHOTO, "L"),
        saved(folder, "inks.jpg", PHOTO, "CMYK"),
        saved(folder, "rgb.png", PHOTO),
        saved(folder, "grey.png", PHOTO, "L"),
        saved(folder, "bit.png", PHOTO, "1"),
        saved(folder, "grey-alpha.png", RGBA, "LA"),
        saved(folder, "alpha.png", RGBA),
        saved(folder, "key.png", PHOTO, transparency=tuple(map(int, PHOTO[20, 20]))),
        saved(folder, "deep-grey.png", GREY_16),
        png_16(folder / "deep.png", deep),
        png_16(folder / "deep-alpha.png", np.dstack((deep, deep[..., 0]))[..., [2, 1, 0, 3]]),
        png_16(folder / "deep.tif", deep),
        saved(folder, "rgb.tif", PHOTO),
        saved(folder, "packed.tif", PHOTO, compression="tiff_deflate"),
        saved(folder, "photo.tif", PHOTO, compression="jpeg"),
        saved(folder, "bit.tif", PHOTO, "1"),
        saved(folder, "alpha.tif", RGBA),
        saved(folder, "inks.tif", PHOTO, "CMYK"),
        saved(folder, "deep-grey.tif", GREY_16),
        saved(folder, "float.tif", PHOTO[..., 0].astype(np.float32)),
        saved(folder, "rgb.bmp", PHOTO),
        saved(folder, "rgb.gif", PHOTO),
        saved(folder, "rgb.webp", PHOTO, lossless=True),
    ]


def test_every_kind_of_file_gives_the_pixels_that_read_image_gives(tmp_path: Path) -> None:
    for path in files(tmp_path):
        whole = read_image(path)
        found = open_photo(path, tmp_path / "cache", large=1)
        difference = np.abs(found.image.pixels.astype(int) - whole.pixels)
        assert difference.max() <= (1 if path.suffix in (".jpg", ".tif") else 0), path.name
        assert mapping_of(found.image.pixels) is not None
        assert found.image.size == whole.size


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_turned_photo_is_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, f"photo{suffix}", PHOTO, exif=exif)
    found = open_image(path, tmp_path / "cache", large=1)
    assert np.abs(found.pixels.astype(int) - read_image(path).pixels).max() <= 1


def test_levels_and_key_are_those_of_the_same_pixels_in_memory(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (1301, 1027, 3), dtype=np.uint8)
    path = saved(tmp_path, "noise.png", pixels)
    found = open_photo(path, tmp_path / "cache", large=1)
    wanted = read_image(path)
    levels = Pyramid.of(wanted).levels
    assert len(found.pyramid.levels) == len(levels) == 3
    assert all(map(np.array_equal, found.pyramid.levels, levels))
    assert found.image.key == wanted.key
    turned = open_image(saved(tmp_path, "grey.png", pixels, "L"), tmp_path / "cache", large=1)
    assert turned.key == read_image(tmp_path / "grey.png").key


def test_a_small_image_stays_in_memory(tmp_path: Path) -> None:
    found = open_photo(saved(tmp_path, "small.png", PHOTO), tmp_path / "cache")
    assert mapping_of(found.image.pixels) is None
    assert not (tmp_path / "cache").exists()


def test_the_folder_is_empty_and_the_disk_is_given_back(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else None
    found = open_photo(saved(tmp_path, "photo.png", PHOTO), tmp_path / "cache", large=1)
    assert list((tmp_path / "cache").iterdir()) == []
    levels = found.pyramid.levels
    del found
    gc.collect()
    assert levels[0].sum() == PHOTO.sum(dtype=int), "arrays keep the file"
    del levels
    gc.collect()
    if before is not None:
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_mapped_pixels_cannot_be_written(tmp_path: Path) -> None:
    found = open_image(saved(tmp_path, "photo.png", PHOTO), tmp_path / "cache", large=1)
    with pytest.raises(ValueError, match="read-only"):
        found.pixels[0, 0] = 0


def test_reading_can_be_cancelled_and_leaves_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path, "photo.png", np.tile(PHOTO, (3, 1, 1)))
    token = CancelToken()
    told: list[Progress] = []

    def report(progress: Progress) -> None:
        told.append(progress)
        if progress.done > 400:
            token.cancel()

    with pytest.raises(Cancelled):
        open_photo(path, tmp_path / "cache", large=1, cancel=token, report=report)
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert 400 < told[-1].done < 600 and told[-1].total == 903
    assert "photo.png" in told[-1].text
    assert list((tmp_path / "cache").iterdir()) == []


def test_too_little_room_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, "photo.png", PHOTO)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(StorageError) as caught:
        open_photo(path, tmp_path / "cache", large=1)
    sentence = str(caught.value)
    assert "room" in sentence and "needed" in sentence and sentence.endswith(".")
    assert "\n" not in sentence
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs a file size limit")
def test_a_disk_that_fills_up_on_the_way_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, "photo.png", PHOTO)
    real = pixel_file.tempfile.TemporaryFile

    def full(**how):
        file = real(**how)

        class Full:
            def __getattr__(self, name):
                return getattr(file, name)

            def write(self, data):
                if file.tell() > 50_000:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return file.write(data)

        return Full()

    monkeypatch.setattr(pixel_file.tempfile, "TemporaryFile", full)
    with pytest.raises(StorageError, match=r"No space left.*free some space"):
        open_photo(path, tmp_path / "cache", large=1)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(StorageError, match="cannot take so large an image"):
        open_photo(saved(tmp_path, "photo.png", PHOTO), tmp_path / "cache", large=1)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif"])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, name, np.tile(PHOTO, (2, 2, 1)))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInputError, match="damaged or cut short"):
        open_photo(path, tmp_path / "cache", large=1)


def test_without_libvips_pillow_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, "photo.png", PHOTO)
    monkeypatch.setattr(streamed, "_vips", lambda: None)
    found = open_image(path, tmp_path / "cache", large=1)
    assert np.array_equal(found.pixels, PHOTO)
    assert mapping_of(found.pixels) is not None


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_thumbnail_of_a_huge_file_is_made_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, f"photo{suffix}", np.tile(PHOTO, (2, 3, 1)), exif=exif)
    whole = read_image(path).pixels
    size = thumbnail(path, 96).shape[1::-1]
    wanted = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    monkeypatch.setattr("segstudio.imaging.read.LARGE", 1)
    found = thumbnail(path, 96)
    assert found.shape == wanted.shape
    difference = np.abs(found.astype(int) - wanted)
    assert difference.mean() < 0.8, "blocks that lie on a border are shared out"
    assert difference.max() <= 20


def test_the_limit_is_looked_at_on_the_header(tmp_path: Path) -> None:
    path = saved(tmp_path, "photo.png", PHOTO)
    with pytest.raises(BadInputError, match="too large"):
        open_photo(path, tmp_path / "cache", max_pixels=1000)
    assert photo_module.LARGE == 50_000_000

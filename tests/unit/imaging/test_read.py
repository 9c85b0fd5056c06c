from __future__ import annotations

import hashlib
import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from segstudio.core.errors import BadInputError
from segstudio.imaging.read import (
    IMAGE_SUFFIXES,
    file_sha256,
    read_image,
    read_size,
    thumbnail,
)

RAMP = np.arange(256, dtype=np.uint8)[np.newaxis, :].repeat(3, axis=0)


def pixels_of(path: Path) -> np.ndarray:
    image = read_image(path)
    assert read_size(path) == image.size
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous
    assert image.pixels.flags.writeable
    return image.pixels


def refusal(path: Path, **limits: int) -> str:
    """The sentence with which both readers refuse the file."""
    said = []
    for reader in (read_image, read_size):
        with pytest.raises(BadInputError) as caught:
            reader(path, **limits)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert_one_sentence_about(said[0], path)
    return said[0]


def assert_one_sentence_about(text: str, path: Path) -> None:
    assert path.name in text
    assert text.endswith(".")
    assert "\n" not in text
    assert ". " not in text.replace(path.name, "")
    assert ";" in text  # what is wrong; what to do


# -- modes and depths -------------------------------------------------------------------------


def test_rgb_png_comes_back_exactly(tmp_path):
    photo = data.chelsea()
    Image.fromarray(photo).save(tmp_path / "cat.png")
    assert np.array_equal(pixels_of(tmp_path / "cat.png"), photo)


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_suffix_that_is_announced_can_be_read(tmp_path, suffix):
    photo = data.coffee()[::4, ::4]
    path = tmp_path / f"coffee{suffix}"
    image = Image.fromarray(photo).convert({".pbm": "1", ".pgm": "L"}.get(suffix, "RGB"))
    image.save(path, format="JPEG" if suffix == ".jpe" else None)
    saved = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(pixels_of(path) - saved).mean() < 8


def test_grey_fills_all_three_channels(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    assert np.array_equal(pixels_of(tmp_path / "grey.png"), RAMP[:, :, np.newaxis].repeat(3, 2))


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(RAMP > 100).save(tmp_path / "bits.tif", compression="group4")
    assert np.array_equal(
        pixels_of(tmp_path / "bits.tif")[0, :, 1], np.where(RAMP[0] > 100, 255, 0)
    )


def test_a_palette_gives_its_colours_and_its_clear_entry_is_white(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
    for x in range(3):
        image.putpixel((x, 0), x)
    image.save(tmp_path / "palette.png", transparency=2)
    assert pixels_of(tmp_path / "palette.png")[0].tolist() == [
        [10, 20, 30],
        [200, 100, 50],
        [255, 255, 255],
    ]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white(tmp_path, mode):
    image = Image.new(mode, (2, 1))
    colour = (100, 100, 100) if mode == "RGBA" else (100,)
    image.putpixel((0, 0), (*colour, 255))
    image.putpixel((1, 0), (*colour, 51))
    image.save(tmp_path / "clear.png")
    opaque, faint = pixels_of(tmp_path / "clear.png")[0].astype(int)
    assert opaque.tolist() == [100, 100, 100]
    assert np.abs(faint - (0.2 * 100 + 0.8 * 255)).max() <= 1


def test_cmyk_jpeg_shows_its_inks(tmp_path):
    image = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    image.save(tmp_path / "inks.jpg", quality=95)
    red = pixels_of(tmp_path / "inks.jpg")[16, 16].astype(int)
    assert red[0] > 240
    assert red[1:].max() < 15


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_grey_spans_the_whole_range_of_its_sensor(tmp_path, suffix, bits):
    full = 2**bits - 1
    values = np.linspace(0, full, 300).astype(np.uint16).reshape(3, 100)
    path = tmp_path / f"deep{suffix}"
    Image.fromarray(values).save(path)
    expected = np.rint(values / full * 255).astype(np.uint8)
    assert np.array_equal(pixels_of(path)[:, :, 0], expected)


def test_16_bit_rgb_keeps_the_upper_byte(tmp_path):
    rows = b"\0" + struct.pack(">6H", 0x1234, 0xFFFF, 0x0000, 0x8001, 0x00FF, 0x7F80)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    path = tmp_path / "deep.png"
    path.write_bytes(png(header, (b"IDAT", zlib.compress(rows))))
    assert pixels_of(path)[0].tolist() == [[0x12, 0xFF, 0x00], [0x80, 0x00, 0x7F]]


def test_float_tiff_of_0_to_1_and_of_any_other_range(tmp_path):
    unit = np.array([[0.0, 0.25, 0.5]], np.float32)
    wide = np.array([[-40.0, np.nan, 60.0, np.inf]], np.float32)
    Image.fromarray(unit).save(tmp_path / "unit.tif")
    Image.fromarray(wide).save(tmp_path / "wide.tif")
    assert pixels_of(tmp_path / "unit.tif")[0, :, 0].tolist() == [0, 64, 128]
    assert pixels_of(tmp_path / "wide.tif")[0, :, 0].tolist() == [0, 0, 255, 0]


def test_32_bit_integer_tiff_uses_its_own_range(tmp_path):
    values = np.array([[-1000, 0, 1_000_000]], np.int32)
    Image.fromarray(values).save(tmp_path / "int.tif")
    assert pixels_of(tmp_path / "int.tif")[0, :, 0].tolist() == [0, 0, 255]


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("#102030", "#f0e0d0")]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert pixels_of(tmp_path / "film.gif")[3, 3].tolist() == [0x10, 0x20, 0x30]


# -- orientation ------------------------------------------------------------------------------

STORED = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
# Which corner the stored first row and column mean (EXIF 2.32, tag 274).
UPRIGHT = {
    1: STORED,
    2: STORED[:, ::-1],
    3: STORED[::-1, ::-1],
    4: STORED[::-1],
    5: STORED.T,
    6: np.rot90(STORED, -1),
    7: STORED[::-1, ::-1].T,
    8: np.rot90(STORED),
}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(tmp_path, suffix, orientation):
    path = tmp_path / f"turned{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    big = STORED.repeat(8, 0).repeat(8, 1)
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100}}.get(suffix, {})
    Image.fromarray(big).convert("RGB").save(path, exif=exif.tobytes(), **options)
    expected = UPRIGHT[orientation].repeat(8, 0).repeat(8, 1).astype(int)
    seen = pixels_of(path)[:, :, 0].astype(int)
    assert seen.shape == expected.shape
    assert np.abs(seen - expected).max() <= (3 if suffix == ".jpg" else 0)
    assert thumbnail(path, 100).shape[:2] == expected.shape


def test_a_png_may_say_its_orientation_after_the_pixels(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    chunk = exif.tobytes().removeprefix(b"Exif\0\0")
    plain = io.BytesIO()
    Image.fromarray(STORED).save(plain, "PNG")
    body, end = plain.getvalue()[:-12], plain.getvalue()[-12:]
    path = tmp_path / "late.png"
    path.write_bytes(body + png_chunk(b"eXIf", chunk) + end)
    assert np.array_equal(pixels_of(path)[:, :, 0], UPRIGHT[6])


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_unknown_orientation_means_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(STORED).save(tmp_path / "odd.png", exif=exif.tobytes())
    assert np.array_equal(pixels_of(tmp_path / "odd.png")[:, :, 0], STORED)


def test_a_broken_exif_block_does_not_cost_the_photo(tmp_path):
    Image.fromarray(STORED).save(tmp_path / "broken.png", exif=b"Exif\0\0nonsense")
    assert np.array_equal(pixels_of(tmp_path / "broken.png")[:, :, 0], STORED)


# -- refusals ---------------------------------------------------------------------------------


def test_a_missing_file_is_refused(tmp_path):
    assert "There is no file" in refusal(tmp_path / "gone.jpg")


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "photos.jpg").mkdir()
    assert "folder" in refusal(tmp_path / "photos.jpg")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert "0 bytes" in refusal(tmp_path / "empty.jpg")


@pytest.mark.parametrize(
    "content", [b"hello, world", b"%PDF-1.4\n", b"RIFF\x24\0\0\0WAVEfmt ", b"\0" * 64, b"<svg/>"]
)
def test_what_is_not_an_image_is_refused(tmp_path, content):
    (tmp_path / "not.jpg").write_bytes(content)
    assert "not an image" in refusal(tmp_path / "not.jpg")


def test_formats_that_are_not_on_the_list_never_reach_a_decoder(tmp_path):
    Image.fromarray(STORED).save(tmp_path / "icon.png", format="ICO")
    assert "not an image" in refusal(tmp_path / "icon.png")


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "regular file" in refusal(tmp_path / "pipe.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_without_read_permission_is_refused(tmp_path):
    Image.fromarray(STORED).save(tmp_path / "secret.png")
    (tmp_path / "secret.png").chmod(0)
    assert "permission" in refusal(tmp_path / "secret.png")


def test_a_refused_permission_is_told_whoever_runs_this(tmp_path, monkeypatch):
    Image.fromarray(STORED).save(tmp_path / "secret.png")

    def deny(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    assert "permission" in refusal(tmp_path / "secret.png")


def test_a_name_that_no_disk_can_hold_is_refused(tmp_path):
    refusal(tmp_path / ("x" * 300 + ".png"))
    refusal(tmp_path / "nul\0.png")


def test_a_bomb_is_refused_by_its_header_alone(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(png(header, (b"IDAT", zlib.compress(b"\0" * 1000))))
    assert "60000 x 60000" in refusal(path)


def test_the_limit_of_pixels_can_be_set(tmp_path):
    Image.fromarray(STORED).save(tmp_path / "small.png")
    assert read_image(tmp_path / "small.png", max_pixels=24).size == (4, 6)
    assert "too large" in refusal(tmp_path / "small.png", max_pixels=23)


def test_pillows_own_limit_neither_stops_us_nor_is_changed(tmp_path, monkeypatch):
    photo = data.coffee()
    Image.fromarray(photo).save(tmp_path / "coffee.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert np.array_equal(pixels_of(tmp_path / "coffee.png"), photo)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_an_image_without_pixels_is_refused(tmp_path):
    path = tmp_path / "nothing.png"
    header = struct.pack(">IIBBBBB", 0, 7, 8, 2, 0, 0, 0)
    path.write_bytes(png(header, (b"IDAT", zlib.compress(b""))))
    refusal(path)


def encoded() -> dict[str, bytes]:
    photo = Image.fromarray(data.astronaut()[60:160:2, 180:280:2])
    files = {}
    for kind, options in {
        "JPEG": {},
        "PNG": {},
        "TIFF": {"compression": "tiff_lzw"},
        "GIF": {},
        "BMP": {},
        "WEBP": {},
        "PPM": {},
    }.items():
        buffer = io.BytesIO()
        photo.save(buffer, kind, **options)
        files[kind] = buffer.getvalue()
    return files


FILES = encoded()


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(FILES)), share=st.floats(0, 1))
def test_a_file_cut_anywhere_is_read_or_refused(tmp_path_factory, kind, share):
    content = FILES[kind][: int(share * len(FILES[kind]))]
    assert_read_or_refused(tmp_path_factory.mktemp("cut") / "cut.img", content)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    near_start=st.booleans(),
)
def test_a_file_with_changed_bytes_is_read_or_refused(tmp_path_factory, kind, changes, near_start):
    content = bytearray(FILES[kind])
    reach = min(len(content), 80) if near_start else len(content)
    for share, value in changes:
        content[int(share * (reach - 1))] = value
    assert_read_or_refused(tmp_path_factory.mktemp("hurt") / "hurt.img", bytes(content))


def assert_read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        image = read_image(path, max_pixels=1_000_000)
    except BadInputError as error:
        assert_one_sentence_about(str(error), path)
    else:
        assert read_size(path, max_pixels=1_000_000) == image.size


# -- thumbnails and hashes --------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_thumbnail_is_small_and_looks_like_the_photo(tmp_path, suffix):
    photo = data.coffee()
    Image.fromarray(photo).save(tmp_path / f"coffee{suffix}", quality=95)
    small = thumbnail(tmp_path / f"coffee{suffix}", 120)
    assert small.shape == (80, 120, 3)
    expected = photo.reshape(80, 5, 120, 5, 3).mean((1, 3))
    assert np.abs(small - expected).mean() < 3


def test_a_thumbnail_never_enlarges_and_never_vanishes(tmp_path):
    Image.fromarray(STORED).save(tmp_path / "small.png")
    Image.new("RGB", (500, 2)).save(tmp_path / "line.png")
    assert thumbnail(tmp_path / "small.png", 64).shape == (4, 6, 3)
    assert thumbnail(tmp_path / "line.png", 64).shape == (1, 64, 3)


def test_the_hash_is_of_the_files_bytes(tmp_path):
    (tmp_path / "any.bin").write_bytes(b"pixels" * 50_000)
    assert file_sha256(tmp_path / "any.bin") == hashlib.sha256(b"pixels" * 50_000).hexdigest()
    with pytest.raises(BadInputError):
        file_sha256(tmp_path / "gone")


def test_many_threads_read_at_once(tmp_path):
    photo = data.chelsea()
    Image.fromarray(photo).save(tmp_path / "cat.png")
    equal: list[bool] = []

    def read() -> None:
        equal.extend(
            np.array_equal(read_image(tmp_path / "cat.png").pixels, photo) for _ in range(5)
        )

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert equal == [True] * 20


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    every = ((b"IHDR", header), *chunks, (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in every)

"""Label maps as PNGs of every kind, beside the arrays they were made of; hostile headers."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.formats.index_maps import (
    index_masks,
    map_header,
    read_colour_ids,
    read_indices,
)
from segstudio.formats.palette import save_index_map
from segstudio.formats.source_files import SourceFolder

RNG = np.random.default_rng(0)


def png(width: int, height: int, depth: int, kind: int, rows: bytes) -> bytes:
    """A PNG by hand: `rows` as stored, each with its filter byte."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(48))) if kind == 3 else b""
    pixels = chunk(b"IDAT", zlib.compress(rows))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + palette + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_indices_come_back_as_they_were_saved(dtype: type, tmp_path: Path) -> None:
    indices = RNG.integers(0, np.iinfo(dtype).max + 1, (13, 17)).astype(dtype)
    save_index_map(indices, tmp_path / "a.png")
    found = read_indices(SourceFolder(tmp_path), tmp_path / "a.png", (13, 17))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, indices)


@pytest.mark.parametrize("kind", [0, 3], ids=["grey", "palette"])
@pytest.mark.parametrize(("depth", "row"), [(1, 0b01100000), (2, 0b00011011), (4, 0x19)])
def test_pixels_of_fewer_bits_than_a_byte_are_indices(
    kind: int, depth: int, row: int, tmp_path: Path
) -> None:
    width = 8 // depth
    (tmp_path / "a.png").write_bytes(png(width, 2, depth, kind, bytes([0, row, 0, row])))
    expected = [row >> (8 - depth * (place + 1)) & ((1 << depth) - 1) for place in range(width)]
    found = read_indices(SourceFolder(tmp_path), tmp_path / "a.png")
    assert found.tolist() == [expected, expected]


def test_grey_written_as_colour_is_read_and_true_colour_is_refused(tmp_path: Path) -> None:
    grey = RNG.integers(0, 20, (5, 6)).astype(np.uint8)
    for name, array in (("rgb", np.dstack([grey] * 3)), ("la", np.dstack([grey, grey * 0]))):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
        found = read_indices(SourceFolder(tmp_path), tmp_path / f"{name}.png")
        np.testing.assert_array_equal(found, grey)
    Image.fromarray(np.dstack([grey, grey + 1, grey])).save(tmp_path / "colour.png")
    with pytest.raises(BadInputError, match=r"colour\.png: it holds colours"):
        read_indices(SourceFolder(tmp_path), tmp_path / "colour.png")


def test_colours_are_numbers_of_24_bits(tmp_path: Path) -> None:
    ids = RNG.integers(0, 1 << 24, (7, 9)).astype(np.uint32)
    channels = np.dstack([ids & 255, ids >> 8 & 255, ids >> 16]).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), channels[..., ::-1])
    found = read_colour_ids(SourceFolder(tmp_path), tmp_path / "a.png", (7, 9))
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found, ids)


def test_a_palette_map_read_by_colour_gives_its_colours(tmp_path: Path) -> None:
    save_index_map(np.array([[0, 1], [2, 255]], dtype=np.uint8), tmp_path / "a.png")
    found = read_colour_ids(SourceFolder(tmp_path), tmp_path / "a.png")
    cream = 224 + 224 * 256 + 192 * 65536
    assert found.tolist() == [[0, 128], [128 * 256, cream]]


def test_another_size_than_the_image_is_refused_with_both(tmp_path: Path) -> None:
    save_index_map(np.zeros((4, 6), dtype=np.uint8), tmp_path / "a.png")
    with pytest.raises(BadInputError, match=r"a\.png: the map is 6 x 4 pixels and its image 4 x 6"):
        read_indices(SourceFolder(tmp_path), tmp_path / "a.png", (6, 4))


def test_what_a_small_file_cannot_hold_is_never_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(20_000, 20_000, 16, 2, b"\0" * 10_000))
    with pytest.raises(BadInputError, match="more than its 90 bytes can hold"):
        map_header(SourceFolder(tmp_path), tmp_path / "bomb.png")
    (tmp_path / "huge.png").write_bytes(png(100_000, 100_000, 8, 0, b""))
    with pytest.raises(BadInputError, match="100000 x 100000 pixels is not read"):
        read_indices(SourceFolder(tmp_path), tmp_path / "huge.png")


@pytest.mark.parametrize("cut", [0, 10, 30, 60, -200])
def test_cut_short_is_refused_with_the_file(cut: int, tmp_path: Path) -> None:
    noise = RNG.integers(0, 255, (40, 40)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "whole.png").read_bytes()[:cut])
    for read in (read_indices, read_colour_ids):
        with pytest.raises(BadInputError, match=r"^a\.png"):
            read(SourceFolder(tmp_path), tmp_path / "a.png")


def test_what_is_no_png_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 40), dtype=np.uint8)).save(tmp_path / "a.bmp")
    with pytest.raises(BadInputError, match=r"a\.bmp: it is not a PNG"):
        read_indices(SourceFolder(tmp_path), tmp_path / "a.bmp")
    with pytest.raises(BadInputError, match=r"b\.png: it cannot be read"):
        read_indices(SourceFolder(tmp_path), tmp_path / "b.png")


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.uint32]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.integers(0, 5),
    )
)
def test_masks_of_all_indices_are_those_of_each(indices: np.ndarray) -> None:
    masks = index_masks(indices)
    assert list(masks) == np.unique(indices).tolist()
    assert masks == {index: Mask.from_array(indices == index) for index in masks}

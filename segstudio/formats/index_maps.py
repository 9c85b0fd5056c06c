"""Label maps of a source: PNGs whose pixels are indices, or ids spread over red, green and blue.

A PNG's header (PNG specification, W3C 2003, 11.2.2) is looked at before anything is decoded:
deflate makes at most 1032 bytes of one (zlib's technical notes), so a small file that claims more
is broken or hostile.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import PngImagePlugin

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.formats.source_files import SourceFolder

MOST_MAP_PIXELS = 500_000_000
MOST_MAP_BYTES = 1 << 30
MOST_KINDS = 1 << 16  # indices in one map: all that 16 bits hold
_LOOKED_AT = 1 << 20  # pixels at once

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(
    ">8sI4sIIBB"
)  # signature, chunk length and name, width, height, depth, kind
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_INFLATED = 1032  # bytes that deflate makes of one, at most

Indices = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True)
class MapHeader:
    """What a PNG says of itself: `size` is (H, W), `depth` bits a channel, `channels` 1 to 4."""

    size: tuple[int, int]
    depth: int
    channels: int
    palette: bool


def map_header(source: SourceFolder, path: Path) -> MapHeader:
    """The header of a PNG; nothing is decoded.

    Raises BadInputError, with the file, for what is no PNG, has no pixels or more than
    `MOST_MAP_PIXELS`, or claims more than its bytes can hold.
    """
    place = source.place(path)
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_HEADER.size)
    except OSError as error:
        raise BadInputError(f"{place}: it cannot be read ({error.strerror or error}).") from error
    if len(start) < _HEADER.size:
        raise BadInputError(f"{place}: it is not a PNG, as label maps are.")
    signature, _, chunk, width, height, depth, kind = _HEADER.unpack(start)
    if signature != _SIGNATURE or chunk != b"IHDR":
        raise BadInputError(f"{place}: it is not a PNG, as label maps are.")
    if kind not in _CHANNELS or depth not in {1, 2, 4, 8, 16}:
        raise BadInputError(f"{place}: its header is damaged.")
    if not 0 < width * height <= MOST_MAP_PIXELS:
        raise BadInputError(
            f"{place}: a label map of {width} x {height} pixels is not read; the limit is "
            f"{MOST_MAP_PIXELS:,}."
        )
    row = 1 + (width * depth * _CHANNELS[kind] + 7) // 8  # its filter comes first
    if height * row > _INFLATED * length:
        raise BadInputError(
            f"{place}: it claims {width} x {height} pixels, more than its {length} bytes can hold."
        )
    return MapHeader((height, width), depth, _CHANNELS[kind], kind == _PALETTE)


def read_indices(source: SourceFolder, path: Path, size: tuple[int, int] | None = None) -> Indices:
    """(H, W) uint8 or uint16 indices of a palette or grey PNG of 1 to 16 bits; alpha is ignored.

    Colour PNGs whose three channels are equal count as grey. Raises BadInputError, with the file,
    for a map of another size than `size`, for one of colours (see `read_colour_ids`), and as
    `map_header`.
    """
    header = map_header(source, path)
    pixels = _pixels(source, path, header, size)
    if pixels.ndim == 3:
        if header.channels >= 3:
            grey = pixels[..., 0]
            if np.any(pixels[..., 1] != grey) or np.any(pixels[..., 2] != grey):
                raise BadInputError(
                    f"{source.place(path)}: it holds colours where indices are needed; a "
                    "label map is a palette or grey PNG."
                )
        pixels = pixels[..., 0]
    if not header.palette and header.depth < 8:  # the decoder spreads 0..2^depth-1 over 0..255
        pixels = pixels // (255 // ((1 << header.depth) - 1))
    return pixels if pixels.flags.c_contiguous else pixels.copy()


def read_colour_ids(
    source: SourceFolder, path: Path, size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint32]:
    """(H, W) uint32 R + 256 G + 65536 B of an 8-bit RGB(A) PNG; grey counts as R = G = B.

    This is the id of panoptic COCO, and a colour as one number. Palette PNGs give their colours.
    Raises BadInputError, with the file, for another size than `size`, 16 bits, as `map_header`.
    """
    header = map_header(source, path)
    if header.depth == 16:
        raise BadInputError(f"{source.place(path)}: it has 16 bits a channel; colour maps have 8.")
    pixels = _pixels(source, path, header, size, colours=True)
    ids = pixels[..., 2].astype(np.uint32)
    for channel in (1, 0):
        ids <<= 8
        ids |= pixels[..., channel]
    return ids


def index_masks(indices: Indices) -> dict[int, Mask]:
    """The mask of every index that occurs, the smallest index first.

    One pass over the (H, W) map, however many indices there are. Raises BadInputError for more
    than `MOST_KINDS`, as a map of ids has that is a photo, or made to fill the memory.
    """
    height, width = int(indices.shape[0]), int(indices.shape[1])
    flat = indices.T.ravel()
    if (kinds_found := _kinds(flat)) > MOST_KINDS:
        raise BadInputError(f"The map holds {kinds_found:,} different ids, as no label map does.")
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    ends = np.append(starts[1:], flat.size)
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    kinds, first = np.unique(values[order], return_index=True)
    masks = {}
    for kind, runs in zip(kinds.tolist(), np.split(order, first[1:]), strict=True):
        column = np.zeros(len(runs), dtype=np.int64)
        masks[int(kind)] = Mask.from_column_runs(column, starts[runs], ends[runs], (height, width))
    return masks


def _kinds(flat: npt.NDArray[np.generic]) -> int:
    """How many different values there are; counted only where they may be too many."""
    if flat.dtype.itemsize <= 2 or flat.size <= MOST_KINDS:
        return 0
    seen = np.zeros(int(flat.max()) + 1, dtype=np.bool_)
    for start in range(0, flat.size, _LOOKED_AT):
        seen[flat[start : start + _LOOKED_AT]] = True
    return int(np.count_nonzero(seen))


def _pixels(
    source: SourceFolder,
    path: Path,
    header: MapHeader,
    size: tuple[int, int] | None,
    *,
    colours: bool = False,
) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """(H, W) or (H, W, C) as stored; (H, W, 3) uint8 with `colours`."""
    place = source.place(path)
    if size is not None and header.size != size:
        raise BadInputError(
            f"{place}: the map is {header.size[1]} x {header.size[0]} pixels and its image "
            f"{size[1]} x {size[0]}."
        )
    data = BytesIO(source.bytes_of(path, MOST_MAP_BYTES))
    try:
        with PngImagePlugin.PngImageFile(data) as image:
            if image.size != header.size[::-1]:  # a second header further on
                raise BadInputError(f"{place}: it is damaged.")
            if colours and image.mode != "RGB":
                array = np.asarray(image.convert("RGB"))
            elif image.mode == "1":
                array = np.asarray(image.convert("L"))
            elif header.depth == 16 and header.channels > 1:
                raise BadInputError(f"{place}: it has 16 bits a colour; label maps are grey then.")
            else:
                array = np.asarray(image)
    except BadInputError:
        raise
    except MemoryError as error:
        raise BadInputError(f"{place}: it does not fit into memory.") from error
    except Exception as error:  # decoders of hostile bytes raise whatever they like
        raise BadInputError(f"{place}: it is damaged or cut short.") from error
    if array.dtype not in (np.uint8, np.uint16) or array.shape[:2] != header.size:
        raise BadInputError(f"{place}: it is not a label map.")
    return array

"""Huge image files decoded row by row, by libvips, where Pillow would hold them as a whole.

Rows come as Pillow would give them: libvips only decodes, and what a mode means is decided by the
same code for both. Whatever is unusual (float, 32 bits, LAB, planes of other kinds) is left to
Pillow. libvips gets the bytes of an open file and never a name.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from segstudio.core.image import Rgb8
from segstudio.imaging.modes import sensor_range, to_rgb

_ROWS = 64  # at a time; libvips keeps about as many

_LOADERS = {"JPEG": "jpegload_source", "PNG": "pngload_source", "TIFF": "tiffload_source"}

# Pillow's mode, libvips' bands and number format: the mode of the rows that libvips gives.
_MODES = {
    ("1", 1, "uchar"): "L",
    ("L", 1, "uchar"): "L",
    ("L", 2, "uchar"): "LA",
    ("LA", 2, "uchar"): "LA",
    ("LA", 2, "ushort"): "LA",
    ("P", 3, "uchar"): "RGB",
    ("P", 4, "uchar"): "RGBA",
    ("RGB", 3, "uchar"): "RGB",
    ("RGB", 3, "ushort"): "RGB",
    ("RGB", 4, "uchar"): "RGBA",
    ("RGBA", 4, "uchar"): "RGBA",
    ("RGBA", 4, "ushort"): "RGBA",
    ("CMYK", 4, "uchar"): "CMYK",
    ("I;16", 1, "ushort"): "I;16",
    ("I;16B", 1, "ushort"): "I;16",
    ("I", 1, "ushort"): "I;16",
}


class StreamError(Exception):
    """libvips found the file damaged or cut short."""


@dataclass(frozen=True)
class RowStream:
    """The rows of one file as they are stored; they can be read more than once.

    `mode` is Pillow's name for them: "L", "LA", "RGB", "RGBA", "CMYK" of uint8 or "I;16" of uint16.
    """

    mode: str
    size: tuple[int, int]
    _vips: Any
    _loader: str
    _file: IO[bytes]

    def rows(self) -> Iterator[npt.NDArray[Any]]:
        """(h, W, bands) uint8 or (h, W) uint16 from top to bottom. Raises StreamError."""
        height, width = self.size
        _source, image = _loaded(self._vips, self._loader, self._file)
        with _told_apart(self._vips):
            region = self._vips.Region.new(image)
        deep = image.format == "ushort"
        for top in range(0, height, _ROWS):
            count = min(_ROWS, height - top)
            with _told_apart(self._vips):
                data = region.fetch(0, top, width, count)
            numbers: npt.NDArray[Any] = np.frombuffer(data, np.uint16 if deep else np.uint8)
            rows = numbers.reshape(count, width, image.bands)
            if self.mode == "I;16":
                yield rows[:, :, 0]
            else:  # of 16 bits the upper byte, as Pillow has it
                yield (rows >> 8).astype(np.uint8) if deep else rows

    def rgb_rows(self) -> Iterator[Rgb8]:
        """(h, W, 3) uint8 from top to bottom, as `read_image` has them. Raises StreamError."""
        scale: npt.NDArray[np.uint8] | None = None
        if self.mode == "I;16":
            largest = max(int(rows.max()) for rows in self.rows())
            values = np.arange(1 << 16) * (255.0 / sensor_range(largest))
            scale = np.rint(np.minimum(values, 255.0)).astype(np.uint8)
        for rows in self.rows():
            if scale is not None:
                yield np.repeat(scale[rows][:, :, np.newaxis], 3, axis=2)
            elif self.mode == "RGB":
                yield rows
            elif self.mode == "L":
                yield np.repeat(rows, 3, axis=2)
            else:
                yield to_rgb(_as_image(rows, self.mode))


def open_rows(image: ImageFile.ImageFile) -> RowStream | None:
    """A stream of the file that Pillow has opened, or None if Pillow must read it.

    Use one of the two, not both in turn: they move in the same file. Files whose pixels do not
    come from top to bottom (progressive JPEG, interlaced PNG) can be streamed, but libvips needs as
    much memory for them as for the whole image.
    """
    vips, loader, file = _vips(), _LOADERS.get(image.format or ""), image.fp
    if vips is None or loader is None or file is None:
        return None

    back = file.tell()
    try:
        _source, header = _loaded(vips, loader, file)
        facts, size = (header.bands, header.format), (int(header.height), int(header.width))
    except StreamError:  # Pillow says better what is wrong, or reads it all the same
        return None
    finally:
        file.seek(back)
    mode = _MODES.get((image.mode, *facts))
    if mode is None or size != _stored_size(image):
        return None
    return RowStream(mode, size, vips, loader, file)


def _loaded(vips: Any, loader: str, file: IO[bytes]) -> tuple[Any, Any]:
    """libvips' source and image of a file, which it reads while its regions are fetched.

    Hold the source as long as anything is fetched: a callback into what Python has freed would end
    the program.
    """
    file.seek(0)
    source = vips.SourceCustom()
    source.on_read(_careful(file.read, b""))
    source.on_seek(_careful(file.seek, -1))
    with _told_apart(vips):
        load = getattr(vips.Image, loader)
        return source, load(source, access="sequential", fail_on="error")


def _stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """(H, W) before any turning; Pillow turns TIFF by itself, and sometimes says so in `size`."""
    tags = getattr(image, "tag_v2", None)
    width, height = (int(tags[256]), int(tags[257])) if tags is not None else image.size
    return height, width


def _as_image(rows: npt.NDArray[Any], mode: str) -> Image.Image:
    """Rows of a stream as an image of Pillow's."""
    height, width = rows.shape[:2]
    return Image.frombuffer(mode, (width, height), np.ascontiguousarray(rows), "raw", mode, 0, 1)


def _careful(call: Callable[..., Any], otherwise: object) -> Callable[..., Any]:
    """A callback that raises nothing: libvips could not pass it on, and sees a read error."""

    def safe(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except (OSError, ValueError, io.UnsupportedOperation):
            return otherwise

    return safe


@contextmanager
def _told_apart(vips: Any) -> Iterator[None]:
    """Turns libvips' errors into StreamError."""
    try:
        yield
    except vips.Error as error:
        raise StreamError(str(error)) from error


def _vips() -> Any:
    """pyvips, imported when the first huge image comes, or None where it is not installed."""
    try:
        vips = import_module("pyvips")
    except (ImportError, OSError):  # OSError: the library itself cannot be loaded
        return None
    vips.cache_set_max(0)  # a file is read once; a cache would hold on to it
    return vips

"""Image files to 8-bit RGB pixels, whatever their mode, depth and EXIF orientation.

Only the formats listed in `_PLUGINS` are ever tried: each decoder is code that a hostile file
reaches. Pillow's process-wide limit (`Image.MAX_IMAGE_PIXELS`) is left alone, as other threads
and libraries share it; the limit here is checked on the header, before anything is decoded.
"""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from segstudio.core.errors import BadInputError
from segstudio.core.image import Rgb8, RgbImage
from segstudio.imaging.modes import to_rgb
from segstudio.imaging.shrink import means_of_blocks, means_shrunk
from segstudio.imaging.streamed import RowStream, StreamError, open_rows

DEFAULT_MAX_PIXELS = 500_000_000
LARGE = 50_000_000  # pixels; from here on an image is not held in memory as a whole, if possible

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff"}
    | {".bmp", ".gif", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
)

_FORMATS = "JPEG, PNG, TIFF, BMP, GIF, WebP or PPM"

# How a file starts, and the one decoder that may then see it.
_PLUGINS: tuple[tuple[bytes, Callable[..., ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.jpeg_factory),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"II*\x00", TiffImagePlugin.TiffImageFile),
    (b"MM\x00*", TiffImagePlugin.TiffImageFile),
    (b"II+\x00", TiffImagePlugin.TiffImageFile),
    (b"MM\x00+", TiffImagePlugin.TiffImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    *((b"P%d" % kind, PpmImagePlugin.PpmImageFile) for kind in range(1, 7)),
)

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> RgbImage:
    """Decode `path` to (H, W, 3) uint8 RGB with the EXIF (or XMP) orientation applied once.

    - Transparency is laid over white: hidden colours under it are arbitrary, and white is what a
      page shows.
    - 16-bit grey is scaled linearly, zero to zero, by the smallest of 8, 10, 12, 14 and 16 bits
      that holds its largest value: sensors store 12 bits in 16, which full range would show as
      black. 16-bit RGB keeps its upper byte (all that Pillow gives).
    - Float grey within 0..1 is scaled by that range, 32-bit grey within 0..65535 as 16-bit grey,
      any other by its own smallest and largest value.
    - CMYK and other spaces go through Pillow's plain conversion; ICC profiles are not applied.
    - Of an animation or a multi-page file, the first frame.

    Raises BadInputError, one sentence with the file's name, for whatever cannot be read.
    """
    with opened(path, max_pixels) as image:
        _, orientation = size_and_orientation(image)
        return RgbImage(decoded(path, image, orientation))


def read_size(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[int, int]:
    """(H, W) that `read_image` will give, from the header alone; the same errors for it."""
    with opened(path, max_pixels) as image:
        (height, width), _ = size_and_orientation(image)
        return height, width


def read_orientation(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> int:
    """How EXIF turns the stored pixels, 1 (not at all) to 8; the same errors as `read_image`."""
    with opened(path, max_pixels) as image:
        return size_and_orientation(image)[1]


def thumbnail(path: Path, side: int, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Rgb8:
    """(h, w, 3) uint8 RGB, upright, longest side at most `side` (never enlarged).

    JPEG is decoded at a fraction of its size, huge images of other kinds row by row. Errors as
    `read_image`.
    """
    with opened(path, max_pixels) as image:
        (height, width), orientation = size_and_orientation(image)
        scale = min(1.0, side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            # Twice the size, so that the last step still averages over neighbours.
            image.draft("RGB", (2 * max(size), 2 * max(size)))
        elif height * width > LARGE and (stored := open_rows(image)) is not None:
            return _small(path, stored, orientation, size)
        pixels = decoded(path, image, orientation)
        small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX, reducing_gap=2.0)
        return np.array(small)


def _small(path: Path, stored: RowStream, orientation: int, size: tuple[int, int]) -> Rgb8:
    """`size` (w, h) of a huge image, upright."""
    step = max(1, max(stored.size) // (4 * max(size)))
    try:
        blocks = means_of_blocks(stored.rgb_rows(), stored.size, step)
    except StreamError as error:
        raise damaged(path) from error
    small = means_shrunk(blocks, step, stored.size, size if orientation >= 5 else size[::-1])
    if orientation == 1:
        return small
    return np.array(Image.fromarray(small).transpose(_TRANSPOSE[orientation]))


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of the file's bytes. Raises BadInputError if it cannot be read."""
    with _opened_file(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _disk_error(path, error) from error


@contextmanager
def _opened_file(path: Path) -> Iterator[BufferedReader]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadInputError(f"“{path.name}” is a folder; name an image file inside it.")
        if not stat.S_ISREG(mode):
            raise BadInputError(f"“{path.name}” is not a regular file; name an image file.")
        file = path.open("rb")
    except FileNotFoundError:
        raise BadInputError(
            f"There is no file “{path}”; check its name, or put it back where it was."
        ) from None
    except PermissionError:
        raise BadInputError(
            f"“{path.name}” may not be read; give yourself read permission for it."
        ) from None
    except (OSError, ValueError) as error:
        raise _disk_error(path, error) from error
    with file:
        yield file


def _disk_error(path: Path, error: Exception) -> BadInputError:
    reason = getattr(error, "strerror", None) or str(error)
    return BadInputError(f"“{path.name}” cannot be read ({reason}); check its name and its disk.")


@contextmanager
def opened(path: Path, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """The image with its header read and its size found fit; nothing decoded yet."""
    with _opened_file(path) as file:
        image = _identified(path, file)
        width, height = image.size
        if width < 1 or height < 1:
            raise BadInputError(f"“{path.name}” has no pixels ({width} x {height}); replace it.")
        if width * height > max_pixels:
            raise _too_large(path, f"{width} x {height}", max_pixels)
        yield image


def _too_large(path: Path, size: str, max_pixels: int) -> BadInputError:
    return BadInputError(
        f"“{path.name}” is too large ({size}, the limit is {max_pixels:,} pixels); "
        "scale it down or cut it into tiles."
    )


def _identified(path: Path, file: BufferedReader) -> ImageFile.ImageFile:
    try:
        start = file.read(16)
        known = (make for magic, make in _PLUGINS if start.startswith(magic))
        factory = None if start[:4] == b"RIFF" and start[8:12] != b"WEBP" else next(known, None)
        file.seek(0)
        if not start:
            raise BadInputError(f"“{path.name}” is empty (0 bytes); copy or download it again.")
        if factory is None:
            raise BadInputError(
                f"“{path.name}” is not an image that SegStudio reads; convert it to {_FORMATS}."
            )
        # The plugin, not Image.open: that one checks the process-wide pixel limit.
        return factory(file, str(path))
    except BadInputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, "its header says so", DEFAULT_MAX_PIXELS) from error
    except Exception as error:
        raise damaged(path) from error


def damaged(path: Path) -> BadInputError:
    """What to raise for a file whose decoder gave up."""
    return BadInputError(
        f"“{path.name}” is damaged or cut short; copy or download it again, or save it anew as PNG."
    )


def size_and_orientation(image: ImageFile.ImageFile) -> tuple[tuple[int, int], int]:
    """(H, W) once upright, and the EXIF orientation (1 to 8) that is still to be applied."""
    orientation = _exif_orientation(image)
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Pillow turns TIFF by itself while loading, and only sometimes says so in `size`.
        width, height = (int(image.tag_v2[tag]) for tag in (256, 257))
    turned = orientation >= 5
    return (width, height) if turned else (height, width), orientation


def _exif_orientation(image: ImageFile.ImageFile) -> int:
    try:
        if isinstance(image, PngImagePlugin.PngImageFile) and "exif" not in image.info:
            late = _late_png_exif(image)
            if late is not None:
                image.info["exif"] = late
        # Not PngImageFile's own getexif, which decodes the whole image first.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _late_png_exif(image: ImageFile.ImageFile) -> bytes | None:
    """The eXIf chunk if it stands after the pixels, as the PNG specification allows."""
    file = image.fp
    if file is None:
        return None
    back = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return bytes(file.read(length))
            file.seek(length + 4, 1)
        return None
    finally:
        file.seek(back)


def decoded(path: Path, image: ImageFile.ImageFile, orientation: int) -> Rgb8:
    """(H, W, 3) uint8, upright, of the whole image; see `read_image`."""
    try:
        image.load()
        upright: Image.Image = image
        if orientation > 1 and not isinstance(image, TiffImagePlugin.TiffImageFile):
            upright = image.transpose(_TRANSPOSE[orientation])
            upright.info = image.info
        return to_rgb(upright)
    except MemoryError as error:
        raise BadInputError(
            f"“{path.name}” does not fit into memory; close other programs or scale it down."
        ) from error
    except Exception as error:  # decoders of hostile bytes raise whatever they like
        raise damaged(path) from error

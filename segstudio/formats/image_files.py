"""Bringing image files into an export: untouched where they can be, upright always."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, Rgb8
from segstudio.core.project_view import ProjectView
from segstudio.imaging.photo import open_image
from segstudio.imaging.read import IMAGE_SUFFIXES, read_image, read_orientation, read_size

JPEG_QUALITY = 95
_JPEG_START = b"\xff\xd8\xff"
_LOSSLESS = {".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}


def copied_name(stem: str, image: ImageRecord) -> str:
    """The file name that `copy_upright` gives: `stem` with the source's suffix in lower case."""
    suffix = PurePosixPath(image.path).suffix.lower()
    return stem + (suffix if suffix in IMAGE_SUFFIXES else "")


def copy_upright(view: ProjectView, image: ImageRecord, target: Path) -> None:
    """Copy byte for byte; where EXIF turns the image, write it turned.

    Readers disagree on whether to apply EXIF, and masks belong to the upright image. A turned
    JPEG is written anew at quality 95, any other turned file losslessly (in its own format if
    that is WebP, TIFF or BMP, else as PNG), as 8-bit RGB.

    Raises BadInputError if the file is missing, damaged or no longer of the recorded size.
    """
    source = _checked(view, image)
    if read_orientation(source) == 1:
        shutil.copyfile(source, target)
    elif _is_jpeg(source):
        _save(source, target, "JPEG")
    else:
        _save(source, target, _LOSSLESS.get(target.suffix, "PNG"))


def copy_as_jpeg(view: ProjectView, image: ImageRecord, target: Path) -> None:
    """Copy a JPEG that EXIF does not turn byte for byte; write anything else as JPEG.

    Written anew means upright, 8-bit RGB, quality 95, chroma at full resolution, no metadata.
    Raises BadInputError as `copy_upright`.
    """
    source = _checked(view, image)
    if _is_jpeg(source) and read_orientation(source) == 1:
        shutil.copyfile(source, target)
    else:
        _save(source, target, "JPEG")


def upright_pixels(view: ProjectView, image: ImageRecord) -> Rgb8:
    """(H, W, 3) uint8 RGB of the image, as masks lie on it. Raises BadInputError as above."""
    return open_image(_checked(view, image), cache_dir() / "pixels").pixels


def _save(source: Path, target: Path, kind: str) -> None:
    """Encode in memory first, so that a full disk speaks for itself and not as the encoder."""
    data = BytesIO()
    pixels = Image.fromarray(read_image(source).pixels)
    if kind == "JPEG":
        pixels.save(data, format=kind, quality=JPEG_QUALITY, subsampling=0)
    elif kind == "WEBP":
        pixels.save(data, format=kind, lossless=True)
    else:
        pixels.save(data, format=kind)
    target.write_bytes(data.getbuffer())


def _is_jpeg(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(len(_JPEG_START)) == _JPEG_START


def _checked(view: ProjectView, image: ImageRecord) -> Path:
    source = view.image_path(image)
    size = read_size(source)
    if size != image.size:
        raise BadInputError(
            f"“{image.path}” is {size[1]} x {size[0]} pixels now and was {image.width} x "
            f"{image.height} when it was labelled; put the old file back."
        )
    return source

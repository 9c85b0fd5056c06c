"""A photo ready to be shown and worked on, whatever its size.

Up to 50 megapixels it is in memory. Above that its pixels go through memory row by row into a file
that has no name, and are mapped from there: the process holds what is looked at and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segstudio.core.image import PixelDigest, Rgb8, RgbImage
from segstudio.core.mapped import bands, trim_heap
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.imaging.pixel_file import PixelFile
from segstudio.imaging.pyramid import Pyramid
from segstudio.imaging.read import (
    DEFAULT_MAX_PIXELS,
    LARGE,
    damaged,
    decoded,
    opened,
    size_and_orientation,
)
from segstudio.imaging.streamed import RowStream, StreamError, open_rows

_TURN_BYTES = 64 << 20  # of a photo on its side that are read at once

Turn = Callable[[Rgb8], Rgb8]

# Views of the stored pixels, by EXIF orientation.
_UPRIGHT: dict[int, Turn] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
}


@dataclass(frozen=True, eq=False)
class Photo:
    """An image's pixels, and the same at every half of its size."""

    image: RgbImage
    pyramid: Pyramid


def open_photo(
    path: Path,
    folder: Path,
    *,
    large: int = LARGE,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    cancel: CancelToken | None = None,
    report: ProgressSink = ignore_progress,
) -> Photo:
    """Read `path` as `read_image` does; more than `large` pixels go into a file in `folder`.

    That takes four bytes of disk a pixel (twice as many for a moment if the photo lies on its
    side), gives them back by itself with the last array over them, and leaves nothing in `folder`.
    Raises BadInputError for whatever cannot be read, StorageError if the disk has no room, and
    Cancelled.
    """
    token = cancel or CancelToken()
    with opened(path, max_pixels) as image:
        size, orientation = size_and_orientation(image)
        if size[0] * size[1] <= large:
            whole = RgbImage(decoded(path, image, orientation))
            token.check()
            return Photo(whole, Pyramid.of(whole))
        told = _Told(path, size[0], token, report)
        try:
            stored = open_rows(image)
            if stored is None:
                return _written(decoded(path, image, orientation), folder, told)
            if orientation == 1:
                return _filled(stored.rgb_rows(), size, folder, told)
            return _written(_turned(stored, orientation, folder, told), folder, told)
        except StreamError as error:
            raise damaged(path) from error
        finally:
            trim_heap()


def open_image(
    path: Path, folder: Path, *, large: int = LARGE, cancel: CancelToken | None = None
) -> RgbImage:
    """The photo's pixels alone; see `open_photo`."""
    return open_photo(path, folder, large=large, cancel=cancel).image


class _Told:
    """Looks at the token and tells the progress, row by row."""

    def __init__(self, path: Path, height: int, cancel: CancelToken, report: ProgressSink) -> None:
        self._text, self._height = f"Reading {path.name}", height
        self._cancel, self._report = cancel, report

    def at(self, row: int) -> None:
        self._cancel.check()
        self._report(Progress(row, self._height, self._text))

    def check(self) -> None:
        self._cancel.check()


def _filled(rows: Iterator[Rgb8], size: tuple[int, int], folder: Path, told: _Told) -> Photo:
    digest, done = PixelDigest(size), 0
    with PixelFile(folder, size) as file:
        for band in rows:
            file.add(band)
            digest.add(band)
            done += len(band)
            told.at(done)
        levels = file.levels()
    return Photo(RgbImage.named(levels[0], digest.key), Pyramid(size, levels))


def _written(pixels: Rgb8, folder: Path, told: _Told) -> Photo:
    """Pixels in memory, or a view of a file, as a file of their own."""
    height, width = pixels.shape[:2]
    rows = (np.ascontiguousarray(band) for _, band in bands(pixels, most_bytes=_TURN_BYTES))
    return _filled(rows, (height, width), folder, told)


def _turned(stored: RowStream, orientation: int, folder: Path, told: _Told) -> Rgb8:
    """The stored pixels upright, as a view of a file that goes with it."""
    with PixelFile(folder, stored.size, halves=False) as file:
        for band in stored.rgb_rows():
            told.check()
            file.add(band)
        return _UPRIGHT[orientation](file.levels()[0])

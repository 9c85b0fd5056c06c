"""Label maps of superpixels: memory first, then disk, else made."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from enum import StrEnum
from pathlib import Path

import numpy as np

from segstudio.core.image import Rgb8, RgbImage
from segstudio.core.mapped import mapping_of, trim_heap
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.cache_folder import CacheFolder
from segstudio.engine.superpixel_file import DamagedFile, from_bytes, to_bytes
from segstudio.engine.superpixel_map import SuperpixelMap
from segstudio.imaging.shrink import block_means
from segstudio.imaging.superpixels import slic

_SUFFIX = ".spx"
_FOLDER = "slic-1"  # another number whenever the superpixels of an image change
_LARGEST = 24_000_000  # pixels; a larger image is made smaller by a whole number first


class Scale(StrEnum):
    """How large superpixels are: so many for an image, about, but none smaller than a hand sees."""

    FINE = "fine"
    MEDIUM = "medium"
    COARSE = "coarse"

    def segments(self, size: tuple[int, int]) -> int:
        """How many superpixels an image of `size` (H, W) is asked for."""
        most, least_side = _SIZES[self]
        return max(1, min(most, size[0] * size[1] // least_side**2))


_SIZES = {Scale.FINE: (6000, 8), Scale.MEDIUM: (1500, 16), Scale.COARSE: (400, 32)}


class SuperpixelCache:
    """Maps by image and scale. Every method may be called from any thread; none from the GUI's.

    Memory holds the last used ones up to `memory_bytes`, disk `folder` up to about `disk_bytes`.
    Without a folder, or when it cannot be written, it works in memory alone.
    """

    def __init__(self, folder: Path | None, memory_bytes: int, disk_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._memory: OrderedDict[tuple[str, Scale], SuperpixelMap] = OrderedDict()
        self._lock = threading.Lock()
        wanted = folder if disk_bytes > 0 else None
        self._disk = CacheFolder(wanted, disk_bytes, _SUFFIX) if wanted is not None else None

    def map(
        self,
        image: RgbImage,
        scale: Scale,
        cancel: CancelToken | None = None,
        report: ProgressSink = ignore_progress,
    ) -> SuperpixelMap:
        """The superpixels of `image`, from memory, from disk, or made now.

        Raises Cancelled within about a tenth of a second when `cancel` is set.
        """
        token = cancel or CancelToken()
        report(Progress(0, 0, "Finding superpixels"))
        key = image.key, scale
        token.check()
        with self._lock:
            found = self._memory.get(key)
            if found is not None:
                self._memory.move_to_end(key)
                return found
        made = self._read(image, scale)
        if made is None:
            made = find_superpixels(image.pixels, scale.segments(image.size), token)
            self._write(image, scale, made)
            if mapping_of(image.pixels) is not None:
                trim_heap()
        token.check()
        _ = made.boxes  # now, as a hand will ask for it on the GUI thread
        self._remember(key, made)
        return made

    def _remember(self, key: tuple[str, Scale], made: SuperpixelMap) -> None:
        with self._lock:
            self._memory[key] = made
            self._memory.move_to_end(key)
            used = sum(one.nbytes for one in self._memory.values())
            while used > self._memory_bytes and len(self._memory) > 1:
                used -= self._memory.popitem(last=False)[1].nbytes

    def _read(self, image: RgbImage, scale: Scale) -> SuperpixelMap | None:
        disk = self._disk  # another thread may give it up meanwhile
        if disk is None:
            return None
        path = disk.path(_FOLDER, image.key, f"-{scale}")
        data = disk.read(path)
        if data is None:
            return None
        try:
            read = from_bytes(data)
        except DamagedFile:
            read = None
        if read is None or read.size != image.size:
            disk.drop(path)
            return None
        return read

    def _write(self, image: RgbImage, scale: Scale, made: SuperpixelMap) -> None:
        disk = self._disk
        if disk is None:
            return
        try:
            disk.write(disk.path(_FOLDER, image.key, f"-{scale}"), to_bytes(made))
        except OSError:  # a full or read-only disk: the next run makes it again
            self._disk = None


def find_superpixels(pixels: Rgb8, segments: int, cancel: CancelToken) -> SuperpixelMap:
    """About `segments` superpixels of an (H, W, 3) uint8 RGB image.

    Raises Cancelled.
    """
    height, width = pixels.shape[:2]
    step = max(1, math.ceil(math.sqrt(height * width / _LARGEST)))
    small = block_means(pixels, step, cancel) if step > 1 else pixels
    labels = slic(small, segments, cancel=cancel)
    wide = np.uint16 if int(labels.max()) < 1 << 16 else np.uint32
    return SuperpixelMap(labels.astype(wide), (height, width), step)

"""Thumbnails made off the GUI thread, for what is in sight only, kept in memory and on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from shiboken6 import isValid

from segstudio.core.image import ImageRecord, Rgb8
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.jobs import Job, JobRunner, Lane

SIDE = 128  # px; shown at 48, so sharp at 200 %
IN_MEMORY = 1000  # thumbnails; 64 KB each
_PRIORITY = 5  # after what was asked for, before what is only prefetched


class Thumbnails(QObject):
    """Lives on the GUI thread; `thumbnail_of` and the files are used on the io lane.

    `folder` holds JPEG files named by the image file's SHA-256; None: memory only.
    """

    arrived = Signal()

    def __init__(
        self,
        runner: JobRunner,
        thumbnail_of: Callable[[ImageRecord], Rgb8],
        folder: Path | None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner, self._thumbnail_of, self._folder = runner, thumbnail_of, folder
        self._pixmaps: OrderedDict[str, QPixmap] = OrderedDict()
        self._jobs: dict[str, Job[QImage]] = {}
        self._failed: set[str] = set()

    def get(self, record: ImageRecord) -> QPixmap | None:
        """The thumbnail if it is in memory; asks for nothing."""
        key = _key(record)
        pixmap = self._pixmaps.get(key)
        if pixmap is not None:
            self._pixmaps.move_to_end(key)
        return pixmap

    def failed(self, record: ImageRecord) -> bool:
        """Whether the image could not be read."""
        return _key(record) in self._failed

    def waiting(self) -> int:
        """How many are being made or queued."""
        return len(self._jobs)

    def want(self, records: Iterable[ImageRecord]) -> None:
        """Make the missing ones of `records`, in that order, and no others any more."""
        wanted = {_key(record): record for record in records}
        for key in [key for key in self._jobs if key not in wanted]:
            self._jobs.pop(key).cancel()
        for key, record in wanted.items():
            if key not in self._pixmaps and key not in self._jobs and key not in self._failed:
                self._jobs[key] = self._runner.submit(
                    Lane.IO,
                    self.tr("making thumbnails"),
                    partial(self._make, record),
                    on_done=partial(self._keep, key),
                    on_error=partial(self._give_up, key),
                    key=f"thumbnail:{key}",
                    priority=_PRIORITY,
                )

    def forget_failures(self) -> None:
        """Try unreadable images again when they are next in sight."""
        self._failed.clear()

    def _make(self, record: ImageRecord, cancel: CancelToken, _: ProgressSink) -> QImage:
        """On the io lane."""
        cancel.check()
        file = self._file(record)
        if file is not None:
            stored = QImage(str(file))
            if not stored.isNull():
                return stored
        image = _small_image(self._thumbnail_of(record))
        cancel.check()
        if file is not None:
            _write(image, file)
        return image

    def _file(self, record: ImageRecord) -> Path | None:
        if self._folder is None or not record.sha256:
            return None
        # Hashed again: a project file may come from anywhere, and its text must not become a path.
        name = hashlib.sha256(record.sha256.encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.jpg"

    def _keep(self, key: str, image: QImage) -> None:
        self._jobs.pop(key, None)
        self._pixmaps[key] = QPixmap.fromImage(image)
        while len(self._pixmaps) > IN_MEMORY:
            self._pixmaps.popitem(last=False)
        self._tell()

    def _give_up(self, key: str, _: Exception) -> None:
        self._jobs.pop(key, None)
        self._failed.add(key)
        self._tell()

    def _tell(self) -> None:
        if isValid(self):  # the window may be gone while a job was on its way
            self.arrived.emit()


def _key(record: ImageRecord) -> str:
    return record.sha256 or f"{record.id}:{record.path}"


def _small_image(pixels: Rgb8) -> QImage:
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    size = QSize(width, height)
    if max(width, height) > SIDE:
        size.scale(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio)
        size = size.expandedTo(QSize(1, 1))
    # A copy of its own in every case: `pixels` goes away with the caller.
    return image.scaled(
        size,
        Qt.AspectRatioMode.IgnoreAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    ).convertToFormat(QImage.Format.Format_RGB32)


def _write(image: QImage, file: Path) -> None:
    """Whole or not at all. A cache that cannot be written is no reason to show nothing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".jpg", dir=file.parent)
    except OSError:
        return
    os.close(handle)
    temporary = Path(name)
    try:
        if image.save(str(temporary), "JPG", 85):  # type: ignore[call-overload]
            temporary.replace(file)
    except OSError:
        pass
    finally:
        temporary.unlink(missing_ok=True)

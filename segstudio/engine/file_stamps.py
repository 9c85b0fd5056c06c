"""Whether an image's file is still the one that was labelled, mostly without reading it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.engine.folder_scan import file_stamp
from segstudio.engine.folder_sync import STAMPS
from segstudio.imaging.read import file_sha256
from segstudio.store.reading import ProjectReading


class FileWatch:
    """Compares files with what the project knows of them.

    Size and time tell for a file that the project has seen as it is; others are read.
    """

    def __init__(self, store: ProjectReading) -> None:
        self._store = store
        self._stamps: Mapping[str, Any] = store.setting(STAMPS, {})

    def changed(self, image: ImageRecord) -> bool:
        """Whether the file has other bytes than the project says; a missing one has."""
        path = self._store.image_path(image)
        stamp = file_stamp(path)
        if stamp is None:
            return True
        if self._stamps.get(image.path) == stamp or not image.sha256:
            return False
        try:
            return file_sha256(path) != image.sha256
        except BadInputError:
            return True

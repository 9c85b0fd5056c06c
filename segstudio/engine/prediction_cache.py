"""Semantic predictions on disk. The cache makes work faster and never fails it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from segstudio.core.prediction import ModelCategory, SemanticPrediction
from segstudio.engine.cache_folder import CacheFolder, check_keys
from segstudio.engine.prediction_file import (
    DamagedFile,
    from_bytes,
    read_categories,
    to_bytes,
)

_SUFFIX = ".seg"
_IMAGE_KEY = re.compile(r"[0-9a-f]{8,128}")
_SETTINGS_KEY = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True)
class CachedPredictions:
    """Predictions of one model with one set of settings: how many there are, and the key of an
    image that has one. They may be of any project's images."""

    model_key: str
    settings_key: str
    count: int
    image_key: str


class PredictionCache:
    """Predictions by image key (`RgbImage.key`), model key and settings key.

    They lie in `folder/MODEL_KEY/ab/abcdef...-SETTINGS.seg`, up to about `disk_bytes`; several
    processes may share the folder. Without a folder, or when it cannot be written, nothing is kept,
    and `warning` is a sentence that says so. Damaged, cut off and foreign files are deleted and
    count as missing. Every method may be called from any thread, and raises ValueError for keys
    that cannot be file names.
    """

    def __init__(self, folder: Path | None, disk_bytes: int) -> None:
        wanted = folder if disk_bytes > 0 else None
        self._disk = CacheFolder(wanted, disk_bytes, _SUFFIX) if wanted is not None else None
        self.warning: str | None = None

    def get(self, image_key: str, model_key: str, settings_key: str) -> SemanticPrediction | None:
        """The prediction, or None."""
        path = self._path(image_key, model_key, settings_key)
        data = self._disk.read(path) if self._disk is not None and path is not None else None
        if data is None or path is None or self._disk is None:
            return None
        try:
            found_for, found = from_bytes(data)
            keys = found_for, found.model_key, found.settings_key
            if keys != (image_key, model_key, settings_key):
                raise DamagedFile
        except DamagedFile:
            self._disk.drop(path)
            return None
        return found

    def categories(
        self, image_key: str, model_key: str, settings_key: str
    ) -> tuple[ModelCategory, ...] | None:
        """The categories of a prediction, or None; reads the beginning of its file alone."""
        path = self._path(image_key, model_key, settings_key)
        if path is None or self._disk is None:
            return None
        try:
            with path.open("rb") as file:
                return read_categories(file)
        except DamagedFile:
            self._disk.drop(path)
            return None
        except OSError:
            return None

    def kinds(self) -> list[CachedPredictions]:
        """What is there by model and settings, by their keys; lists every file."""
        found: dict[tuple[str, str], tuple[int, str]] = {}
        files = self._disk.folder.glob(f"*/??/*{_SUFFIX}") if self._disk is not None else ()
        for path in files:
            image_key, _, settings_key = path.stem.rpartition("-")
            if _IMAGE_KEY.fullmatch(image_key) and _SETTINGS_KEY.fullmatch(settings_key):
                kind = path.parents[1].name, settings_key
                found[kind] = found.get(kind, (0, ""))[0] + 1, image_key
        return [CachedPredictions(*kind, *found[kind]) for kind in sorted(found)]

    def has(self, image_key: str, model_key: str, settings_key: str) -> bool:
        """Whether there is a file; a look that reads none."""
        path = self._path(image_key, model_key, settings_key)
        return path is not None and path.is_file()

    def put(self, image_key: str, settings_key: str, prediction: SemanticPrediction) -> None:
        """Keep a prediction that was made with the settings of that key."""
        path = self._path(image_key, prediction.model_key, settings_key)
        if path is None or self._disk is None:
            return
        kept = replace(prediction, settings_key=settings_key)
        try:
            self._disk.write(path, to_bytes(image_key, kept))
            self.warning = None
        except OSError as error:
            why = error.strerror or str(error)
            self.warning = (
                f"Predictions are not kept, as {self._disk.folder} cannot be written "
                f"({why}); free some space or choose another cache folder."
            )

    def _path(self, image_key: str, model_key: str, settings_key: str) -> Path | None:
        check_keys(model_key, image_key)
        if not _SETTINGS_KEY.fullmatch(settings_key):
            raise ValueError(f"not a key of settings: {settings_key!r}")
        if self._disk is None:
            return None
        return self._disk.path(model_key, image_key, f"-{settings_key}")

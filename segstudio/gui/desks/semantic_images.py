"""Predicting many images, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from segstudio.config.paths import cache_dir
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.job import Job
from segstudio.engine.jobs import Lane
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.semantic_slot import SemanticSlot, predict_image
from segstudio.gui.semantic_words import images_in_words
from segstudio.gui.workspace import Workspace
from segstudio.imaging.photo import open_image
from segstudio.models.semantic.contract import PredictSettings

BEHIND = 10  # images of a batch wait for prompts and for the open image


class ImagesInTurn(QObject):
    """One job an image: prompts and the open image come between them.

    `predicted` is told of each image; what it says lies in the cache.
    """

    changed = Signal()  # it began, went on, ended
    predicted = Signal(int)
    model_failed = Signal()  # it cannot be loaded, and no image can be predicted

    def __init__(self, workspace: Workspace, cache: PredictionCache) -> None:
        super().__init__()
        self._workspace, self._cache = workspace, cache
        self._slot: SemanticSlot | None = None
        self._settings = PredictSettings()
        self._waiting: list[int] = []
        self._total = self._done = 0
        self._failures: list[str] = []
        self.job: Job[None] | None = None

    @property
    def running(self) -> bool:
        return self.job is not None

    @property
    def progress(self) -> Progress:
        """In images."""
        return Progress(self._done, self._total, self._workspace.tr("Images"))

    def start(
        self, slot: SemanticSlot, image_ids: Sequence[int], settings: PredictSettings
    ) -> None:
        self._slot, self._settings = slot, settings
        self._waiting, self._total, self._done = list(image_ids), len(image_ids), 0
        self._failures = []
        self._next()

    def cancel(self) -> None:
        """Stop; what was predicted is kept."""
        self._waiting.clear()
        if self.job is not None:
            self.job.cancel()

    def _next(self) -> None:
        images = self._workspace.images
        self._waiting = [id_ for id_ in self._waiting if id_ in images]
        slot, store = self._slot, self._workspace.store
        if slot is None or store is None or not self._waiting:
            self._tell_end()
            return
        record = images[self._waiting.pop(0)]
        path, settings, cache = store.image_path(record), self._settings, self._cache
        asked = threading.Event()

        def work(cancel: CancelToken, report: ProgressSink) -> None:
            image = open_image(path, cache_dir() / "pixels", cancel=cancel)
            asked.set()
            predict_image(slot, image, settings, cache, report, cancel)

        def done(_: None) -> None:
            self._done += 1
            self.predicted.emit(record.id)
            self._next()

        self.job = self._workspace.runner.submit(
            Lane.DEVICE,
            self.tr("predicting {}").format(record.path),
            work,
            on_done=done,
            on_error=lambda error: self._failed(
                record, error, of_model=asked.is_set() and slot.model is None
            ),
            on_cancelled=self._stopped,
            priority=BEHIND,
            visible=True,
        )
        self.changed.emit()

    def _failed(self, record: ImageRecord, error: Exception, *, of_model: bool) -> None:
        self._done += 1
        self._failures.append(f"{record.path}: {error}")
        if of_model:  # every other image would fail as well
            self._end()
            self._workspace.tell_error(error)
            self.model_failed.emit()
        else:
            self._next()

    def _stopped(self) -> None:
        done = self._done
        self._end()
        if done:
            told = self.tr("Stopped; what was predicted is kept: {}.")
            self._workspace.tell(told.format(images_in_words(done - len(self._failures))))

    def _tell_end(self) -> None:
        done, failures = self._done, self._failures
        self._end()
        told = self.tr("{} predicted.").format(images_in_words(done - len(failures)))
        if failures:
            told += " " + self.tr("{} passed over.").format(images_in_words(len(failures)))
        if done:
            self._workspace.tell(self._cache.warning or told, "\n".join(failures))

    def _end(self) -> None:
        self.job = None
        self._waiting.clear()
        self.changed.emit()

"""The semantic desk: asking the model, for the open image and for many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal

from segstudio.core.image import ImageState
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.job import Job, JobState
from segstudio.engine.jobs import Lane
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.semantic_slot import SemanticSlot, predict_image
from segstudio.gui.canvas.label_map_levels import LabelMapLevels
from segstudio.gui.desks.semantic_images import ImagesInTurn
from segstudio.gui.desks.semantic_models import SemanticModelDesk
from segstudio.gui.desks.semantic_view import SemanticViewDesk
from segstudio.gui.workspace import Workspace
from segstudio.models.semantic.contract import PredictSettings

LOOK_KEY = "look-for-prediction"


class SemanticDesk(QObject):
    """What the actions on semantic models call."""

    ready_changed = Signal()  # whether there is an image and a model to ask
    running_changed = Signal()
    known_changed = Signal()
    settings_changed = Signal()  # how the model is asked is another
    begun = Signal()  # its panel should be seen

    def __init__(
        self,
        workspace: Workspace,
        models: SemanticModelDesk,
        view: SemanticViewDesk,
        cache: PredictionCache,
    ) -> None:
        super().__init__()
        self._workspace, self.models, self.view = workspace, models, view
        self.cache = cache
        self.settings = PredictSettings()
        self.selected: Callable[[], Sequence[int]] = lambda: ()  # image ids; the gallery knows
        self.known: set[int] = set()  # ids of images that the model, asked so, has predicted
        self._in_turn = ImagesInTurn(workspace, cache)
        self._job: Job[LabelMapLevels] | None = None
        self._in_turn.changed.connect(self.running_changed)
        self._in_turn.predicted.connect(lambda image_id: self.note([image_id]))
        self._in_turn.model_failed.connect(models.look)
        workspace.image_changed.connect(self._look)
        models.model_changed.connect(self._follow_model)
        view.kept.read.connect(self._follow_model)  # of another project

    # -- how things stand -----------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self._workspace.pixels is not None and self.models.slot is not None

    @property
    def why_not(self) -> str:
        """What is missing before Predict can be pressed."""
        row = self.models.current
        if self._workspace.store is None:
            return self.tr("Open a folder of images first.")
        if row is None:
            return self.tr("There is no model yet: train one on your own labels.")
        if not row.here:
            return self.tr("Get the weights of {} first.").format(row.card.title)
        return "" if self._workspace.pixels is not None else self.tr("No image is open.")

    @property
    def running(self) -> bool:
        return self._job is not None or self._in_turn.running

    @property
    def progress(self) -> Progress | None:
        """Of the image that is being predicted; of the images, where there are several."""
        if self._in_turn.running:
            return self._in_turn.progress
        return self._job.progress if self._job is not None else None

    @property
    def stopping(self) -> bool:
        """Whether what runs was told to stop, and has not seen it yet."""
        jobs = self._job, self._in_turn.job
        return any(job is not None and job.state is JobState.CANCELLED for job in jobs)

    def is_of(self, job: Job[Any]) -> bool:
        """Whether that job is the one that predicts now."""
        return job is self._job or job is self._in_turn.job

    @property
    def unlabelled(self) -> list[int]:
        """Images without annotations, rejected ones aside."""
        counts, images = self._workspace.image_counts, self._workspace.images.values()
        return [one.id for one in images if not counts[one.id] and one.state != ImageState.REJECTED]

    # -- predicting -----------------------------------------------------------------------------

    def predict(self) -> None:
        """Predict the open image; where it was predicted before, that is shown."""
        slot = self._may_begin()
        session, pixels = self._workspace.session, self._workspace.pixels
        if slot is None or session is None or pixels is None:
            return
        image_id, settings, cache = session.image.id, self.settings, self.cache

        def work(cancel: CancelToken, report: ProgressSink) -> LabelMapLevels:
            made = predict_image(slot, pixels, settings, cache, report, cancel)
            return LabelMapLevels.of(made, cancel)

        def done(levels: LabelMapLevels) -> None:
            self._end()
            if cache.warning:
                self._workspace.tell(cache.warning)
            if slot is self.models.slot and settings == self.settings:
                self.known.add(image_id)
                self.known_changed.emit()
                if pixels is self._workspace.pixels:
                    self.view.show(levels)

        def failed(error: Exception) -> None:
            self._end()
            self._workspace.tell_error(error)
            if slot.model is None:
                self.models.look()  # its weights may have gone

        self._job = self._workspace.runner.submit(
            Lane.DEVICE,
            self.tr("predicting {}").format(session.image.path),
            work,
            on_done=done,
            on_error=failed,
            on_cancelled=self._end,
            visible=True,
        )
        self.running_changed.emit()

    def predict_selection(self) -> None:
        """Predict the images that are selected in the gallery."""
        self._predict_many(self.selected(), self.tr("No image is selected in the gallery."))

    def predict_unlabelled(self) -> None:
        """Predict every image without annotations."""
        self._predict_many(self.unlabelled, self.tr("Every image is labelled."))

    def predict_all(self) -> None:
        """Predict every image of the project."""
        self._predict_many(list(self._workspace.images), self.tr("There is no image."))

    def _predict_many(self, image_ids: Sequence[int], none: str) -> None:
        slot = self._may_begin(without_image=True)
        if slot is None:
            return
        if image_ids:
            self._in_turn.start(slot, image_ids, self.settings)
        else:
            self._workspace.tell(none)

    def _may_begin(self, *, without_image: bool = False) -> SemanticSlot | None:
        """The model to ask; None, and a sentence why, where it cannot be."""
        self.begun.emit()
        slot = self.models.slot
        if self.stopping:
            told = self.tr("The last prediction is still stopping; press Predict in a moment.")
            self._workspace.tell(told)
        elif self.running:
            self._workspace.tell(self.tr("A prediction is under way; stop it first."))
        elif slot is None or not (without_image or self.ready):
            self._workspace.tell(self.why_not)
        else:
            return slot
        return None

    def cancel(self) -> None:
        """Stop as soon as can be, and say at once that it will; what was predicted is kept."""
        self._in_turn.cancel()
        if self._job is not None:
            self._job.cancel()
        if self.running:
            self.running_changed.emit()

    def _end(self) -> None:
        self._job = None
        self.running_changed.emit()

    def use_settings(self, settings: PredictSettings) -> None:
        """Ask the model so from now on; what it said when asked otherwise is put away."""
        if settings != self.settings:
            self.view.kept.keep_asked(self.models.chosen, settings)
            self._follow_model()

    # -- what was predicted before --------------------------------------------------------------

    def note(self, image_ids: Iterable[int]) -> None:
        """These were predicted by the chosen model, asked as it is asked now."""
        self.known.update(image_ids)
        self.known_changed.emit()
        session = self._workspace.session
        if self.view.levels is None and session is not None and session.image.id in self.known:
            self._look()

    def _look(self) -> None:
        """Show what is kept of the open image, if the chosen model was asked so before."""
        self._workspace.runner.cancel_key(LOOK_KEY)
        self.view.show(None)
        self.ready_changed.emit()
        pixels, slot, session = self._workspace.pixels, self.models.slot, self._workspace.session
        if pixels is None or slot is None or session is None or not slot.model_key:
            return
        settings, cache, key = self.settings, self.cache, slot.model_key

        def work(cancel: CancelToken, _: ProgressSink) -> LabelMapLevels | None:
            found = cache.get(pixels.key, key, settings.key)
            return LabelMapLevels.of(found, cancel) if found is not None else None

        def done(levels: LabelMapLevels | None) -> None:
            if levels is not None and pixels is self._workspace.pixels:
                self.known.add(session.image.id)
                self.known_changed.emit()
                self.view.show(levels)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for a prediction"),
            work,
            on_done=done,
            on_error=self._workspace.tell_error,
            key=LOOK_KEY,
        )

    def _follow_model(self) -> None:
        """Another model, another project, or another question: as it was left last."""
        self.cancel()
        self.settings = self.view.kept.asked(self.models.chosen)
        self.settings_changed.emit()
        self.view.follow_model(self.models.chosen)
        self.known.clear()
        self.known_changed.emit()
        self._look()

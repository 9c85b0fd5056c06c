"""The quality desk: which label sets there are, comparing two, and the way to what differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QBuffer, QIODevice, QObject, QTimer, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.whole_files import disk_error, put
from segstudio.engine.evaluation import EvaluationOptions, evaluate
from segstudio.engine.evaluation_scores import Evaluation
from segstudio.engine.job import Callbacks, Job
from segstudio.engine.jobs import Lane
from segstudio.engine.label_map_folder import LabelMapFolder
from segstudio.engine.label_set import LabelSet
from segstudio.engine.label_sets import label_sets
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.desks.jump import JumpDesk
from segstudio.gui.desks.runs import submit
from segstudio.gui.dialogs.report_table import Finding
from segstudio.gui.quality_sets import titled
from segstudio.gui.quality_words import image_rows
from segstudio.gui.workspace import Workspace

SHOWN_MS = 4000  # the frame around a place goes after that


class QualityDesk(QObject):
    """What the quality actions and the quality panel call."""

    shown_wanted = Signal()
    sets_changed = Signal(list)  # of LabelSet
    chosen = Signal(int, str)  # 0: the first set, 1: the truth; its key
    begun = Signal()
    ended = Signal()
    compared = Signal(object, object)  # Evaluation, and its images as rows of a table

    def __init__(
        self,
        workspace: Workspace,
        jump: JumpDesk,
        canvas: Canvas,
        window: QWidget,
        predictions: PredictionCache,
    ) -> None:
        super().__init__(window)
        self._predictions = predictions
        self._workspace, self._jump, self._canvas = workspace, jump, canvas
        self._window = window
        self._folders: list[LabelMapFolder] = []
        self._found: list[LabelSet] = []
        self._waiting: tuple[str, Box] | None = None  # until that image is open
        self._marked = ""  # the image that has a frame now
        self._job: Job[tuple[Evaluation, list[Finding]]] | None = None
        self._forget = QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.setInterval(SHOWN_MS)
        self._forget.timeout.connect(lambda: self._mark(None) if self._marked else None)
        workspace.project_changed.connect(self._follow_project)

    def _follow_project(self) -> None:
        if self._job is not None:  # its images are those of the other project
            self._job.cancel()
        self._found, self._waiting = [], None
        self.sets_changed.emit(list(self._folders))
        self.refresh()

    # -- choosing -------------------------------------------------------------------------------

    def show(self) -> None:
        """Bring the panel up, with the sets as they are now."""
        self.shown_wanted.emit()
        self.refresh()

    def refresh(self) -> None:
        """Look which label sets the project has."""
        store = self._workspace.store
        if store is None:
            return

        def done(found: list[LabelSet]) -> None:
            if store is self._workspace.store:
                self._found = found
                self.sets_changed.emit([*found, *self._folders])

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for label sets"),
            lambda _c, _p: titled(label_sets(store, self._predictions)),
            on_done=done,
            on_error=self._workspace.tell_error,
            key="label-sets",
        )

    def choose_folder(self, place: int) -> None:
        """Ask for a folder of label maps, for the first set (0) or the truth (1)."""
        told = self.tr("Folder of label maps")
        folder = QFileDialog.getExistingDirectory(self._window, told)
        if folder:
            self.add_folder(Path(folder), place)

    def add_folder(self, folder: Path, place: int) -> None:
        """Let label maps of a folder be compared, too."""
        added = LabelMapFolder(folder)
        if added.key not in [one.key for one in self._folders]:
            self._folders.append(added)
        self.sets_changed.emit([*self._found, *self._folders])
        self.chosen.emit(place, added.key)

    # -- comparing ------------------------------------------------------------------------------

    def compare(self, first: LabelSet, truth: LabelSet, options: EvaluationOptions) -> None:
        """Compare two sets; edits that are under way come first."""

        images, store = dict(self._workspace.images), self._workspace.store

        def work(cancel: CancelToken, report: ProgressSink) -> tuple[Evaluation, list[Finding]]:
            result = evaluate(first, truth, options, report, cancel)
            return result, image_rows(result, images)

        def done(found: tuple[Evaluation, list[Finding]]) -> None:
            if store is self._workspace.store:
                self._workspace.tell(self.tr("Compared: {:,} images").format(len(found[1])))
                self.compared.emit(*found)
            self.ended.emit()

        def failed(error: Exception) -> None:
            self._workspace.tell_error(error)
            self.ended.emit()
            self.refresh()  # what is gone is not offered again

        def start(_: object = None) -> None:
            if store is not self._workspace.store:
                self.ended.emit()
                return
            answer = Callbacks(done, failed, self.ended.emit)
            self._job = submit(self._workspace, self.tr("comparing"), work, answer)

        self.begun.emit()
        runner, waiting = self._workspace.runner, self.tr("waiting for edits")
        runner.submit(Lane.STORE, waiting, lambda _c, _p: None, on_done=start)

    # -- going there ----------------------------------------------------------------------------

    def show_place(self, path: str, box: tuple[int, int, int, int] | None) -> None:
        """Open the image and show that part of it, in a frame for a while."""
        self._waiting = (path, Box(*box)) if box is not None else None
        session = self._workspace.session
        self._jump.jump_to(path)
        if session is not None and session.image.path == path:
            self.arrive()

    def arrive(self) -> None:
        """An image was opened: show the place, if it is on that one."""
        session, waiting = self._workspace.session, self._waiting
        here = session.image.path if session is not None else ""
        if self._marked not in {"", here}:  # the frame is not of this image
            self._mark(None)
        if waiting is None or here != waiting[0]:
            return
        self._waiting = None
        self._canvas.set_view(self._canvas.view.showing(waiting[1]))
        self._mark(waiting[1], here)
        self._forget.start()

    def _mark(self, box: Box | None, path: str = "") -> None:
        self._marked = path
        self._canvas.overlay.sought = box
        self._canvas.update()

    # -- saving ---------------------------------------------------------------------------------

    def save_csv(self, text: str, name: str = "confusion.csv") -> None:
        """Ask where, and write a table there; `name` is what it is called at first."""
        kinds = self.tr("Tables") + " (*.csv)"
        self._ask_and_write(name, kinds, lambda: text.encode("utf-8", "replace"))

    def save_picture(self, image: QImage, name: str) -> None:
        """Ask where, and write a picture there; `name` is what it is called at first."""
        self._ask_and_write(name, self.tr("Pictures") + " (*.png)", lambda: png(image))

    def save_drawn(self, drawn: Callable[[], npt.NDArray[np.uint8]], name: str) -> None:
        """Ask where, and write what `drawn` gives there: (H, W, 3) uint8 RGB."""

        def content() -> bytes:
            pixels = np.ascontiguousarray(drawn())
            height, width, _ = pixels.shape
            form = QImage.Format.Format_RGB888
            return png(QImage(pixels.data, width, height, 3 * width, form))

        self._ask_and_write(name, self.tr("Pictures") + " (*.png)", content)

    def _ask_and_write(self, name: str, kinds: str, content: Callable[[], bytes]) -> None:
        file, _ = QFileDialog.getSaveFileName(self._window, self.tr("Save as"), name, kinds)
        if file:
            target = Path(file)
            self.write(target if target.suffix else target.with_suffix(Path(name).suffix), content)

    def write(self, target: Path, content: Callable[[], bytes]) -> None:
        """Write a file, whole or not at all; `content` is made off the GUI's thread."""

        def work(_: CancelToken, __: ProgressSink) -> None:
            try:
                put(target, content())
            except OSError as error:
                raise disk_error(error, target, self.tr("Saving")) from error

        told = self.tr("Saved: {}").format(target)
        answer: Callbacks[None] = Callbacks(
            lambda _: self._workspace.tell(told), self._workspace.tell_error
        )
        submit(self._workspace, self.tr("saving"), work, answer)


def png(image: QImage) -> bytes:
    """The image as a PNG file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())

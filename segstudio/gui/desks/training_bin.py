"""Trainings that were deleted and can still be had back."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.jobs import Lane
from segstudio.engine.training_run import TrainingRun, TrainingRuns
from segstudio.gui.workspace import Workspace

UNDO_MS = 15_000  # as long as the sentence stands that offers it


class TrainingBin(QObject):
    """Files go when nobody wanted them back for a while, or when the bin is emptied."""

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._held: dict[str, tuple[TrainingRuns, TrainingRun]] = {}
        self._going: set[str] = set()  # are being deleted, and cannot be had back

    def __contains__(self, name: object) -> bool:
        return name in self._held or name in self._going

    def put(self, runs: TrainingRuns, run: TrainingRun) -> None:
        """Delete a run in a while; what was deleted before goes now, as its Undo is gone."""
        self.empty()
        self._held[run.name] = (runs, run)
        self._workspace.tell(self.tr("Deleted the training “{}”.").format(run.title))
        self._workspace.offer(self.tr("Undo"), lambda: self._spare(run.name))
        QTimer.singleShot(UNDO_MS, self, lambda: self.empty(run.name))
        self.changed.emit()

    def _spare(self, name: str) -> None:
        if self._held.pop(name, None) is not None:
            self.changed.emit()

    def empty(self, name: str = "") -> None:
        """Delete the files of that run ("": of all)."""
        gone = [pair for key, pair in self._held.items() if not name or key == name]
        if not gone:
            return
        names = {run.name for _runs, run in gone}
        self._going |= names
        for one in names:
            del self._held[one]

        def work(_: CancelToken, __: ProgressSink) -> None:
            for runs, run in gone:
                runs.delete(run)

        def done(_: object = None) -> None:
            self._going -= names
            self.changed.emit()

        def failed(error: Exception) -> None:
            done()
            self._workspace.tell_error(error)

        # On the store lane, which closing waits for.
        told = self.tr("deleting a training")
        self._workspace.runner.submit(Lane.STORE, told, work, on_done=done, on_error=failed)

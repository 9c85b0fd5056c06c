"""The export desk: what an export would lose, the export itself, and where its findings are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.export_run import export, losses
from segstudio.engine.job import Job
from segstudio.engine.jobs import Lane
from segstudio.formats.contract import ExportReport, Losses
from segstudio.gui.workspace import Workspace

LOSSES_KEY = "export-losses"


class ExportDesk(QObject):
    """What the export actions and the export dialog call."""

    wanted = Signal()
    cut_outs_wanted = Signal()
    exported = Signal(object, object)  # Path of the folder, ExportReport

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def ask(self) -> None:
        """Ask for an export of the project."""
        self._if_open(self.wanted)

    def ask_cut_outs(self) -> None:
        """Ask for cut-outs of the selected annotations, or of all."""
        self._if_open(self.cut_outs_wanted)

    def _if_open(self, wanted: Any) -> None:
        if self._workspace.store is None:
            self._workspace.tell(self.tr("No project is open."))
        else:
            wanted.emit()

    # -- before writing -------------------------------------------------------------------------

    def look_for_losses(
        self,
        format_key: str,
        options: Any,
        done: Callable[[Losses], None],
        failed: Callable[[Exception], None],
    ) -> Job[Losses] | None:
        """What an export with these options would lose; an earlier question is dropped."""
        store = self._workspace.store
        if store is None:
            return None

        def work(cancel: CancelToken, report: ProgressSink) -> Losses:
            return losses(format_key, store, options, report, cancel)

        return self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for losses"),
            work,
            on_done=done,
            on_error=failed,
            key=LOSSES_KEY,
        )

    def stop_looking(self) -> None:
        """Nobody wants to know any more what would be lost."""
        self._workspace.runner.cancel_key(LOSSES_KEY)

    # -- writing --------------------------------------------------------------------------------

    def export_to(self, format_key: str, target: Path, options: Any = None) -> None:
        """Write the project into `target`; edits that are under way come first."""
        store = self._workspace.store
        if store is None:
            return

        def work(cancel: CancelToken, report: ProgressSink) -> ExportReport:
            return export(format_key, store, target, options, report, cancel)

        def done(result: ExportReport) -> None:
            self._tell(result, target)
            self.exported.emit(target, result)

        def start(_: object = None) -> None:
            self._workspace.runner.submit(
                Lane.IO,
                self.tr("exporting"),
                work,
                on_done=done,
                on_error=self._workspace.tell_error,
                on_cancelled=lambda: self._workspace.tell(self.tr("Export cancelled.")),
                visible=True,
            )

        # A job on the store lane ends when every edit before it is written.
        self._workspace.runner.submit(
            Lane.STORE, self.tr("waiting for edits"), lambda _c, _p: None, on_done=start
        )

    def _tell(self, report: ExportReport, target: Path) -> None:
        sentence = self.tr("Exported {:,} images with {:,} annotations to {}.").format(
            report.images, report.annotations, target
        )
        if report.proof is not None and report.proof.equal:
            sentence += " " + self.tr("Read back: all is as announced.")
        elif report.proof is not None:
            differ = self.tr("Read back: {:,} differences; do not use this export.")
            sentence += " " + differ.format(report.proof.total)
        if report.skipped:
            sentence += " " + self.tr("{} were left out.").format(len(report.skipped))
        details = [f"{item.path}: {item.reason}" for item in report.skipped] + [*report.notes]
        self._workspace.tell(sentence, "\n".join(details))

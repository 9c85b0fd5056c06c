"""The window desk: dialogs, theme, finding actions, leaving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QMainWindow

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.export_run import export
from segstudio.engine.jobs import Lane
from segstudio.formats.contract import ExportReport
from segstudio.gui.theme import apply_theme, current_tokens
from segstudio.gui.workspace import Workspace


class WindowDesk(QObject):
    """What the actions that concern the window itself call."""

    palette_wanted = Signal()
    cheat_sheet_wanted = Signal()
    keys_wanted = Signal()
    settings_wanted = Signal()
    export_wanted = Signal()
    cut_outs_wanted = Signal()
    about_wanted = Signal()
    place_wanted = Signal(int)  # 1: the next panel takes the keys, -1: the one before
    exported = Signal(object)  # Path

    def __init__(self, workspace: Workspace, window: QMainWindow) -> None:
        super().__init__(window)
        self._workspace, self._window = workspace, window

    def find_action(self) -> None:
        self.palette_wanted.emit()

    def cheat_sheet(self) -> None:
        self.cheat_sheet_wanted.emit()

    def keys(self) -> None:
        self.keys_wanted.emit()

    def settings(self) -> None:
        self.settings_wanted.emit()

    def about(self) -> None:
        self.about_wanted.emit()

    def step_place(self, step: int) -> None:
        """Keys go to the next panel, or the one before."""
        self.place_wanted.emit(step)

    def quit(self) -> None:
        self._window.close()

    def switch_theme(self) -> None:
        """From light to dark and back; Settings returns to the system's."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            other = "light" if current_tokens().name == "dark" else "dark"
            apply_theme(app, other)
            self._workspace.change_settings(theme=other)

    # -- export ---------------------------------------------------------------------------------

    def export(self) -> None:
        if self._workspace.store is None:
            self._workspace.tell(self.tr("No project is open."))
        else:
            self.export_wanted.emit()

    def cut_outs(self) -> None:
        """Ask for cut-outs of the selected annotations, or of all."""
        if self._workspace.store is None:
            self._workspace.tell(self.tr("No project is open."))
        else:
            self.cut_outs_wanted.emit()

    def export_to(self, format_key: str, target: Path, options: Any = None) -> None:
        """Write the project into `target`; edits that are under way come first."""
        store = self._workspace.store
        if store is None:
            return

        def work(cancel: CancelToken, report: ProgressSink) -> ExportReport:
            return export(format_key, store, target, options, report, cancel)

        def done(result: ExportReport) -> None:
            self._told(result, target)
            self.exported.emit(target)

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

    def _told(self, report: ExportReport, target: Path) -> None:
        sentence = self.tr("Exported {} images with {} annotations to {}.").format(
            report.images, report.annotations, target
        )
        if report.skipped:
            sentence += " " + self.tr("{} were left out.").format(len(report.skipped))
        details = [f"{item.path}: {item.reason}" for item in report.skipped] + [*report.notes]
        self._workspace.tell(sentence, "\n".join(details))

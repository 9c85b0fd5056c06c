"""Who hears whom about imports: the desk, the dialog, and the plan that goes between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject
from shiboken6 import isValid

from segstudio.engine.import_plan import CategoryTarget, ImportPlan, ImportReport
from segstudio.engine.job import Callbacks, Job
from segstudio.formats.import_contract import ImportOptions
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.dialogs.importing import ImportDialog
from segstudio.gui.job_following import follow_job
from segstudio.gui.main_window import MainWindow
from segstudio.gui.workspace import Workspace


def wire_import(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    """Connect one window's imports."""

    def ask(source: Path | None) -> None:
        open_ones = [one for one in window.findChildren(ImportDialog) if one.isVisible()]
        dialog = open_ones[0] if open_ones else _Asking(window, workspace, desks).dialog
        if source is not None and not dialog.busy:
            dialog.show_source()
            dialog.use_source(source)
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    desks.importing.wanted.connect(ask)


class _Asking(QObject):
    """One dialog with its job and its plan; the plan is dropped when nobody needs it any more."""

    def __init__(self, window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
        self.dialog = ImportDialog(window)
        super().__init__(self.dialog)
        self._workspace, self._desk = workspace, desks.importing
        self._job: Job[Any] | None = None
        self._plan: ImportPlan | None = None
        self._ended = False
        dialog = self.dialog
        dialog.source.source_named.connect(self._recognise)
        dialog.look_wanted.connect(self._look)
        dialog.import_wanted.connect(self._import)
        dialog.stop_wanted.connect(self._stop)
        dialog.back.clicked.connect(self._drop)
        dialog.preview.opened.connect(desks.jump.jump_to)
        dialog.finished.connect(lambda _: self._end())
        workspace.project_changed.connect(dialog.leave)  # it compares with the project that is gone

    def _recognise(self, source: Path) -> None:
        def show(keys: list[str]) -> None:
            if isValid(self.dialog):
                self.dialog.source.show_recognised(source, keys)

        self._desk.recognise(source, show)

    def _look(self, format_key: str, source: Path, options: ImportOptions) -> None:
        self._drop()

        def done(plan: ImportPlan) -> None:
            self._job = None
            if self._ended:
                self._desk.drop(plan)
                return
            self._plan = plan
            self.dialog.show_plan(plan, self._workspace.categories)

        answer = Callbacks(done, self._failed, self._stopped)
        self._follow(self._desk.look(format_key, source, options, answer))

    def _import(
        self, plan: ImportPlan, mapping: dict[str, CategoryTarget], leave_out: bool
    ) -> None:
        def done(_: ImportReport) -> None:
            self._settled()
            if not self._ended:
                self.dialog.show_idle()
                self.dialog.accept()

        answer = Callbacks(done, self._failed, self._stopped)
        self._follow(self._desk.carry_out(plan, mapping, leave_out, answer))

    # -- jobs -----------------------------------------------------------------------------------

    def _follow(self, job: Job[Any] | None) -> None:
        self._job = job
        if job is not None:
            follow_job(self._workspace.runner, job, self.dialog.show_progress, self.dialog)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _failed(self, error: Exception) -> None:
        self._settled()
        if self._ended:
            self._workspace.tell_error(error)
        else:
            self.dialog.show_idle(str(error))

    def _stopped(self) -> None:
        self._settled()
        self._workspace.tell(self.tr("Stopped; nothing was imported."))
        if not self._ended:
            self.dialog.show_idle()

    def _settled(self) -> None:
        self._job = None
        if self._ended:
            self._drop()

    # -- plan -----------------------------------------------------------------------------------

    def _end(self) -> None:
        self._ended = True
        if self._job is None:
            self._drop()

    def _drop(self) -> None:
        plan, self._plan = self._plan, None
        if plan is not None:
            self._desk.drop(plan)

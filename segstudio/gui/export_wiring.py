"""Who hears whom about exports: the desk, the dialog that asks, the report that follows."""

from __future__ import annotations

from pathlib import Path

from segstudio.formats.contract import ExportReport
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.dialogs.export import ExportDialog, export_base
from segstudio.gui.dialogs.export_report import ExportReportDialog, report_rows
from segstudio.gui.job_following import follow_job
from segstudio.gui.main_window import MainWindow
from segstudio.gui.showing import show_once
from segstudio.gui.workspace import Workspace


def wire_export(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    """Connect one window's exports."""
    desk = desks.exporting

    def ask() -> None:
        show_once(window, ExportDialog, lambda: _dialog(window, workspace, desks))

    def ask_cut_outs() -> None:
        """The export dialog, asked for what is selected now."""
        for dialog in window.findChildren(ExportDialog):
            dialog.reject()
        asked = _dialog(window, workspace, desks)
        if asked is not None:
            asked.use_format("cut-outs", selected=True)
            asked.show()

    def report(target: Path, done: ExportReport) -> None:
        if not report_rows(done):
            return
        for earlier in window.findChildren(ExportReportDialog):
            earlier.reject()
        dialog = ExportReportDialog(target, done, window)
        dialog.opened.connect(desks.jump.jump_to)
        workspace.project_changed.connect(dialog.reject)
        dialog.show()

    desk.wanted.connect(ask)
    desk.cut_outs_wanted.connect(ask_cut_outs)
    desk.exported.connect(report)


def _dialog(window: MainWindow, workspace: Workspace, desks: DeskSet) -> ExportDialog | None:
    store = workspace.store
    if store is None:
        return None
    splits = sorted({image.split for image in workspace.images.values() if image.split})
    base = export_base(store.images_dir)
    dialog = ExportDialog(store.name, base, splits, workspace.selected, window)
    panel = dialog.losses

    def look(format_key: str, options: object) -> None:
        job = desks.exporting.look_for_losses(
            format_key,
            options,
            dialog.if_open(panel.show_losses),
            dialog.if_open(lambda error: panel.show_trouble(str(error))),
        )
        if job is not None:
            follow_job(workspace.runner, job, panel.show_looking, dialog)

    dialog.losses_wanted.connect(look)
    panel.opened.connect(desks.jump.jump_to)
    dialog.wanted.connect(desks.exporting.export_to)
    dialog.finished.connect(lambda _: desks.exporting.stop_looking())
    workspace.project_changed.connect(dialog.reject)  # it names the project that is gone
    workspace.edited.connect(dialog.look_again)
    return dialog

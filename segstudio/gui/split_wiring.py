"""Who hears whom about splits: the desk and its dialog."""

from __future__ import annotations

from PySide6.QtCore import Qt
from shiboken6 import isValid

from segstudio.engine.splits import SplitPlan, SplitRecipe
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.dialogs.splits import SplitDialog
from segstudio.gui.main_window import MainWindow
from segstudio.gui.showing import show_once
from segstudio.gui.workspace import Workspace


def wire_splits(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    """Connect one window's splits."""
    desk = desks.splits

    def make(recipe: SplitRecipe) -> SplitDialog:
        dialog = SplitDialog(recipe, window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def planned(plan: SplitPlan) -> None:
            if isValid(dialog):
                dialog.show_plan(plan, workspace.categories)

        def failed(error: Exception) -> None:
            if isValid(dialog):
                dialog.show_trouble(str(error))

        dialog.plan_wanted.connect(lambda wanted: desk.plan(wanted, planned, failed))
        dialog.wanted.connect(desk.apply)
        workspace.project_changed.connect(dialog.reject)
        workspace.edited.connect(dialog.look_again)
        return dialog

    desk.wanted.connect(lambda recipe: show_once(window, SplitDialog, lambda: make(recipe)))

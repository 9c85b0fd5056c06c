"""Who hears whom about operations on masks: what can be done with what is selected."""

from __future__ import annotations

from segstudio.gui.action_set import ActionSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.main_window import MainWindow
from segstudio.gui.workspace import Workspace

SEVERAL = ("mask.union", "mask.subtract", "mask.intersect")
ANY = (
    "mask.forward",
    "mask.backward",
    "mask.split",
    "mask.fill_holes",
    "mask.remove_crumbs",
    "mask.grow",
    "mask.shrink",
    "mask.smooth",
    "mask.open",
    "mask.close",
    "mask.snap",
    "mask.duplicate",
    "mask.copy_to_next",
)


def wire_operations(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    """Grey out what the selection is too small for; rows dragged in the list change the depth."""

    def follow_selection() -> None:
        count = len(workspace.selected)
        for names, least in ((SEVERAL, 2), (ANY, 1)):
            for name in names:
                actions.actions[name].setEnabled(count >= least)

    window.annotations.model.moved.connect(desks.operations.put_at_depth)
    workspace.selection_changed.connect(follow_selection)
    follow_selection()

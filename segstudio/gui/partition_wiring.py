"""Who hears whom about partition mode: its desk, its counts in the status strip, its actions."""

from __future__ import annotations

from segstudio.gui.action_set import ActionSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.main_window import MainWindow
from segstudio.gui.panels.partition_counts import PartitionCounts
from segstudio.gui.workspace import Workspace


def wire_partition(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    """Connect one window's partition mode; the canvas must be connected before."""
    desk, counts = desks.partition, PartitionCounts()
    window.status.add_counts(counts)

    def follow() -> None:
        counts.show_flaws(desk.flaws, mode=desk.mode)
        actions.actions["partition.mode"].setChecked(desk.mode)
        for name in ("next_unlabelled", "next_doubly", "resolve"):
            actions.actions[f"partition.{name}"].setEnabled(desk.mode)

    workspace.project_changed.connect(desk.follow_project)
    workspace.image_changed.connect(desk.follow_image)
    workspace.edited.connect(lambda _: desk.count())
    desk.changed.connect(follow)
    counts.unlabelled_wanted.connect(desk.next_unlabelled)
    counts.doubly_wanted.connect(desk.next_doubly)
    counts.resolve_wanted.connect(desk.resolve)
    follow()

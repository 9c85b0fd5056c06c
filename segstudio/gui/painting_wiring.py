"""Who hears whom about painting: after the canvas shows another image, its strokes and marks."""

from __future__ import annotations

from segstudio.gui.desk_set import DeskSet
from segstudio.gui.main_window import MainWindow
from segstudio.gui.workspace import Workspace


def wire_painting(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    """Connect one window's painting desks; the canvas must be connected before."""
    window.may_close = desks.painting.may_close
    workspace.image_changed.connect(desks.painting.follow_image)
    workspace.image_changed.connect(desks.superpixels.follow)

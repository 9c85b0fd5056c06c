"""Who hears whom about polygons: what hides the outline that is edited, and its Del key."""

from __future__ import annotations

from segstudio.gui.desk_set import DeskSet
from segstudio.gui.main_window import MainWindow


def wire_polygon(window: MainWindow, desks: DeskSet) -> None:
    """Connect one window's polygon desk; the canvas must know what is hidden before."""
    window.annotations.hidden_changed.connect(lambda _: desks.polygon.look())
    desks.view.masks_shown.connect(lambda _: desks.polygon.look())
    desks.annotations.deletes_part = desks.polygon.remove_vertex

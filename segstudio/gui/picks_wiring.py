"""Who hears whom about everything: its desk and its panel."""

from __future__ import annotations

from segstudio.gui.desk_set import DeskSet
from segstudio.gui.main_window import MainWindow


def wire_picks(window: MainWindow, desks: DeskSet) -> None:
    """Connect one window's panel of everything."""
    panel, desk = window.picks, desks.everything

    def begun() -> None:
        window.tabs.setCurrentWidget(panel)

    def follow() -> None:
        panel.show_state(desk.state)

    window.prompt.everything_wanted.connect(desk.find)
    desks.model.model_changed.connect(lambda _: desk.follow_model())
    desks.model.model_changed.connect(lambda _: follow())
    desk.begun.connect(begun)
    desk.changed.connect(follow)
    panel.filtered.connect(desk.filter)
    panel.search_changed.connect(desk.search_with)
    panel.find_wanted.connect(desk.find)
    panel.again_wanted.connect(desk.find_again)
    panel.accept_all_wanted.connect(desk.accept_all)
    panel.clear_wanted.connect(desk.end)
    panel.cancel_wanted.connect(desk.cancel)
    panel.left.connect(window.canvas.setFocus)
    follow()

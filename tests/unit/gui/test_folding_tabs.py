"""Tabs that all stay in sight, whatever the width."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from segstudio.gui.panels.folding_tabs import FoldingTabs
from segstudio.gui.theme import apply_theme

TITLES = ("Prompt", "Semantic", "Everything", "Training", "Quality", "History")
PICTURES = ("point", "semantic", "everything", "training", "quality", "history")


@pytest.fixture(params=["dark", "light"])
def tabs(request: pytest.FixtureRequest, qapp: QApplication, qtbot: QtBot) -> FoldingTabs:
    apply_theme(qapp, request.param)
    made = FoldingTabs()
    qtbot.addWidget(made)
    for title, picture in zip(TITLES, PICTURES, strict=True):
        made.add_place(QWidget(), picture, title)
    made.resize(288, 200)
    made.show()
    return made


def right_end(tabs: FoldingTabs) -> int:
    return tabs.tabBar().tabRect(tabs.count() - 1).right()


def test_in_a_narrow_column_every_tab_is_in_sight_and_the_current_one_has_its_title(
    tabs: FoldingTabs,
) -> None:
    for here, title in enumerate(TITLES):
        tabs.setCurrentIndex(here)
        assert tabs.folded and right_end(tabs) < tabs.width()
        assert [tabs.tabText(at) for at in range(6) if tabs.tabText(at)] == [title]
        wide = tabs.tabBar().fontMetrics().horizontalAdvance(title)
        assert tabs.tabBar().tabRect(here).width() >= wide + tabs.iconSize().width()


def test_where_there_is_room_all_titles_stand_and_none_when_even_one_is_too_long(
    tabs: FoldingTabs,
) -> None:
    tabs.resize(600, 200)
    assert not tabs.folded and [tabs.tabText(at) for at in range(6)] == list(TITLES)
    tabs.resize(288, 200)
    tabs.add_place(QWidget(), "model", "A title that has far more letters than there is room for")
    tabs.setCurrentIndex(6)
    assert right_end(tabs) <= tabs.width() and tabs.tabText(6).endswith("…")


def test_folded_tabs_are_heard_by_name_told_by_tool_tip_and_changed_by_keys(
    tabs: FoldingTabs,
) -> None:
    bar = QAccessible.queryAccessibleInterface(tabs.tabBar())
    heard = [bar.child(at).text(QAccessible.Text.Name) for at in range(6)]
    assert heard == list(TITLES)
    assert [tabs.tabToolTip(at) for at in range(6)] == list(TITLES)
    tabs.tabBar().setFocus()
    QTest.keyClick(tabs.tabBar(), Qt.Key.Key_Right)
    assert tabs.currentIndex() == 1 and tabs.tabText(1) == "Semantic"

"""The empty window: a large target, the last projects, sample photos."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from segstudio.gui.panels.welcome import WelcomePanel


def test_the_target_and_the_samples_button_ask_for_what_they_say(qtbot: QtBot) -> None:
    panel = WelcomePanel()
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.open_requested):
        QTest.mouseClick(panel.target, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(panel.samples_requested):
        QTest.mouseClick(panel.samples, Qt.MouseButton.LeftButton)


def test_the_last_projects_are_one_click_away(qtbot: QtBot) -> None:
    panel = WelcomePanel()
    qtbot.addWidget(panel)
    panel.set_recent([f"/data/p{number}.segstudio" for number in range(9)])
    assert len(panel.recent) == 5
    with qtbot.waitSignal(panel.recent_chosen) as heard:
        QTest.mouseClick(panel.recent[1], Qt.MouseButton.LeftButton)
    assert heard.args == [Path("/data/p1.segstudio")]
    panel.set_recent([])
    assert panel.recent == []


def test_a_drop_lights_the_target_and_is_taken(qtbot: QtBot, tmp_path: Path) -> None:
    panel = WelcomePanel()
    qtbot.addWidget(panel)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    rest = (
        Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    panel.target.dragEnterEvent(QDragEnterEvent(QPointF(9, 9).toPoint(), *rest))
    assert panel.target.hovered
    panel.target.dragLeaveEvent(QDragLeaveEvent())
    assert not panel.target.hovered
    with qtbot.waitSignal(panel.folder_dropped) as heard:
        panel.target.dropEvent(QDropEvent(QPointF(9, 9), *rest))
    assert heard.args == [tmp_path]


def test_a_drop_of_text_is_not_taken(qtbot: QtBot) -> None:
    panel = WelcomePanel()
    qtbot.addWidget(panel)
    data = QMimeData()
    data.setText("hello")
    event = QDragEnterEvent(
        QPointF(9, 9).toPoint(), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    event.ignore()
    panel.target.dragEnterEvent(event)
    assert not event.isAccepted()
    assert not panel.target.hovered

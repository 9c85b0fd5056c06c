"""The history panel: what is listed, where one stands, and what a click or Enter asks for."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QIcon
from PySide6.QtTest import QAbstractItemModelTester, QTest
from pytestqt.qtbot import QtBot

from segstudio.core.changes import HistoryLine, HistoryStep
from segstudio.gui.panels.history import TEXT, TIME, HistoryModel, HistoryPanel, moment
from segstudio.gui.theme import current_tokens

ROLE = Qt.ItemDataRole


def line(*numbers: int, at: int) -> HistoryLine:
    steps = tuple(
        HistoryStep(number, f"Step {number}", 1.7e9 + number, "ann") for number in numbers
    )
    return HistoryLine(steps, at, len(steps))


@pytest.fixture
def panel(qtbot: QtBot) -> HistoryPanel:
    panel = HistoryPanel()
    qtbot.addWidget(panel)
    panel.resize(300, 400)
    panel.show()
    return panel


def texts(model: HistoryModel) -> list[object]:
    return [model.index(row, TEXT).data() for row in range(model.rowCount())]


def test_it_lists_the_steps_and_shows_where_one_stands(panel: HistoryPanel) -> None:
    panel.show_line(line(1, 2, 4, at=2))
    model = panel.model
    assert texts(model) == ["Before the first step", "Step 1", "Step 2", "Step 4"]
    assert model.here == panel.view.currentIndex().row() == 2
    fonts = [model.index(row, TEXT).data(ROLE.FontRole) for row in range(4)]
    assert isinstance(fonts[3], QFont)
    assert fonts[3].italic()
    assert [isinstance(font, QFont) and font.bold() for font in fonts] == [
        False,
        False,
        True,
        False,
    ]
    marks = [
        isinstance(model.index(row, TEXT).data(ROLE.DecorationRole), QIcon) for row in range(4)
    ]
    assert marks == [False, False, True, False]
    colours = [model.index(row, TEXT).data(ROLE.ForegroundRole) for row in range(4)]
    tokens = current_tokens()
    assert colours[2] == QColor(tokens.text)
    assert colours[3] == QColor(tokens.dim)
    spoken = [str(model.index(row, TEXT).data(ROLE.AccessibleTextRole)) for row in range(4)]
    assert spoken[2].endswith("by ann: you are here")
    assert spoken[3].endswith("(undone)")


def test_without_steps_it_says_what_will_be_there(panel: HistoryPanel) -> None:
    assert panel._empty.isVisible()
    assert not panel.view.isVisible()
    panel.show_line(line(1, at=0))
    assert not panel._empty.isVisible()
    assert panel.model.here == 0


def test_a_click_goes_there_and_so_does_enter_after_the_arrow_keys(panel: HistoryPanel) -> None:
    panel.show_line(line(1, 2, 4, at=4))
    wanted: list[int] = []
    panel.step_wanted.connect(wanted.append)
    place = panel.view.visualRect(panel.model.index(1, TIME)).center()
    QTest.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert wanted == [1]
    QTest.keyClick(panel.view, Qt.Key.Key_Down)
    QTest.keyClick(panel.view, Qt.Key.Key_Down)
    assert wanted == [1]
    QTest.keyClick(panel.view, Qt.Key.Key_Return)
    QTest.keyClick(panel.view, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(panel.view, Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    assert wanted == [1, 4, 0]
    assert panel.view.accessibleName()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_line_follows_another_the_rows_are_the_new_ones(
    panel: HistoryPanel, data: st.DataObject
) -> None:
    numbers = st.sets(st.integers(1, 12)).map(sorted)
    for _ in range(4):
        chosen = data.draw(numbers)
        at = data.draw(st.sampled_from([0, *chosen]))
        panel.show_line(line(*chosen, at=at))
        rows = [panel.model.sequence(row) for row in range(panel.model.rowCount())]
        assert rows == [0, *chosen]
        assert rows[panel.model.here] == at
        assert len(texts(panel.model)) == len(rows)


def test_qt_finds_nothing_wrong_with_how_rows_come_and_go(qtbot: QtBot) -> None:
    model = HistoryModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    for one in (line(1, 2, at=2), line(1, 2, at=1), line(1, 3, at=3), line(at=0), line(7, at=7)):
        model.show_line(one)
    assert model.rowCount() == 2
    del tester


def test_only_the_rows_that_came_are_told(qtbot: QtBot) -> None:
    model = HistoryModel()
    first = line(*range(1, 10_001), at=10_000)
    model.show_line(first)
    told: list[tuple[int, int]] = []
    model.rowsInserted.connect(lambda _, low, high: told.append((low, high)))
    model.rowsRemoved.connect(lambda _, low, high: told.append((low, high)))
    more = HistoryLine((*first.steps, HistoryStep(10_001, "New", 0.0)), 10_001, 10_001)
    model.show_line(more)
    assert told == [(10_001, 10_001)]


def test_times_of_today_are_times_and_others_have_their_day() -> None:
    now = datetime.now()
    assert moment(now.timestamp()) == now.strftime("%H:%M:%S")
    assert len(moment(1.0e9)) > len("00:00:00")

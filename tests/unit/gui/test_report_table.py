"""A report's rows are sorted as numbers and words, filtered, copied, and lead to their images."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from segstudio.gui.dialogs.report_table import Finding, ReportTable

ROWS = (
    Finding(("Holes", "b.png", 900, "filled"), "b.png", 4),
    Finding(("Overlap", "a.png", 20, "covered"), "a.png", 7),
    Finding(("Left out", "c.png", 0, "no image"), ""),
)


@pytest.fixture
def table(qtbot: QtBot) -> ReportTable:
    table = ReportTable("Losses", ("What", "Image", "Pixels", "Why"))
    qtbot.addWidget(table)
    table.show_rows(ROWS, total=5)
    table.resize(600, 300)
    table.show()
    return table


def column(table: ReportTable, at: int) -> list[object]:
    return [row.cells[at] for row in table.model.rows]


def test_numbers_sort_as_numbers_and_words_as_words(table: ReportTable) -> None:
    table.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert column(table, 2) == [900, 20, 0]
    table.view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert column(table, 1) == ["a.png", "b.png", "c.png"]
    table.view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert table.model.rows == list(ROWS)


def test_every_word_of_the_filter_must_be_in_the_row_and_how_many_are_is_told(
    table: ReportTable,
) -> None:
    assert "3 of 5" in table.shown.text()
    table.filter.setText("PNG cov")
    assert column(table, 0) == ["Overlap"]
    assert "1 of 5" in table.shown.text()
    table.filter.clear()
    assert len(table.model.rows) == 3


def test_copied_rows_are_what_a_spreadsheet_takes(table: ReportTable) -> None:
    table.view.selectRow(1)
    QTest.keyClick(table.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    clipboard = QGuiApplication.clipboard()
    assert clipboard.text() == "What\tImage\tPixels\tWhy\nOverlap\ta.png\t20\tcovered"
    table.view.clearSelection()
    table.copy()
    assert clipboard.text().count("\n") == 3


def test_a_row_opens_by_double_click_or_enter_where_it_leads_somewhere(
    table: ReportTable,
) -> None:
    said: list[tuple[str, int]] = []
    table.opened.connect(lambda *where: said.append(where))
    view = table.view
    for row in range(3):
        point = view.visualRect(table.model.index(row, 0)).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point)
        QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert said == [("b.png", 4), ("a.png", 7)]
    view.setCurrentIndex(table.model.index(1, 0))
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert said[-1] == ("a.png", 7) and len(said) == 3


def test_ten_thousand_rows_ask_for_no_cell_twice(
    table: ReportTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Finding(("Holes", f"{n}.png", n % 97, "filled")) for n in range(10_000)]
    table.show_rows(rows)
    asked = 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    monkeypatch.setattr(table.model, "data", count)
    table.model.sort(2)
    assert asked == 0 and column(table, 2) == sorted(n % 97 for n in range(10_000))

"""The page of precision-recall curves: which, drawn, by category with their AP, and saved."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.category import category_colour, parse_colour
from segstudio.engine.evaluation_curves import KINDS, CategoryCurve, curves_csv
from segstudio.engine.evaluation_scores import Evaluation
from segstudio.gui.dialogs.report_table import Finding, ReportTable
from segstudio.gui.icons import icon
from segstudio.gui.panels.categories import swatch
from segstudio.gui.quality_words import curve_kind, why_no_curves
from segstudio.gui.theme import SPACING, Tokens, contrast, current_tokens
from segstudio.metrics.curve_picture import Line, curve_picture

Index = QModelIndex | QPersistentModelIndex
CHART = "segstudio.gui.panels.quality_chart"
LIST = 165  # px of the list beside a chart, at least
FILTERED = 16  # categories from which on one wants to look for one
SWATCH = 12  # px of a side
VISIBLE = 3.0  # contrast of a line to what is behind it, at least (WCAG 2.2)
MOST = 16_777_215  # px of any widget (QWIDGETSIZE_MAX)


class _Names(QStyledItemDelegate):
    """Names beside the colours of their curves."""

    colours: Mapping[str, str] = {}

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        colour = self.colours.get(index.data())
        if colour is not None:
            option.icon = swatch(visible(colour, current_tokens()))
            option.decorationSize = QSize(SWATCH, SWATCH)
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration


class CurvesPage(QWidget):
    """Where there are no curves, it says why."""

    chart_wanted = Signal()  # before the first one can be drawn
    larger_wanted = Signal(object)  # Evaluation
    picture_wanted = Signal(object)  # a function without arguments: (H, W, 3) uint8 RGB
    csv_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = QComboBox()
        self.kind.setAccessibleName(self.tr("Curves of"))
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.told, self.why = QLabel(), QLabel()
        headings = self.tr("Category"), self.tr("AP")
        self.list = ReportTable(self.tr("AP by category"), headings)
        self._names_shown = _Names(self.list.view)
        self.list.view.setItemDelegateForColumn(0, self._names_shown)
        header = self.list.view.horizontalHeader()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.more = QToolButton()
        self.enlarged = False  # in a window of its own
        self.chart: Any = None  # PrecisionRecallChart, once pyqtgraph is there
        self._result: Evaluation | None = None
        self._lay_out()
        self.kind.activated.connect(lambda _: self._draw())
        self.list.view.selectionModel().selectionChanged.connect(lambda *_: self._choose())
        self.larger.triggered.connect(lambda: self.larger_wanted.emit(self._result))
        self.save_csv.triggered.connect(self._save_csv)
        self.save_picture.triggered.connect(self._save_picture)

    def _lay_out(self) -> None:
        for label in (self.told, self.why):
            label.setWordWrap(True)
            label.setProperty("role", "dim")
        top = QHBoxLayout()
        top.addWidget(self.kind)
        top.addWidget(self.told, 1)
        top.addWidget(self.more)
        menu = QMenu(self.more)
        self.larger = menu.addAction(self.tr("Larger"))
        self.save_picture = menu.addAction(self.tr("Save picture…"))
        self.save_csv = menu.addAction(self.tr("Save CSV…"))
        self.more.setMenu(menu)
        self.more.setIcon(icon("more"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setToolTip(self.tr("Show the curves larger, or save them"))
        self.more.setAccessibleName(self.more.toolTip())
        self._both = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._both.addWidget(self.list, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, SPACING, 0, 0)
        column.setSpacing(SPACING)
        column.addLayout(top)
        column.addWidget(self.why)
        column.addLayout(self._both, 1)
        column.addStretch(0)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._want_chart()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Side by side where that is the longer side."""
        super().resizeEvent(event)
        wide = event.size().width() > event.size().height()
        directions = QBoxLayout.Direction
        self._both.setDirection(directions.LeftToRight if wide else directions.TopToBottom)
        self.list.setMinimumWidth(LIST if wide else 0)
        self.list.setMaximumWidth(max(LIST, self.width() // 3) if wide else MOST)

    # -- told from outside ----------------------------------------------------------------------

    def show_result(self, result: Evaluation | None) -> None:
        """The curves of a comparison; the kind that was chosen stays where it is there, too."""
        self._result = result
        before = self.kind.currentData()
        self.kind.clear()
        there = {one.kind for one in result.curves} if result is not None else set()
        for kind in KINDS:
            if kind in there:
                title, tip = curve_kind(kind)
                self.kind.addItem(title, kind)
                self.kind.setItemData(self.kind.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.kind.setCurrentIndex(max(0, self.kind.findData(before)))
        self.why.setText(why_no_curves(result) if result is not None else "")
        self._draw()

    def choose_kind(self, kind: object) -> None:
        """Show the curves of that kind."""
        self.kind.setCurrentIndex(max(0, self.kind.findData(kind)))
        self._draw()

    def show_chart(self) -> None:
        """pyqtgraph is imported by now: make the chart."""
        if self.chart is None:
            self.chart = importlib.import_module(CHART).PrecisionRecallChart()
            self._both.insertWidget(0, self.chart, 2)
            self._draw()

    # -- drawing --------------------------------------------------------------------------------

    @property
    def curves(self) -> list[CategoryCurve]:
        """Those of the chosen kind."""
        every = self._result.curves if self._result is not None else ()
        return [one for one in every if one.kind == self.kind.currentData()]

    def _want_chart(self) -> None:
        if self.chart is None and self.isVisible() and self.curves:
            self.chart_wanted.emit()

    def _draw(self) -> None:
        curves, colours = self.curves, self._colours()
        there = bool(curves)
        self.why.setVisible(not there)
        for widget in (self.kind, self.told, self.more, self.list, self.chart):
            if widget is not None:
                widget.setVisible(there)
        self.larger.setVisible(not self.enlarged)
        if not there:
            return
        self.kind.setToolTip(curve_kind(curves[0].kind)[1])
        mean = sum(one.ap for one in curves) / len(curves)
        self.told.setText(self.tr("Mean AP {:.1f} %").format(100 * mean))
        names = self._names()
        self._names_shown.colours = colours
        self.list.show_rows([Finding((names[one.category], float(one.ap))) for one in curves])
        for widget in (self.list.filter, self.list.shown):
            widget.setVisible(len(curves) >= FILTERED)
        self._draw_chart()
        self._want_chart()

    def _draw_chart(self) -> None:
        if self.chart is not None:
            lines = self._lines()
            self.chart.show_lines(lines, self._chosen())
            told = self.tr("{}: AP {:.1f} %")
            said = [told.format(one.name, 100 * one.ap) for one in lines]
            self.chart.setAccessibleDescription("; ".join(said))

    def _lines(self) -> list[Line]:
        names, colours = self._names(), self._colours()
        return [
            Line(name, colours[name], one.recall, one.precision, one.ap)
            for one in self.curves
            for name in [names[one.category]]
        ]

    def _names(self) -> list[str]:
        return [row.name for row in self._result.categories] if self._result is not None else []

    def _colours(self) -> dict[str, str]:
        rows = self._result.categories if self._result is not None else ()
        return {row.name: row.colour or category_colour(at) for at, row in enumerate(rows)}

    def _chosen(self) -> set[str]:
        rows = self.list.view.selectionModel().selectedRows()
        return {str(self.list.model.rows[index.row()].cells[0]) for index in rows}

    def _choose(self) -> None:
        if self.chart is not None:
            self.chart.choose(self._chosen())

    # -- saving ---------------------------------------------------------------------------------

    def _save_csv(self) -> None:
        if self._result is not None:
            self.csv_wanted.emit(curves_csv(self._result.curves, self._names()))

    def _save_picture(self) -> None:
        if self.curves:
            lines, title = self._lines(), self.kind.currentText()
            self.picture_wanted.emit(lambda: curve_picture(lines, title))


def visible(colour: str, tokens: Tokens) -> str:
    """The colour, as far towards the text's as it takes to be seen on a panel."""
    ends = parse_colour(colour), parse_colour(tokens.text)
    for part in np.linspace(0, 1, 11):
        pairs = zip(*ends, strict=True)
        mixed = "#" + "".join(f"{round((1 - part) * a + part * b):02x}" for a, b in pairs)
        if contrast(mixed, tokens.panel) >= VISIBLE:
            return mixed
    return tokens.text

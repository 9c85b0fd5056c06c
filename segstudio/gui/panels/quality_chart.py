"""Precision-recall curves. Imports pyqtgraph: only imported for a first chart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from segstudio.gui.panels.quality_curves import visible
from segstudio.gui.theme import current_tokens, theme_signal
from segstudio.metrics.curve_picture import Line, stairs

LEAST = QSize(150, 110)  # px
GRID = 45  # opacity of the grid, of 255
PALE = 70  # opacity of what is not chosen, of 255
MANY = 24  # curves from which on smooth lines take too long

pg.setConfigOptions(antialias=True, exitCleanup=False)


class PrecisionRecallChart(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """A line for each category; those that are chosen stand out from the others.

    Made of axes and a box: pyqtgraph's plots bring menus along, which take most of their making.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: tuple[Line, ...] = ()
        self._items: list[Any] = []
        self._chosen: frozenset[str] = frozenset()
        self.setAccessibleName(self.tr("Precision by recall"))
        self.setMinimumSize(LEAST)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._box = self.addViewBox(0, 1, enableMenu=False, enableMouse=False)
        self._box.setRange(xRange=(0, 1), yRange=(0, 1.02), padding=0)
        self._axes = {
            self.tr("Precision"): pg.AxisItem("left"),
            self.tr("Recall"): pg.AxisItem("bottom"),
        }
        for place, axis in zip(((0, 0), (1, 1)), self._axes.values(), strict=True):
            self.addItem(axis, *place)
            axis.linkToView(self._box)
            axis.setGrid(GRID)
            axis.enableAutoSIPrefix(False)
            axis.setZValue(-1)
        self.ci.layout.setSpacing(0)
        self.ci.setContentsMargins(0, 4, 8, 0)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme_signal(app).connect(self._wear)
        self._wear()

    def sizeHint(self) -> QSize:
        return QSize(320, 240)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls the panel; it does not zoom a chart."""
        event.ignore()

    def show_lines(self, lines: Sequence[Line], chosen: Collection[str] = ()) -> None:
        """Draw these in place of others, those whose names are `chosen` above all."""
        self._lines, self._chosen = tuple(lines), frozenset(chosen)
        while len(self._items) > len(self._lines):
            self._box.removeItem(self._items.pop())
        while len(self._items) < len(self._lines):
            self._items.append(pg.PlotCurveItem())  # a fifth of what a PlotDataItem takes
            self._box.addItem(self._items[-1], ignoreBounds=True)
        for item, line in zip(self._items, self._lines, strict=True):
            item.opts["antialias"] = len(self._lines) < MANY
            item.setData(*stairs(line.recall, line.precision))
        self._colour_lines()

    def choose(self, names: Collection[str]) -> None:
        """Let these stand out; none: all are alike."""
        if frozenset(names) != self._chosen:
            self._chosen = frozenset(names)
            self._colour_lines()

    # -- look -----------------------------------------------------------------------------------

    def _wear(self) -> None:
        tokens = current_tokens()
        self.setBackground(tokens.panel)
        small = QFont(self.font())
        small.setPointSizeF(max(7.0, self.font().pointSizeF() - 1.5))
        for title, axis in self._axes.items():
            axis.setLabel(title, color=tokens.dim)
            axis.setPen(pg.mkPen(tokens.line))
            axis.setTextPen(pg.mkPen(tokens.dim))
            axis.setTickFont(small)
        next(iter(self._axes.values())).setWidth(48)
        self._colour_lines()

    def _colour_lines(self) -> None:
        tokens = current_tokens()
        for item, line in zip(self._items, self._lines, strict=True):
            colour = pg.mkColor(visible(line.colour, tokens))
            ahead = line.name in self._chosen
            if self._chosen and not ahead:
                colour.setAlpha(PALE)
            thin = 1.5 if len(self._lines) < MANY else 1
            item.setPen(pg.mkPen(colour, width=3 if ahead else thin))
            item.setZValue(1 if ahead else 0)

"""Precision-recall curves. Imports pyqtgraph: only imported for a first chart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from segstudio.gui.theme import Tokens, contrast, current_tokens, theme_signal
from segstudio.metrics.curve_picture import Line, stairs

LEAST = QSize(180, 110)  # px
PALE = 70  # opacity of what is not chosen, of 255
MANY = 24  # curves from which on smooth lines take too long
VISIBLE = 3.0  # contrast of a line to what is behind it, at least (WCAG 2.2)

pg.setConfigOptions(antialias=True, exitCleanup=False)


class PrecisionRecallChart(pg.PlotWidget):  # type: ignore[misc]
    """A line for each category; those that are chosen stand out from the others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: tuple[Line, ...] = ()
        self._items: list[Any] = []
        self._chosen: frozenset[str] = frozenset()
        self.setAccessibleName(self.tr("Precision by recall"))
        self.setMinimumSize(LEAST)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        plot = self.getPlotItem()
        plot.setMenuEnabled(False)
        plot.setMouseEnabled(False, False)
        plot.hideButtons()
        plot.setRange(xRange=(0, 1), yRange=(0, 1.02), padding=0)
        plot.setContentsMargins(0, 4, 8, 0)
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
        plot = self.getPlotItem()
        while len(self._items) > len(self._lines):
            plot.removeItem(self._items.pop())
        while len(self._items) < len(self._lines):
            self._items.append(plot.plot())
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
        plot = self.getPlotItem()
        small = QFont(self.font())
        small.setPointSizeF(max(7.0, self.font().pointSizeF() - 1.5))
        for name, title in (("left", self.tr("Precision")), ("bottom", self.tr("Recall"))):
            axis = plot.getAxis(name)
            plot.setLabel(name, title, color=tokens.dim)
            axis.setPen(pg.mkPen(tokens.line))
            axis.setTextPen(pg.mkPen(tokens.dim))
            axis.setTickFont(small)
            axis.enableAutoSIPrefix(False)
        plot.getAxis("left").setWidth(48)
        plot.showGrid(x=True, y=True, alpha=0.2)
        self._colour_lines()

    def _colour_lines(self) -> None:
        tokens = current_tokens()
        for item, line in zip(self._items, self._lines, strict=True):
            colour = pg.mkColor(visible(line.colour, tokens))
            ahead = line.name in self._chosen
            if self._chosen and not ahead:
                colour.setAlpha(PALE)
            item.setPen(pg.mkPen(colour, width=3 if ahead else 1.5))
            item.setZValue(1 if ahead else 0)


def visible(colour: str, tokens: Tokens) -> str:
    """The colour, as far towards the text's as it takes to be seen on a panel."""
    one, text = pg.mkColor(colour), tokens.colour("text")
    for part in np.linspace(0, 1, 11):
        pairs = zip(one.getRgb()[:3], text.getRgb()[:3], strict=True)
        mixed = "#" + "".join(f"{round((1 - part) * a + part * b):02x}" for a, b in pairs)
        if contrast(mixed, tokens.panel) >= VISIBLE:
            return mixed
    return tokens.text

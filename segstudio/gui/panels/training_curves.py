"""Loss and mIoU of a training while it runs. Imports pyqtgraph: only imported for a first chart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from segstudio.gui.theme import Tokens, current_tokens, theme_signal
from segstudio.gui.training_story import TrainingStory

# Okabe & Ito's blue and orange, the darker pair on white; lines differ in their strokes, too.
COLOURS = {"dark": ("#56b4e9", "#e69f00"), "light": ("#0072b2", "#d55e00")}
HEIGHT = 330  # px of both charts, at least
PALE = 90  # opacity of single steps behind their running mean, of 255
MOST_POINTS = 300  # of a curve: about one a pixel
ASTRAY = 2.0  # times the usual loss: a validation above is out of sight
FEW = 60  # validations up to which each one has a dot

Floats = npt.NDArray[np.float64]

pg.setConfigOptions(antialias=True, exitCleanup=False)


class TrainingCurves(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """Two charts above one another with one axis of epochs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Loss and mIoU by epoch"))
        self.setMinimumSize(QSize(200, HEIGHT))
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.loss, self.miou = self._chart(0), self._chart(1)
        self.miou.setXLink(self.loss)
        self.loss.showAxis("bottom", True)
        self.loss.getAxis("bottom").setStyle(showValues=False)
        self._legend = self.loss.addLegend(offset=(-1, 1), colCount=2, verSpacing=-6)
        self._steps = self.loss.plot()
        self._mean = self.loss.plot(name=self.tr("training"))
        self._val = self.loss.plot(name=self.tr("validation"))
        self._scores = self.miou.plot()
        self._best = self.miou.plot()
        self._steps.opts["antialias"] = False  # thin and pale; it is most of the painting
        for row in (0, 1):
            self.ci.layout.setRowStretchFactor(row, 1)
            self.ci.layout.setRowPreferredHeight(row, HEIGHT / 2)
        self.ci.setContentsMargins(0, 0, 4, 0)
        self.ci.layout.setVerticalSpacing(0)
        self._story = TrainingStory()
        self._drawn: object = None  # which scores the lower chart shows
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme_signal(app).connect(self._wear)
        self._wear()

    def _chart(self, row: int) -> Any:
        chart = self.addPlot(row=row, col=0)
        chart.setMenuEnabled(False)
        chart.setMouseEnabled(False, False)
        chart.hideButtons()
        chart.getAxis("left").setWidth(52)
        return chart

    def sizeHint(self) -> QSize:
        return QSize(320, HEIGHT)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls the panel; it does not zoom a chart."""
        event.ignore()

    # -- look -----------------------------------------------------------------------------------

    def _wear(self) -> None:
        tokens = current_tokens()
        self.setBackground(tokens.panel)
        blue, orange = COLOURS[tokens.name]
        pale = pg.mkColor(blue)
        pale.setAlpha(PALE)
        self._steps.setPen(pg.mkPen(pale, width=1))
        self._mean.setPen(pg.mkPen(blue, width=2))
        self._val.setPen(pg.mkPen(orange, width=2, style=Qt.PenStyle.DashLine))
        self._scores.setPen(pg.mkPen(blue, width=2))
        self._dots(self._val, "s", orange)
        self._dots(self._scores, "o", blue)
        self._best.setPen(None)
        self._best.setSymbol("star")
        self._best.setSymbolSize(16)
        self._best.setSymbolPen(pg.mkPen(tokens.panel, width=1))
        self._best.setSymbolBrush(pg.mkBrush(orange))
        self._legend.setLabelTextColor(tokens.dim)
        for _, label in self._legend.items:
            label.setText(label.text)  # only a text that is set takes the colour
        self._label(self.loss, self.tr("Loss"), tokens)
        self._label(self.miou, self.tr("mIoU (%)"), tokens)
        self.miou.setLabel("bottom", self.tr("Epoch"), color=tokens.dim)

    def _dots(self, curve: Any, symbol: str, colour: str) -> None:
        curve.setSymbol(symbol if len(self._story.validations) <= FEW else None)
        curve.setSymbolSize(6)
        curve.setSymbolPen(None)
        curve.setSymbolBrush(pg.mkBrush(colour))

    def _label(self, chart: Any, text: str, tokens: Tokens) -> None:
        chart.setLabel("left", text, color=tokens.dim)
        small = QFont(self.font())
        small.setPointSizeF(max(7.0, self.font().pointSizeF() - 1.5))
        for name in ("left", "bottom"):
            axis = chart.getAxis(name)
            axis.setPen(pg.mkPen(tokens.line))
            axis.setTextPen(pg.mkPen(tokens.dim))
            axis.setTickFont(small)
            axis.enableAutoSIPrefix(False)
        chart.showGrid(x=False, y=True, alpha=0.25)

    # -- data -----------------------------------------------------------------------------------

    def show_story(self, story: TrainingStory) -> None:
        """Draw what it knows now."""
        scores = (id(story), len(story.validations), story.best)
        fresh, self._drawn = scores != self._drawn, scores
        self._story = story
        epochs, losses = np.array(story.loss_epochs), np.array(story.losses)
        sound = np.isfinite(losses)
        self._steps.setData(*peaks(epochs[sound], losses[sound]))
        step = max(1, int(sound.sum()) // MOST_POINTS)
        means = np.array(story.means)[sound]
        self._mean.setData(epochs[sound][::-step][::-1], means[::-step][::-1])
        self._fit_losses(losses[sound], [one.loss for one in story.validations])
        if fresh:
            self._show_scores(story)
        total = float(story.started.epochs) if story.started else 1.0
        seen = max([*story.loss_epochs[-1:], *story.val_epochs[-1:], 0.0])
        self.loss.setXRange(0, min(total, max(1.0, seen * 1.05)), padding=0)
        self.setAccessibleDescription(self.in_words())

    def _fit_losses(self, losses: Floats, others: list[float]) -> None:
        """All that is usual is in sight; a validation that went astray does not flatten it."""
        if not losses.size:
            return
        usual = float(np.quantile(losses, 0.99))
        seen = [value for value in others if value < ASTRAY * usual]
        low, high = min([float(losses.min()), *seen]), max([usual, *seen])
        room = 0.05 * (high - low) or 0.05
        self.loss.setYRange(low - room, high + room, padding=0)

    def _show_scores(self, story: TrainingStory) -> None:
        epochs = np.array(story.val_epochs)
        self._val.setData(epochs, np.array([one.loss for one in story.validations]))
        self._scores.setData(epochs, 100 * np.array([one.miou for one in story.validations]))
        best = story.best
        place = ([story.epoch_of(best.step)], [100 * best.miou]) if best else ([], [])
        self._best.setData(*place)
        top = max([100 * one.miou for one in story.validations], default=0.0)
        self.miou.setYRange(0, min(100.0, max(10.0, 1.15 * top)), padding=0)
        blue, orange = COLOURS[current_tokens().name]
        self._dots(self._val, "s", orange)
        self._dots(self._scores, "o", blue)

    def in_words(self) -> str:
        """The last and the best numbers, for those who hear the window."""
        story, said = self._story, []
        if story.losses:
            said.append(self.tr("Loss {:.3f} at epoch {}.").format(story.losses[-1], story.epoch))
        if story.best is not None:
            best = self.tr("Best mIoU {:.1f} % at epoch {}.")
            said.append(best.format(100 * story.best.miou, story.best.epoch))
        return " ".join(said)


def peaks(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """At most about `MOST_POINTS` points that look the same: the ends of each stretch of many."""
    size = 2 * len(y) // MOST_POINTS
    if size < 3:
        return x, y
    whole = len(y) - len(y) % size
    parts, at = y[:whole].reshape(-1, size), x[:whole:size]
    ends = np.stack([parts.min(axis=1), parts.max(axis=1)], axis=1).ravel()
    return np.append(np.repeat(at, 2), x[whole:]), np.append(ends, y[whole:])

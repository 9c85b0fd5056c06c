"""A confusion matrix as a picture: what each category's pixels were said to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from segstudio.gui.theme import Tokens, contrast, current_tokens, numeric_font

SMALLEST, LARGEST = 3.0, 48.0  # px a cell
NUMBERED = 27.0  # px a cell from which on a number fits
NAMED = 11.0  # and a name beside it
GAP = 6.0
MANY = 30  # categories from which on cells are painted as one picture: 150 of them took 0.2 s


@dataclass(frozen=True, eq=False)
class Matrix:
    """Names, and (C, C + 1) pixels: rows are the truth, the last column is "nothing"."""

    names: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    nothing: str

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """(C, C + 1): each row over its sum; rows without a pixel are 0."""
        sums = self.counts.sum(axis=1, keepdims=True)
        blank = np.zeros(self.counts.shape, dtype=np.float64)
        shares: npt.NDArray[np.float64] = np.divide(self.counts, sums, out=blank, where=sums > 0)
        return shares

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.names, self.nothing)


@dataclass(frozen=True)
class _Frame:
    """Where the cells lie: a margin for the names, and the side of a cell."""

    left: float
    top: float
    cell: float


class MatrixPicture(QWidget):
    """Draws the matrix as large as it is allowed; each cell tells its numbers when pointed at."""

    cell_chosen = Signal(int, int)  # truth, prediction

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._matrix: Matrix | None = None
        self.setAccessibleName(self.tr("Confusion matrix"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFont(numeric_font(self.font()))

    def show_matrix(self, matrix: Matrix | None) -> None:
        self._matrix = matrix
        if matrix is not None and matrix.names:
            shares = matrix.shares.diagonal()
            worst = int(np.argmin(np.where(matrix.counts.sum(axis=1) > 0, shares, 2.0)))
            told = self.tr("Least often right: {}, {:.0f} %.")
            self.setAccessibleDescription(told.format(matrix.names[worst], 100 * shares[worst]))
        self.updateGeometry()
        self.update()

    def minimumSizeHint(self) -> QSize:
        return QSize(90, 90)

    def sizeHint(self) -> QSize:
        return QSize(320, 320)

    # -- picture --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        if self._matrix is not None:
            painter = QPainter(self)
            self._paint(painter, self._matrix, self._frame(self._matrix), current_tokens())

    def _frame(self, matrix: Matrix) -> _Frame:
        columns = len(matrix.columns)
        metrics = QFontMetricsF(self.font())
        line = metrics.height() + GAP
        margin = min(_longest(metrics, matrix.columns) + GAP, 0.34 * self.width())
        cell = _cell(self.width() - line - margin, self.height() - line - margin, columns)
        if cell < NAMED:  # no room for names
            margin = 0.0
            cell = _cell(self.width() - line, self.height() - line, columns)
        return _Frame(line + margin, line + margin, cell)

    def _paint(self, painter: QPainter, matrix: Matrix, frame: _Frame, tokens: Tokens) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shares, cell = matrix.shares, frame.cell
        low, high = tokens.colour("hover"), tokens.colour("accent")
        many = len(matrix.names) > MANY
        if many:
            rows, columns = shares.shape
            whole = QRectF(frame.left, frame.top, columns * cell, rows * cell)
            painter.drawImage(whole, _coloured(shares, low, high))
        least = 0.005 if many else 0.0
        numbered = cell >= NUMBERED
        for row, column in np.argwhere(shares >= least).tolist() if numbered or not many else ():
            share = float(shares[row, column])
            area = QRectF(frame.left + column * cell, frame.top + row * cell, cell, cell)
            colour = _between(low, high, share)
            painter.fillRect(area.adjusted(0, 0, -1, -1) if cell > 6 else area, colour)
            if numbered and share >= 0.005:
                painter.setPen(QColor(_readable(colour.name())))
                painter.drawText(area, Qt.AlignmentFlag.AlignCenter, f"{100 * share:.0f}")
        self._paint_names(painter, matrix, frame, tokens)

    def _paint_names(
        self, painter: QPainter, matrix: Matrix, frame: _Frame, tokens: Tokens
    ) -> None:
        metrics = QFontMetricsF(painter.font())
        line, cell = metrics.height(), frame.cell
        wide, high = cell * len(matrix.columns), cell * len(matrix.names)
        centre = Qt.AlignmentFlag.AlignCenter
        painter.setPen(tokens.colour("dim"))
        painter.drawText(QRectF(frame.left, 0, wide, line), centre, self.tr("Predicted (%)"))
        painter.save()
        painter.translate(0, frame.top + high)
        painter.rotate(-90)
        painter.drawText(QRectF(0, 0, high, line), centre, self.tr("Truth"))
        painter.restore()
        if cell < NAMED:
            return
        painter.setPen(tokens.colour("text"))
        room = frame.left - line - GAP - GAP / 2
        mode, right = Qt.TextElideMode.ElideRight, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        for row, name in enumerate(matrix.names):
            area = QRectF(line + GAP / 2, frame.top + row * cell, room, cell)
            painter.drawText(area, right | middle, metrics.elidedText(name, mode, room))
        for column, name in enumerate(matrix.columns):
            painter.save()
            painter.translate(frame.left + column * cell, frame.top - GAP / 2)
            painter.rotate(-90)
            area = QRectF(0, 0, room, cell)
            text = metrics.elidedText(name, mode, room)
            painter.drawText(area, Qt.AlignmentFlag.AlignLeft | middle, text)
            painter.restore()

    # -- pointing -------------------------------------------------------------------------------

    def cell_at(self, place: QPointF) -> tuple[int, int] | None:
        """Truth and prediction of the cell under a position of the widget."""
        matrix = self._matrix
        if matrix is None:
            return None
        frame = self._frame(matrix)
        column = int((place.x() - frame.left) // frame.cell)
        row = int((place.y() - frame.top) // frame.cell)
        inside = 0 <= row < len(matrix.names) and 0 <= column < len(matrix.columns)
        return (row, column) if inside else None

    def told(self, row: int, column: int) -> str:
        """What a cell says."""
        matrix = self._matrix
        if matrix is None:
            return ""
        said = self.tr("{:.1f} % of {} was said to be {}: {:,} px")
        return said.format(
            100 * matrix.shares[row, column],
            matrix.names[row],
            matrix.columns[column],
            int(matrix.counts[row, column]),
        )

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            found = self.cell_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self.told(*found) if found else "", self)
            return True
        return super().event(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        found = self.cell_at(event.position())
        if found is not None and event.button() is Qt.MouseButton.LeftButton:
            self.cell_chosen.emit(*found)


def _cell(width: float, height: float, columns: int) -> float:
    return max(SMALLEST, min(LARGEST, width / columns, height / max(1, columns - 1)))


def _longest(metrics: QFontMetricsF, names: tuple[str, ...]) -> float:
    return max((metrics.horizontalAdvance(name) for name in names), default=0.0)


def _coloured(shares: npt.NDArray[np.float64], low: QColor, high: QColor) -> QImage:
    """A pixel for each cell, in the colours of `_between`."""
    part = (np.clip(shares, 0, 1) ** 0.6)[..., None]
    one, other = (np.array((end.red(), end.green(), end.blue()), float) for end in (low, high))
    pixels = np.ascontiguousarray(np.rint((1 - part) * one + part * other).astype(np.uint8))
    rows, columns, _ = pixels.shape
    form = QImage.Format.Format_RGB888
    return QImage(pixels.data, columns, rows, 3 * columns, form).copy()


def _between(low: QColor, high: QColor, share: float) -> QColor:
    """From one colour to the other; small shares are lifted, as they are what one looks for."""
    part = min(1.0, max(0.0, share)) ** 0.6
    ends = ((low.red(), high.red()), (low.green(), high.green()), (low.blue(), high.blue()))
    return QColor(*(round((1 - part) * one + part * other) for one, other in ends))


def _readable(behind: str) -> str:
    dark, light = "#0a1424", "#ffffff"
    return dark if contrast(dark, behind) >= contrast(light, behind) else light

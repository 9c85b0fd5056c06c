"""Shares by category as bars with their numbers: IoU, or how much of the pixels there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from segstudio.gui.dialogs.report_table import Cell, Finding, ReportTable
from segstudio.gui.theme import SPACING, current_tokens, numeric_font

Index = QModelIndex | QPersistentModelIndex
BAR = 1  # the column of the bars
FILTERED = 16  # categories from which on one wants to look for one
NUMBER = "100.0 %"


class ShareDelegate(QStyledItemDelegate):
    """Draws a share of 1 as a bar in its category's colour, and its number beside it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.colours: dict[str, str] = {}
        self.full = 1.0  # the share that fills the cell

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        share = index.data(Qt.ItemDataRole.UserRole)
        if not isinstance(share, float):
            return
        name = index.sibling(index.row(), 0).data()
        tokens = current_tokens()
        area = QRectF(option.rect)
        numbers = option.fontMetrics.horizontalAdvance(NUMBER) + 2 * SPACING
        track = area.adjusted(SPACING, area.height() / 2 - 5, -numbers - SPACING, 0)
        track.setHeight(10)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tokens.colour("hover"))
        painter.drawRoundedRect(track, 2, 2)
        bar = QRectF(track)
        bar.setWidth(max(2.0, track.width() * min(1.0, share / max(self.full, 1e-9))))
        painter.setPen(tokens.colour("dim"))  # pale and dark colours alike keep their ends
        painter.setBrush(QColor(self.colours.get(name, tokens.accent)))
        painter.drawRoundedRect(bar.adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)
        painter.restore()

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        option.displayAlignment = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return super().sizeHint(option, index).expandedTo(QSize(120, 0))


class ShareBars(ReportTable):
    """A table of category, bar and whatever else; sorted, copied and filtered as reports are."""

    def __init__(self, name: str, headings: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(name, headings, parent)
        self._delegate = ShareDelegate(self.view)
        self.view.setItemDelegateForColumn(BAR, self._delegate)
        self.view.setFont(numeric_font(self.view.font()))
        header = self.view.horizontalHeader()
        header.setStretchLastSection(False)

    def show_shares(
        self,
        rows: Sequence[tuple[Cell, ...]],
        colours: Mapping[str, str],
        full: float = 1.0,
    ) -> None:
        """Rows of name, share (None: there is none) and more; colours by name."""
        self._delegate.colours, self._delegate.full = dict(colours), full
        self.show_rows([Finding(row) for row in rows])
        header = self.view.horizontalHeader()
        header.setSectionResizeMode(BAR, QHeaderView.ResizeMode.Stretch)
        several = len(rows) >= FILTERED
        self.filter.setVisible(several)
        self.shown.setVisible(several)
        rows_high = self.view.verticalHeader().defaultSectionSize()
        high = header.sizeHint().height() + rows_high * min(len(rows), FILTERED) + 2 * SPACING
        self.view.setMinimumHeight(high)

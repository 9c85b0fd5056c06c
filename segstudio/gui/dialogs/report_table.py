"""A table of findings: sorted by any column, filtered by words, copied, and opened row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.theme import SPACING, numeric_font

Index = QModelIndex | QPersistentModelIndex
Cell = str | int | float | None  # floats are shares of 1, shown in percent; None is "none"
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
_OPENING = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
SAMPLED = 400  # rows that are looked at for the longest text of a column
WIDEST = 260  # px of a column but the last, before anybody drags it


@dataclass(frozen=True)
class Finding:
    """One row: what its cells say, and where opening it leads.

    `path` is an image's path in the project ("" leads nowhere), `annotation_id` what is on it (0:
    the image alone).
    """

    cells: tuple[Cell, ...]
    path: str = ""
    annotation_id: int = 0


class FindingModel(QAbstractTableModel):
    """Rows as they are filtered and sorted. Sorting asks no cell twice: 10,000 rows take 10 ms."""

    def __init__(self, headings: Sequence[str]) -> None:
        super().__init__()
        self._headings = tuple(headings)
        self._all: tuple[Finding, ...] = ()
        self._words: tuple[str, ...] = ()
        self._order: tuple[int, bool] | None = None  # column, and whether downwards
        self.rows: list[Finding] = []

    def show(self, rows: Sequence[Finding], headings: Sequence[str] | None = None) -> None:
        """Show these; with `headings`, below others than before and unsorted."""
        self._all = tuple(rows)
        if headings is not None and tuple(headings) != self._headings:
            self.beginResetModel()
            self._headings, self._order, self.rows = tuple(headings), None, []
            self.endResetModel()
        self._refill()

    def filter(self, text: str) -> None:
        """Show the rows that hold every word of `text`, in any cell."""
        self._words = tuple(text.casefold().split())
        self._refill()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By that column; -1 as they came."""
        down = order == Qt.SortOrder.DescendingOrder
        self._order = (column, down) if column >= 0 else None
        self._refill()

    def _refill(self) -> None:
        self.beginResetModel()
        rows = [row for row in self._all if _holds(row, self._words)]
        if self._order is not None:
            column, down = self._order
            rows.sort(key=lambda row: _rank(row.cells[column]), reverse=down)
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._headings)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == _ROLE.DisplayRole:
            return self._headings[section]
        if role == _ROLE.TextAlignmentRole and self._all:
            return _alignment(self._all[0].cells[section])
        return None

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> object:
        cell = self.rows[index.row()].cells[index.column()]
        if role == _ROLE.DisplayRole:
            return _shown(cell)
        if role == _ROLE.UserRole:
            return cell
        if role == _ROLE.ToolTipRole and isinstance(cell, str):
            return cell or None
        if role == _ROLE.TextAlignmentRole:
            return _alignment(cell)
        return None

    def as_text(self, rows: Sequence[int]) -> str:
        """Those rows below the headings, cells parted by tabs: what a spreadsheet takes."""
        lines = ["\t".join(self._headings)]
        lines += ["\t".join(map(_copied, self.rows[row].cells)) for row in rows]
        return "\n".join(lines)


class ReportTable(QWidget):
    """A filter line above a table. Double click or Enter opens a row that leads somewhere."""

    opened = Signal(str, int)  # an image's path, and the id of an annotation or 0

    def __init__(self, name: str, headings: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = FindingModel(headings)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(self.tr("Filter"))
        self.filter.setAccessibleName(self.tr("Filter"))
        self.filter.setClearButtonEnabled(True)
        self.shown = QLabel()
        self.shown.setFont(numeric_font(self.font()))
        self.shown.setProperty("role", "dim")
        self.view = QTableView()
        self.view.setAccessibleName(name)
        self.view.setModel(self.model)
        self._set_up_view()
        self._total = 0
        line = QHBoxLayout()
        line.addWidget(self.filter, 1)
        line.addWidget(self.shown)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * SPACING)
        layout.addLayout(line)
        layout.addWidget(self.view, 1)
        self.filter.textChanged.connect(self._filter)
        self.view.doubleClicked.connect(lambda index: self._open(index.row()))
        self.view.installEventFilter(self)

    def _set_up_view(self) -> None:
        view, behaviour = self.view, QAbstractItemView.SelectionBehavior.SelectRows
        view.setSelectionBehavior(behaviour)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setWordWrap(False)
        view.setShowGrid(False)
        view.setTabKeyNavigation(False)
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 2 * SPACING)
        header = view.horizontalHeader()
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        view.setSortingEnabled(True)

    def show_rows(
        self, rows: Sequence[Finding], total: int = 0, headings: Sequence[str] | None = None
    ) -> None:
        """Show `rows`; `total` says how many there are where these are only the first."""
        self._total = max(total, len(rows))
        self.model.show(rows, headings)
        self._fit_columns()
        self._count()

    def _fit_columns(self) -> None:
        """As wide as the longest texts. Qt asks up to 1000 rows for that, which takes 0.2 s."""
        rows, header = self.model.rows, self.view.horizontalHeader()
        some = range(0, len(rows), max(1, len(rows) // SAMPLED))
        last = self.model.columnCount() - 1
        for column in range(last + 1):
            lengths = [(len(_shown(rows[row].cells[column])), row) for row in some]
            longest = [self.model.index(row, column) for _, row in nlargest(3, lengths)]
            hints = [self.view.sizeHintForIndex(index).width() for index in longest]
            width = max([header.sectionSizeHint(column), *hints])
            narrow = min(WIDEST, width + 2 * SPACING)
            self.view.setColumnWidth(column, width if column == last else narrow)

    def _filter(self, text: str) -> None:
        self.model.filter(text)
        self._count()

    def _count(self) -> None:
        rows = len(self.model.rows)
        whole = self.tr("Rows: {:,}").format(rows)
        part = self.tr("Rows: {:,} of {:,}").format(rows, self._total)
        self.shown.setText(whole if rows == self._total else part)

    def _open(self, row: int) -> None:
        finding = self.model.rows[row]
        if finding.path:
            self.opened.emit(finding.path, finding.annotation_id)

    def copy(self) -> None:
        """The selected rows, or all that are shown, to the clipboard."""
        chosen = sorted({index.row() for index in self.view.selectionModel().selectedRows()})
        rows = chosen or range(len(self.model.rows))
        QGuiApplication.clipboard().setText(self.model.as_text(rows))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter opens the row where one stands, Ctrl+C copies."""
        if watched is self.view and isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.ShortcutOverride and _is_copy(event):
                event.accept()  # else the window's own shortcut of that key would take it
                return True
            if event.type() == QEvent.Type.KeyPress:
                current = self.view.currentIndex()
                if _is_copy(event):
                    self.copy()
                    return True
                if event.key() in _OPENING and current.isValid():
                    self._open(current.row())
                    return True
        return super().eventFilter(watched, event)


def _is_copy(event: QKeyEvent) -> bool:
    return event.matches(QKeySequence.StandardKey.Copy)


def _holds(row: Finding, words: tuple[str, ...]) -> bool:
    if not words:
        return True
    told = (str(cell) if isinstance(cell, int) else _shown(cell) for cell in row.cells)
    text = " ".join(told).casefold()
    return all(word in text for word in words)


def _alignment(cell: Cell) -> Qt.AlignmentFlag:
    words = isinstance(cell, str)
    side = Qt.AlignmentFlag.AlignLeft if words else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter


def _rank(cell: Cell) -> tuple[float, str]:
    if cell is None:
        return -1.0, ""
    return (0, cell.casefold()) if isinstance(cell, str) else (cell, "")


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{100 * cell:.1f} %"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _copied(cell: Cell) -> str:
    """As a spreadsheet takes it: no thousands, every digit."""
    return "" if cell is None else str(cell)

"""The history panel: every step of the open image, where one stands, and a way to each."""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractTableModel,
    QDateTime,
    QEvent,
    QLocale,
    QModelIndex,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QKeyEvent, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.changes import HistoryLine, HistoryStep
from segstudio.gui.icons import icon
from segstudio.gui.theme import current_tokens, numeric_font

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
TEXT, TIME = 0, 1
MARKER = 12  # side of the arrow where one stands, in logical pixels
_OPENING = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class HistoryModel(QAbstractTableModel):
    """Row 0 is before the first step; row n is after step n. Names and times."""

    def __init__(self) -> None:
        super().__init__()
        self._line = HistoryLine()
        self._here = 0
        self._marker, self._no_marker = icon("next"), QPixmap(MARKER, MARKER)
        self._no_marker.fill(Qt.GlobalColor.transparent)  # so that all names begin at one place

    @property
    def here(self) -> int:
        """The row where one stands."""
        return self._here

    def sequence(self, row: int) -> int:
        """What `go_to` takes for that row."""
        return self._line.steps[row - 1].sequence if row else 0

    def show_line(self, line: HistoryLine) -> None:
        """Show other steps; rows that both lines begin with stay as they are."""
        same = _shared(self._line.steps, line.steps)
        old, new = len(self._line.steps), len(line.steps)
        if same < old:
            self.beginRemoveRows(_ROOT, same + 1, old)
            self._line = HistoryLine(line.steps[:same], self._line.at)
            self._here = min(self._here, same)
            self.endRemoveRows()
        if same < new:
            self.beginInsertRows(_ROOT, same + 1, new)
            self._line = line
            self.endInsertRows()
        was, self._line, self._here = self._here, line, _row_of(line)
        first, last = sorted((was, self._here))
        self.dataChanged.emit(self.index(first, TEXT), self.index(last, TIME))

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._line.steps) + 1

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else 2

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> object:
        row, column = index.row(), index.column()
        step = self._line.steps[row - 1] if row else None
        if role == _ROLE.DisplayRole:
            return self._text(step) if column == TEXT else moment(step.made_at) if step else ""
        if role == _ROLE.ForegroundRole:
            return current_tokens().colour("dim" if column or row > self._here else "text")
        if role == _ROLE.FontRole and row >= self._here:
            font = QFont()
            font.setBold(row == self._here)
            font.setItalic(row > self._here)
            return font
        if role == _ROLE.DecorationRole and column == TEXT:
            return self._marker if row == self._here else self._no_marker
        if role in (_ROLE.ToolTipRole, _ROLE.AccessibleTextRole):
            return self._spoken(row, step)
        return None

    def _text(self, step: HistoryStep | None) -> str:
        return step.text if step else self.tr("Before the first step")

    def _spoken(self, row: int, step: HistoryStep | None) -> str:
        """All there is to know of a row, for tool tips and screen readers."""
        said = self._text(step)
        if step is not None:
            when = QDateTime.fromMSecsSinceEpoch(int(1000 * step.made_at))
            day = QLocale().toString(when, QLocale.FormatType.LongFormat)
            said = self.tr("{}, {}, by {}").format(said, day, step.user or "?")
        if row == self._here:
            return self.tr("{}: you are here").format(said)
        return self.tr("{} (undone)").format(said) if row > self._here else said


class HistoryTable(QTableView):
    """A click or Enter opens the row; the arrow keys only move among them."""

    opened = Signal(int)  # row

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.clicked.connect(lambda index: self.opened.emit(index.row()))

    def event(self, event: QEvent) -> bool:
        """Enter belongs to the list while it has the focus, not to the window's actions."""
        if (
            event.type() is QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() in _OPENING
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _OPENING and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().row())
        else:
            super().keyPressEvent(event)


class HistoryPanel(QWidget):
    """The steps of the open image, oldest first; those that were undone are pale."""

    step_wanted = Signal(int)  # sequence; 0 is before the first

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = HistoryModel()
        self.view = HistoryTable(self)
        self.view.setModel(self.model)
        self.view.setObjectName("history")
        self.view.setAccessibleName(self.tr("History"))
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setShowGrid(False)
        self.view.setTabKeyNavigation(False)
        self.view.setWordWrap(False)
        self.view.setIconSize(QSize(MARKER, MARKER))
        self._set_headers()
        self._empty = QLabel(self.tr("Every step on this image will be listed here."), self)
        self._empty.setWordWrap(True)
        self._empty.setProperty("role", "dim")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(self._empty)
        layout.addWidget(self.view, 1)
        self.view.opened.connect(lambda row: self.step_wanted.emit(self.model.sequence(row)))
        self.show_line(HistoryLine())

    def _set_headers(self) -> None:
        """Of fixed sizes: nothing is measured row by row, however many there are."""
        rows, columns = self.view.verticalHeader(), self.view.horizontalHeader()
        rows.hide()
        columns.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(self.view.fontMetrics().height() + 8)
        columns.setSectionResizeMode(TEXT, QHeaderView.ResizeMode.Stretch)
        columns.setSectionResizeMode(TIME, QHeaderView.ResizeMode.Fixed)
        self.view.setFont(numeric_font(self.view.font()))
        widest = self.view.fontMetrics().horizontalAdvance(moment(0.0))
        self.view.setColumnWidth(TIME, widest + 20)

    def show_line(self, line: HistoryLine) -> None:
        """Show these steps, and where one stands among them."""
        self.model.show_line(line)
        self._empty.setVisible(not line.steps)
        self.view.setVisible(bool(line.steps))
        self.view.setCurrentIndex(self.model.index(self.model.here, TEXT))


def moment(seconds: float) -> str:
    """Today the time of day, else day and time, in the user's own zone and manner."""
    when = QDateTime.fromMSecsSinceEpoch(int(1000 * seconds))
    if when.date() == QDateTime.currentDateTime().date():
        return str(when.toString("HH:mm:ss"))
    day = QLocale().toString(when.date(), QLocale.FormatType.ShortFormat)
    return f"{day} {when.toString('HH:mm')}"


def _row_of(line: HistoryLine) -> int:
    """The row of the last step that is done."""
    low, high = 0, len(line.steps)
    while low < high:
        middle = (low + high) // 2
        if line.steps[middle].sequence <= line.at:
            low = middle + 1
        else:
            high = middle
    return low


def _shared(old: tuple[HistoryStep, ...], new: tuple[HistoryStep, ...]) -> int:
    """How many steps both begin with."""
    least = min(len(old), len(new))
    if old[:least] == new[:least]:  # compares the very same objects at once
        return least
    return next(row for row in range(least) if old[row] != new[row])

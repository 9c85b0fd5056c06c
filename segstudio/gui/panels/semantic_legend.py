"""The legend of a prediction: which categories there are, how much of each, and how sure."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from segstudio.gui.canvas.label_map_levels import Share
from segstudio.gui.canvas.label_map_look import LabelMapLook
from segstudio.gui.icons import paint_icon
from segstudio.gui.panels.categories import swatch
from segstudio.gui.theme import SPACING, current_tokens, numeric_font

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
EYE, NAME, PIXELS, PERCENT, SURE = range(5)
MARK = 14  # side of the eyes, in logical pixels
ROW_HEIGHT = 6 * SPACING
NARROW = 300  # px below which there is no room for the pixels; the line below the legend has them
LEAST_ROWS, MOST_ROWS = 3, 6  # that are in sight at once, so that what is below them is too
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class LegendModel(QAbstractTableModel):
    """One row for each category that the prediction has; `look` says which eyes are open."""

    eye_pressed = Signal(str)  # name of a category

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Share] = []
        self.look = LabelMapLook()
        self.area = 0  # of the image, in pixels
        self._sorted_by = (PIXELS, Qt.SortOrder.DescendingOrder)

    def show(self, shares: Sequence[Share], area: int) -> None:
        """Another prediction."""
        self.beginResetModel()
        self.rows, self.area = [share for share in shares if share.held], area
        self._arrange()
        self.endResetModel()

    def follow(self, shares: Sequence[Share], look: LabelMapLook) -> None:
        """The same prediction, shown otherwise: rows keep their places under a moving slider."""
        now = {share.index: share for share in shares}
        self.rows = [now[row.index] for row in self.rows]
        self.look = look
        if self.rows:
            self.dataChanged.emit(self.index(0, EYE), self.index(len(self.rows) - 1, SURE))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By that column; the eyes and -1 by area."""
        self.layoutAboutToBeChanged.emit()
        before = [row.index for row in self.rows]
        if column in (EYE, -1):
            column, order = PIXELS, Qt.SortOrder.DescendingOrder
        self._sorted_by = (column, order)
        self._arrange()
        places = {row.index: n for n, row in enumerate(self.rows)}
        old = self.persistentIndexList()
        moved = [self.index(places[before[one.row()]], one.column()) for one in old]
        self.changePersistentIndexList(old, moved)
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        column, order = self._sorted_by
        down = order == Qt.SortOrder.DescendingOrder
        if column == NAME:
            self.rows.sort(key=lambda row: row.category.name.casefold(), reverse=down)
        elif column == SURE:
            self.rows.sort(key=lambda row: row.confidence, reverse=down)
        else:
            self.rows.sort(key=lambda row: row.held, reverse=down)

    def is_hidden(self, row: int) -> bool:
        return self.look.is_hidden(self.rows[row].category)

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else 5

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == _ROLE.DisplayRole:
            return ("", self.tr("Category"), self.tr("px"), self.tr("Area"), self.tr("Sure"))[
                section
            ]
        if role == _ROLE.ToolTipRole:
            return (
                "",
                "",
                self.tr("Pixels of the image"),
                self.tr("Share of the image"),
                self.tr("Mean confidence of its pixels"),
            )[section]
        if role == _ROLE.TextAlignmentRole and section >= PIXELS:
            return _RIGHT
        return None

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> object:
        row, column = self.rows[index.row()], index.column()
        if role == _ROLE.DisplayRole:
            return self.text(row, column)
        if role == _ROLE.DecorationRole and column == NAME:
            return swatch(row.category.colour)
        if role == _ROLE.ForegroundRole and (self.is_hidden(index.row()) or not row.pixels):
            return current_tokens().colour("dim")
        if role in (_ROLE.ToolTipRole, _ROLE.AccessibleTextRole):
            return self._spoken(index.row(), column, tip=role == _ROLE.ToolTipRole)
        if role == _ROLE.TextAlignmentRole and column >= PIXELS:
            return _RIGHT
        return None

    def text(self, row: Share, column: int) -> str:
        """What stands in a cell."""
        if column == NAME:
            return row.category.name
        if column == PIXELS:
            return f"{row.pixels:,}"
        if column == PERCENT:
            return f"{100 * row.pixels / max(1, self.area):.1f} %"
        if column == SURE:
            return f"{100 * row.confidence:.0f} %" if row.pixels else "–"
        return ""

    def _spoken(self, number: int, column: int, *, tip: bool) -> str:
        row = self.rows[number]
        if column == EYE:
            what = self.tr("Show {}") if self.is_hidden(number) else self.tr("Hide {}")
            return what.format(row.category.name)
        if not tip:
            return self.text(row, column)
        told = self.tr("{}: {} of {:,} pixels are sure enough")
        return told.format(row.category.name, f"{row.pixels:,}", row.held)


class _Eyes(QStyledItemDelegate):
    """Shut eyes in full, open ones faintly."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        model, tokens = index.model(), current_tokens()
        if isinstance(model, LegendModel):
            shut = model.is_hidden(index.row())
            square = QRectF(0, 0, MARK, MARK)
            square.moveCenter(QRectF(option.rect).center())
            name, colour = ("eye-off", tokens.text) if shut else ("eye", tokens.dim)
            paint_icon(painter, name, square, colour)


class Legend(QTableView):
    """The table; a press on an eye opens or shuts it and leaves the selection as it is."""

    chosen = Signal()  # the selection is another one

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.legend = LegendModel()
        self.setModel(self.legend)
        self.setAccessibleName(self.tr("Legend"))
        self.setFont(numeric_font(self.font()))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(MARK, MARK))
        self.setItemDelegateForColumn(EYE, _Eyes(self))
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setMinimumSectionSize(1)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(ROW_HEIGHT)
        columns.setHighlightSections(False)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setMinimumSectionSize(24)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        columns.setSortIndicator(-1, Qt.SortOrder.DescendingOrder)
        columns.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)
        self.selectionModel().selectionChanged.connect(lambda *_: self.chosen.emit())
        self.legend.modelReset.connect(self._fit)
        self._fit()

    def names(self) -> tuple[str, ...]:
        """The selected categories; none where none is."""
        rows = sorted({index.row() for index in self.selectionModel().selectedRows()})
        return tuple(self.legend.rows[row].category.name for row in rows)

    def _fit(self) -> None:
        """Columns as wide as their texts; as many rows in sight as there are, within bounds."""
        metrics, header = self.fontMetrics(), self.horizontalHeader()
        header.resizeSection(EYE, MARK + 10)
        for column in (PIXELS, PERCENT, SURE):
            title = str(self.legend.headerData(column, Qt.Orientation.Horizontal))
            texts = {self.legend.text(row, column) for row in self.legend.rows}
            texts |= {"100 %"} if column == SURE else {"99.9 %"} if column == PERCENT else set()
            widest = max(metrics.horizontalAdvance(text) for text in {title + " ▾", *texts})
            header.resizeSection(column, widest + 3 * SPACING)
        rows = min(MOST_ROWS, max(LEAST_ROWS, len(self.legend.rows)))
        self.setMinimumHeight(header.sizeHint().height() + rows * ROW_HEIGHT + 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.setColumnHidden(PIXELS, self.width() < NARROW)
        super().resizeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self._press_eye(event):
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if not self._press_eye(event):
            super().mouseDoubleClickEvent(event)

    def _press_eye(self, event: QMouseEvent) -> bool:
        index = self.indexAt(event.position().toPoint())
        pressed = event.button() is Qt.MouseButton.LeftButton and index.column() == EYE
        if pressed and index.isValid():
            self.legend.eye_pressed.emit(self.legend.rows[index.row()].category.name)
        return pressed and index.isValid()

    def event(self, event: QEvent) -> bool:
        """Enter and Esc mean something else in the window, but not while the legend has the keys.

        Enter opens and shuts the eyes of what is selected, Esc selects nothing.
        """
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            wanted = event.key() in (*_ENTER, Qt.Key.Key_Escape)
            if wanted and self.names():
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        names = self.names()
        if event.key() in _ENTER and names:
            for name in names:
                self.legend.eye_pressed.emit(name)
        elif event.key() == Qt.Key.Key_Escape and names:
            self.clearSelection()
        else:
            super().keyPressEvent(event)

"""The annotations panel: what is on the open image, front first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QHoverEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.annotation import Annotation
from segstudio.gui.icons import paint_icon
from segstudio.gui.panels.categories import swatch
from segstudio.gui.panels.row_drag import DraggedRows
from segstudio.gui.theme import current_tokens
from segstudio.gui.workspace import Workspace

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
_SPOKEN = _ROLE.AccessibleTextRole
# Views ask for a dozen more, of each cell that they paint.
_ANSWERED = frozenset(
    role.value
    for role in (
        _ROLE.DisplayRole,
        _ROLE.DecorationRole,
        _ROLE.ForegroundRole,
        _ROLE.TextAlignmentRole,
        _ROLE.ToolTipRole,
        _SPOKEN,
    )
)
EYE, LOCK, NAME, SCORE, TOOL = range(5)
PADDING = 8  # beside texts and marks, in logical pixels
MARK = 14  # side of the marks in the first two columns, in logical pixels


class AnnotationModel(DraggedRows):
    """Rows of the open image's annotations, front first, with an eye and a lock each."""

    shown_changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self.hidden: frozenset[int] = frozenset()
        self._swatches: dict[str, object] = {}

    def reload(self) -> None:
        """Take the open image's annotations; only rows that came, went or changed are told.

        The list then keeps its place, and has little to do for one edit among thousands.
        """
        old, new = self.rows, tuple(reversed(self._workspace.annotations))
        start = _alike(old, new)
        end = _alike(old[start:][::-1], new[start:][::-1])
        self.hidden &= {row.id for row in new}
        if gone := len(old) - end - start:
            self.beginRemoveRows(_ROOT, start, start + gone - 1)
            self.rows = old[:start] + old[start + gone :]
            self.endRemoveRows()
        if came := len(new) - end - start:
            self.beginInsertRows(_ROOT, start, start + came - 1)
            self.rows = new
            self.endInsertRows()
        self.rows = new
        kept = [*zip(range(start), old[:start], strict=True)]
        kept += zip(range(start + came, len(new)), old[start + gone :], strict=True)
        for row, before in kept:
            if before is not new[row]:
                self.dataChanged.emit(self.index(row, EYE), self.index(row, TOOL))

    def show_categories(self) -> None:
        """Names or colours of categories changed."""
        if self.rows:
            self.dataChanged.emit(self.index(0, EYE), self.index(len(self.rows) - 1, TOOL))

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else 5

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal or role != _ROLE.DisplayRole:
            return None
        names = ("", "", self.tr("Category"), self.tr("Score"), self.tr("Made by"))
        return names[section]

    def mark(self, row: int, column: int) -> tuple[str, bool]:
        """The icon of an eye or a lock, and whether it says something out of the ordinary."""
        annotation = self.rows[row]
        if column == EYE:
            hidden = annotation.id in self.hidden
            return "eye-off" if hidden else "eye", hidden
        return "lock" if annotation.locked else "unlock", annotation.locked

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> object:
        if role not in _ANSWERED:
            return None
        row, column = self.rows[index.row()], index.column()
        category = self._workspace.categories.get(row.category_id)
        if role == _ROLE.ForegroundRole and row.locked:
            return current_tokens().colour("dim")
        if role in (_ROLE.ToolTipRole, _SPOKEN) and column in (EYE, LOCK):
            return self._mark_text(row, column)
        if role == _ROLE.DisplayRole:
            return self._text(row, category.name if category else "", column)
        if role == _ROLE.DecorationRole and column == NAME and category is not None:
            if category.colour not in self._swatches:
                self._swatches[category.colour] = swatch(category.colour)
            return self._swatches[category.colour]
        if role == _ROLE.ToolTipRole:
            return self.tr("{} pixels, made with {} {}").format(
                row.mask.area, row.tool, row.model_key
            )
        if role == _ROLE.TextAlignmentRole and column == SCORE:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _text(self, row: Annotation, name: str, column: int) -> str:
        if column == SCORE:
            return "" if row.predicted_iou is None else f"{row.predicted_iou:.2f}"
        refined = row.prompt is not None and row.prompt.prior is not None
        made = self.tr("{}, refined").format(row.tool) if refined else row.tool
        return {NAME: name, TOOL: made}.get(column, "")

    def texts(self, column: int) -> set[str]:
        """The different texts of a column that does not name categories."""
        if column == SCORE:
            alike = {row.predicted_iou: row for row in self.rows}
            return {self._text(row, "", column) for row in alike.values()}
        prompts = ((row, row.prompt) for row in self.rows)
        some = {(row.tool, p is not None and p.prior is not None): row for row, p in prompts}
        return {self._text(row, "", column) for row in some.values()}

    def _mark_text(self, row: Annotation, column: int) -> str:
        if column == EYE:
            return self.tr("Show") if row.id in self.hidden else self.tr("Hide")
        return self.tr("Unlock") if row.locked else self.tr("Lock")

    def toggle_shown(self, row: int) -> None:
        """Open or shut the eye of a row."""
        self.hidden = self.hidden ^ {self.rows[row].id}
        index = self.index(row, EYE)
        self.dataChanged.emit(index, index)
        self.shown_changed.emit()


class Cells(QStyledItemDelegate):
    """Shows the whole row under the pointer as one; a table shows the cell."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        view = option.widget
        if isinstance(view, AnnotationList) and view.hovered == index.row():
            option.state |= QStyle.StateFlag.State_MouseOver


class Marks(Cells):
    """Draws eyes and locks: what is out of the ordinary in full, the rest faintly."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        model, tokens = index.model(), current_tokens()
        if isinstance(model, AnnotationModel):
            name, plain = model.mark(index.row(), index.column())
            square = QRectF(0, 0, MARK, MARK)
            square.moveCenter(QRectF(option.rect).center())
            paint_icon(painter, name, square, tokens.text if plain else tokens.disabled)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(MARK + 8, super().sizeHint(option, index).height())


class AnnotationList(QTableView):
    """A press on an eye or a lock toggles it and leaves the selection as it is.

    A table, as a tree asks for every row anew whenever one comes or goes.
    """

    mark_pressed = Signal(int, int)  # row, column

    def __init__(self, model: AnnotationModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.hovered = -1  # row under the pointer
        self.setModel(model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setIconSize(QSize(MARK, MARK))
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(False)
        self.setItemDelegate(Cells(self))
        marks = Marks(self)
        for column in (EYE, LOCK):
            self.setItemDelegateForColumn(column, marks)
        self._set_headers(model)

    def _set_headers(self, model: AnnotationModel) -> None:
        """Of fixed sizes: nothing is measured row by row, however many there are."""
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setMinimumSectionSize(1)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setSectionsClickable(False)
        columns.setMinimumSectionSize(24)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        # The list's own selection would be asked, row by row, whether it holds a whole column.
        columns.setSelectionModel(QItemSelectionModel(model, columns))

    def fit_rows(self) -> None:
        """All as high as the first one."""
        rows, height = self.verticalHeader(), self.sizeHintForRow(0)
        if height not in (-1, rows.defaultSectionSize()):
            rows.setDefaultSectionSize(height)

    def viewportEvent(self, event: QEvent) -> bool:
        """Know the row under the pointer before the base class paints it anew."""
        if isinstance(event, QHoverEvent):
            left = event.type() is QEvent.Type.HoverLeave
            self.hovered = -1 if left else self.rowAt(round(event.position().y()))
        return super().viewportEvent(event)

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """Rows are what one goes through, not the cells of one."""
        moves = QAbstractItemView.CursorAction
        if action in (moves.MoveLeft, moves.MoveRight):
            return self.currentIndex()
        if action in (moves.MoveHome, moves.MoveEnd):
            row = 0 if action == moves.MoveHome else self.model().rowCount() - 1
            return self.model().index(row, max(EYE, self.currentIndex().column()))
        return super().moveCursor(action, modifiers)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self._press_mark(event):
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if not self._press_mark(event):
            super().mouseDoubleClickEvent(event)

    def _press_mark(self, event: QMouseEvent) -> bool:
        index = self.indexAt(event.position().toPoint())
        pressed = event.button() is Qt.MouseButton.LeftButton and index.column() in (EYE, LOCK)
        if pressed and index.isValid():
            self.mark_pressed.emit(index.row(), index.column())
        return pressed and index.isValid()


class AnnotationsPanel(QWidget):
    """The list; its selection is the workspace's."""

    hidden_changed = Signal(object)  # frozenset of annotation ids whose eye is shut
    lock_wanted = Signal(object, bool)  # tuple of annotation ids, locked
    opened = Signal(int)  # annotation id: a double click wants to refine it

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.model = AnnotationModel(workspace)
        self._view = AnnotationList(self.model, self)
        self._view.setObjectName("annotations")
        self._view.setAccessibleName(self.tr("Annotations"))
        self._empty = QLabel(self.tr("Nothing yet. Click an object, then press Space."), self)
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._empty.setProperty("role", "dim")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(self._empty)
        layout.addWidget(self._view, 1)
        self._view.selectionModel().selectionChanged.connect(self._take_selection)
        self._view.mark_pressed.connect(self._toggle)
        self._view.doubleClicked.connect(self._open)
        self.model.shown_changed.connect(lambda: self.hidden_changed.emit(self.model.hidden))
        workspace.image_changed.connect(self.refresh)
        workspace.edited.connect(lambda _: self.refresh())
        workspace.categories_changed.connect(self.model.show_categories)
        workspace.selection_changed.connect(self._show_selection)
        self._showing = False
        self.refresh()

    def refresh(self) -> None:
        self._showing = True
        self.model.reload()
        self._showing = False
        self._empty.setVisible(not self.model.rows)
        self._view.setVisible(bool(self.model.rows))
        self._fit_columns()
        self._show_selection()

    def _fit_columns(self) -> None:
        """As wide as the widest text; there are few different ones."""
        metrics, header = self._view.fontMetrics(), self._view.horizontalHeader()
        texts = {column: self.model.texts(column) for column in (SCORE, TOOL)}
        for column, found in texts.items():
            title = str(self.model.headerData(column, Qt.Orientation.Horizontal))
            widest = max(metrics.horizontalAdvance(text) for text in {title, *found})
            header.resizeSection(column, widest + 2 * PADDING)
        for column in (EYE, LOCK):
            header.resizeSection(column, MARK + PADDING)
        self._view.fit_rows()

    def _show_selection(self) -> None:
        selection, wanted = QItemSelection(), set(self._workspace.selected)
        numbers = [number for number, row in enumerate(self.model.rows) if row.id in wanted]
        for first, last in _spans(numbers):
            selection.select(self.model.index(first, EYE), self.model.index(last, TOOL))
        self._showing = True
        select = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self._view.selectionModel().select(selection, select)
        self._showing = False
        if numbers:
            self._view.scrollTo(self.model.index(numbers[0], EYE))

    def _toggle(self, row: int, column: int) -> None:
        if column == EYE:
            self.model.toggle_shown(row)
        else:
            annotation = self.model.rows[row]
            self.lock_wanted.emit((annotation.id,), not annotation.locked)

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(self.model.rows[index.row()].id)

    def _take_selection(self) -> None:
        if not self._showing:
            found = self._view.selectionModel().selection()
            spans = [found.at(n) for n in range(found.count())]
            rows = sorted({n for span in spans for n in range(span.top(), span.bottom() + 1)})
            chosen = {self.model.rows[row].id: None for row in rows}
            before = {id_: None for id_ in self._workspace.selected if id_ in chosen}
            self._workspace.select(tuple(before | chosen))  # in the order of choosing


def _alike(one: Sequence[Annotation], other: Sequence[Annotation]) -> int:
    """How many annotations the two begin with in common."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a.id != b.id), min(len(one), len(other)))


def _spans(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of the runs of rising numbers without gaps."""
    starts = [n for n, number in enumerate(numbers) if n == 0 or numbers[n - 1] != number - 1]
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=False):
        yield numbers[start], numbers[end - 1]

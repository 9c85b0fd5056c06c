"""What becomes of a source's categories: a table whose last column is chosen or typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.category import Category
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget, ImportCategory
from segstudio.gui.panels.categories import swatch
from segstudio.gui.theme import SPACING, current_tokens

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
NAME, COUNT, TARGET = range(3)
ROW_HEIGHT = 8 * SPACING  # room for the box that a target is chosen in
_EDITS = QAbstractItemView.EditTrigger


class TargetModel(QAbstractTableModel):
    """One row for each category of the source; `targets` is by the source's key."""

    def __init__(self) -> None:
        super().__init__()
        self._all: tuple[ImportCategory, ...] = ()
        self.rows: list[ImportCategory] = []
        self.targets: dict[str, CategoryTarget] = {}
        self.known: dict[int, Category] = {}
        self.headings = (self.tr("In the source"), self.tr("Annotations"), self.tr("Becomes"))

    def show(self, found: Sequence[ImportCategory], known: Mapping[int, Category]) -> None:
        """Those found, with their suggested targets; `known` are the project's, by id."""
        self.beginResetModel()
        self._all, self.known = tuple(found), dict(known)
        self.rows = list(found)
        self.targets = {category.key: category.target for category in found}
        self.endResetModel()

    def recount(self, counts: Mapping[str, int]) -> None:
        """Other numbers of annotations, by key; all else stays."""
        for rows in (self.rows, found := list(self._all)):
            for place, row in enumerate(rows):
                rows[place] = replace(row, annotations=counts.get(row.key, 0))
        self._all = tuple(found)
        if self.rows:
            self.dataChanged.emit(self.index(0, COUNT), self.index(len(self.rows) - 1, COUNT))

    def filter(self, text: str) -> None:
        """Show the categories whose names hold every word of `text`."""
        words = text.casefold().split()
        self.beginResetModel()
        self.rows = [row for row in self._all if all(w in row.name.casefold() for w in words)]
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By that column; -1 as the source has them."""
        self.beginResetModel()
        if column == COUNT:
            self.rows.sort(key=lambda row: row.annotations)
        elif column >= 0:
            self.rows.sort(key=lambda row: self._text(row, column).casefold())
        else:
            places = {row.key: place for place, row in enumerate(self._all)}
            self.rows.sort(key=lambda row: places[row.key])
        if order == Qt.SortOrder.DescendingOrder and column >= 0:
            self.rows.reverse()
        self.endResetModel()

    def meant(self, typed: str) -> CategoryTarget:
        """The target of a name: the project's category of that name, or a new one."""
        name = " ".join(typed.split())
        same = (category.id for category in self.known.values() if category.name == name)
        number = next(same, 0)
        return CategoryTarget(number) if number else CategoryTarget(0, name)

    def put(self, rows: Sequence[int], target: CategoryTarget | None) -> None:
        """Give those rows a target; None: the one that was suggested."""
        for row in rows:
            category = self.rows[row]
            self.targets[category.key] = category.target if target is None else target
            self.dataChanged.emit(self.index(row, NAME), self.index(row, TARGET))

    def target_text(self, target: CategoryTarget) -> str:
        if target.category_id:
            category = self.known.get(target.category_id)
            return category.name if category else ""
        return self.tr("New: {}").format(target.name) if target.name else self.tr("Leave out")

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else 3

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _ROLE.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == _ROLE.TextAlignmentRole and section == COUNT:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != _ROLE.DisplayRole:
            return None
        return self.headings[section]

    def flags(self, index: Index) -> Qt.ItemFlag:
        editable = Qt.ItemFlag.ItemIsEditable if index.column() == TARGET else Qt.ItemFlag(0)
        return super().flags(index) | editable

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> object:
        row, column = self.rows[index.row()], index.column()
        target = self.targets[row.key]
        if role in (_ROLE.DisplayRole, _ROLE.ToolTipRole):
            return self._text(row, column)
        if role == _ROLE.ForegroundRole and target == LEFT_OUT:
            return current_tokens().colour("dim")
        if role == _ROLE.DecorationRole and column == TARGET:
            category = self.known.get(target.category_id)
            return swatch(category.colour) if category else None
        if role == _ROLE.TextAlignmentRole and column == COUNT:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _text(self, row: ImportCategory, column: int) -> str:
        if column == TARGET:
            return self.target_text(self.targets[row.key])
        return row.name if column == NAME else f"{row.annotations:,}"


class _TargetDelegate(QStyledItemDelegate):
    """A box with the project's categories, a new one, or none; any other name can be typed."""

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        del option
        model = index.model()
        assert isinstance(model, TargetModel)
        row = model.rows[index.row()]
        box = QComboBox(parent)
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        box.setAccessibleName(self.tr("What {} becomes").format(row.name))
        choices = [LEFT_OUT, *map(CategoryTarget, model.known)]
        if (new := model.meant(row.name)).name:
            choices.insert(0, new)
        for choice in choices:
            box.addItem(model.target_text(choice), choice)
            category = model.known.get(choice.category_id)
            if category is not None:
                box.setItemIcon(box.count() - 1, swatch(category.colour))
        return box

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        model = index.model()
        assert isinstance(model, TargetModel) and isinstance(editor, QComboBox)
        text = model.target_text(model.targets[model.rows[index.row()].key])
        place = editor.findText(text)
        editor.setCurrentIndex(place)
        editor.setEditText(text)

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        assert isinstance(model, TargetModel) and isinstance(editor, QComboBox)
        text = editor.currentText()
        place = editor.findText(text, Qt.MatchFlag.MatchExactly)
        if place >= 0:
            model.put([index.row()], editor.itemData(place))
        elif text.strip():
            model.put([index.row()], model.meant(text))


class CategoryTargets(QWidget):
    """The table with its filter, and buttons for many rows at once."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = TargetModel()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(self.tr("Filter"))
        self.filter.setAccessibleName(self.tr("Filter"))
        self.filter.setClearButtonEnabled(True)
        self.leave_out = QPushButton(self.tr("Leave out"))
        self.leave_out.setToolTip(self.tr("Leave the selected categories out"))
        self.suggested = QPushButton(self.tr("As suggested"))
        self.suggested.setToolTip(self.tr("Give the selected categories their first targets again"))
        self.view = QTableView()
        self.view.setAccessibleName(self.tr("What becomes of the categories"))
        self._set_up_view()
        line = QHBoxLayout()
        line.setSpacing(SPACING)
        line.addWidget(self.filter, 1)
        for button in (self.leave_out, self.suggested):
            button.setAutoDefault(False)
            line.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2 * SPACING, 0, 0)
        layout.setSpacing(2 * SPACING)
        layout.addLayout(line)
        layout.addWidget(self.view, 1)
        self.filter.textChanged.connect(self.model.filter)
        self.leave_out.clicked.connect(lambda: self.model.put(self._chosen(), LEFT_OUT))
        self.suggested.clicked.connect(lambda: self.model.put(self._chosen(), None))
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._follow())
        self.model.modelReset.connect(self._follow)
        self._follow()

    def _set_up_view(self) -> None:
        view = self.view
        view.setModel(self.model)
        view.setItemDelegate(_TargetDelegate(view))
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setEditTriggers(
            _EDITS.DoubleClicked | _EDITS.EditKeyPressed | _EDITS.SelectedClicked
            | _EDITS.AnyKeyPressed
        )  # fmt: skip
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = view.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(COUNT, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(TARGET, QHeaderView.ResizeMode.Stretch)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        view.setSortingEnabled(True)

    def _chosen(self) -> list[int]:
        return sorted({index.row() for index in self.view.selectionModel().selectedRows()})

    def _follow(self) -> None:
        for button in (self.leave_out, self.suggested):
            button.setEnabled(bool(self._chosen()))

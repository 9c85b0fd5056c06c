"""The annotations panel: what is on the open image, front first."""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.annotation import Annotation
from segstudio.gui.panels.categories import swatch
from segstudio.gui.workspace import Workspace

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
EYE, NAME, SCORE, TOOL = range(4)


class AnnotationModel(QAbstractTableModel):
    """Rows of the open image's annotations, front first; the eye is a check box."""

    shown_changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self.rows: tuple[Annotation, ...] = ()
        self.hidden: frozenset[int] = frozenset()
        self._swatches: dict[str, object] = {}

    def reload(self) -> None:
        self.beginResetModel()
        self.rows = tuple(reversed(self._workspace.annotations))
        self.hidden &= {row.id for row in self.rows}
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else 4

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is not Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        names = ("", self.tr("Category"), self.tr("Score"), self.tr("Made by"))
        return names[section]

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == EYE else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row, column = self.rows[index.row()], index.column()
        category = self._workspace.categories.get(row.category_id)
        if role == Qt.ItemDataRole.CheckStateRole and column == EYE:
            shown = row.id not in self.hidden
            return Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, category.name if category else "", column)
        if role == Qt.ItemDataRole.DecorationRole and column == NAME and category is not None:
            return self._swatches.setdefault(category.colour, swatch(category.colour))
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tr("{} pixels, made with {} {}").format(
                row.mask.area, row.tool, row.model_key
            )
        if role == Qt.ItemDataRole.TextAlignmentRole and column == SCORE:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _text(self, row: Annotation, name: str, column: int) -> str:
        if column == SCORE:
            return "" if row.predicted_iou is None else f"{row.predicted_iou:.2f}"
        return {NAME: name, TOOL: row.tool}.get(column, "")

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        del value  # the eye only toggles
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != EYE:
            return False
        self.hidden = self.hidden ^ {self.rows[index.row()].id}
        self.dataChanged.emit(index, index)
        self.shown_changed.emit()
        return True


class AnnotationsPanel(QWidget):
    """The list; its selection is the workspace's."""

    hidden_changed = Signal(object)  # frozenset of annotation ids whose eye is shut

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.model = AnnotationModel(workspace)
        self._view = QTreeView(self)
        self._view.setModel(self.model)
        self._view.setObjectName("annotations")
        self._view.setRootIsDecorated(False)
        self._view.setUniformRowHeights(True)
        self._view.setIconSize(QSize(14, 14))
        self._view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = self._view.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._empty = QLabel(self.tr("Nothing yet. Click an object, then press Space."), self)
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._empty.setProperty("role", "dim")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.addWidget(self._empty)
        layout.addWidget(self._view, 1)
        self._view.selectionModel().selectionChanged.connect(self._take_selection)
        self.model.shown_changed.connect(lambda: self.hidden_changed.emit(self.model.hidden))
        workspace.image_changed.connect(self.refresh)
        workspace.edited.connect(lambda _: self.refresh())
        workspace.categories_changed.connect(self.refresh)
        workspace.selection_changed.connect(self._show_selection)
        self._showing = False
        self.refresh()

    def refresh(self) -> None:
        self._showing = True
        self.model.reload()
        self._showing = False
        self._empty.setVisible(not self.model.rows)
        self._view.setVisible(bool(self.model.rows))
        self._show_selection()

    def _show_selection(self) -> None:
        selection, wanted = QItemSelection(), set(self._workspace.selected)
        for number, row in enumerate(self.model.rows):
            if row.id in wanted:
                last = self.model.index(number, TOOL)
                selection.select(self.model.index(number, EYE), last)
        self._showing = True
        select = QItemSelectionModel.SelectionFlag.ClearAndSelect
        self._view.selectionModel().select(selection, select)
        self._showing = False
        if selection.indexes():
            self._view.scrollTo(selection.indexes()[0])

    def _take_selection(self) -> None:
        if not self._showing:
            rows = self._view.selectionModel().selectedRows()
            self._workspace.select(tuple(self.model.rows[index.row()].id for index in rows))

"""The categories panel: digit keys, colours, names, counts."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPainter, QPixmap
from PySide6.QtWidgets import (
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.category import Category
from segstudio.gui.icons import icon
from segstudio.gui.workspace import Workspace

KEY, NAME, COUNT = range(3)
_ID = Qt.ItemDataRole.UserRole


class CategoriesPanel(QWidget):
    """Shows the categories; choosing one is what the next mask is accepted into."""

    chosen = Signal(int)
    named = Signal(str)  # a new category's name
    changed = Signal(object)  # Category
    deleted = Signal(int)
    left = Signal()  # naming is over; the hand goes back to the canvas

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._shown: tuple[Category, ...] = ()
        self._swatches: dict[str, QIcon] = {}
        self._tree = QTreeWidget(self)
        self._tree.setObjectName("categories")
        self._tree.setAccessibleName(self.tr("Categories"))
        self._tree.setColumnCount(3)
        self._tree.setHeaderHidden(True)
        self._tree.setRootIsDecorated(False)
        self._tree.setUniformRowHeights(True)
        self._tree.setIconSize(QSize(14, 14))
        self._tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header = self._tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        for column in (KEY, COUNT):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.name_box = QLineEdit(self)
        self.name_box.setAccessibleName(self.tr("Name of a new category"))
        self.name_box.setPlaceholderText(self.tr("Name a category, then Enter"))
        self._add = QToolButton(self)
        self._add.setIcon(icon("plus"))
        self._add.setAccessibleName(self.tr("New category"))
        self._add.setToolTip(self.tr("New category (N)"))
        self._empty = QLabel(self.tr("Press N to name the first one."), self)
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._empty.setProperty("role", "dim")
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.name_box, 1)
        row.addWidget(self._add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self._empty)
        layout.addWidget(self._tree, 1)
        layout.addLayout(row)

    def _connect(self) -> None:
        self._tree.itemClicked.connect(lambda item, _: self.chosen.emit(item.data(KEY, _ID)))
        self._tree.itemChanged.connect(self._renamed)
        self._tree.customContextMenuRequested.connect(self._menu)
        self.name_box.returnPressed.connect(self._take_name)
        self._add.clicked.connect(self.ask_name)
        self._workspace.categories_changed.connect(self.refresh)
        self._workspace.category_chosen.connect(self._show_chosen)
        self._workspace.edited.connect(lambda _: self._show_counts())
        self._workspace.renewed.connect(self._show_counts)

    # -- showing --------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the project's categories; rows that stay as they are are left alone."""
        wanted = tuple(self._workspace.categories.values())
        same = 0
        while same < min(len(wanted), len(self._shown)) and self._is_right(same, wanted[same]):
            same += 1
        self._tree.blockSignals(True)
        while self._tree.topLevelItemCount() > same:
            self._tree.takeTopLevelItem(self._tree.topLevelItemCount() - 1)
        self._tree.addTopLevelItems([self._item(category) for category in wanted[same:]])
        self._tree.blockSignals(False)
        self._shown = wanted
        self._empty.setVisible(not self._workspace.categories)
        self._tree.setVisible(bool(self._workspace.categories))
        self._show_counts()
        self._show_chosen()

    def _is_right(self, row: int, category: Category) -> bool:
        """Whether a row shows that category; a name that was typed may have been refused."""
        item = self._tree.topLevelItem(row)
        return (
            self._shown[row] == category and item is not None and item.text(NAME) == category.name
        )

    def _item(self, category: Category) -> QTreeWidgetItem:
        item = QTreeWidgetItem([category.key, category.name, ""])
        item.setData(KEY, _ID, category.id)
        if category.colour not in self._swatches:
            self._swatches[category.colour] = swatch(category.colour)
        item.setIcon(NAME, self._swatches[category.colour])
        item.setTextAlignment(COUNT, Qt.AlignmentFlag.AlignRight)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        item.setToolTip(NAME, category.name)
        return item

    def _items(self) -> list[QTreeWidgetItem]:
        tree = self._tree
        items = [tree.topLevelItem(row) for row in range(tree.topLevelItemCount())]
        return [item for item in items if item is not None]

    def _show_counts(self) -> None:
        self._tree.blockSignals(True)
        for item in self._items():
            count = str(self._workspace.category_counts[item.data(KEY, _ID)])
            if item.text(COUNT) != count:
                item.setText(COUNT, count)
        self._tree.blockSignals(False)

    def _show_chosen(self) -> None:
        for item in self._items():
            if item.data(KEY, _ID) == self._workspace.category_id:
                self._tree.setCurrentItem(item)

    # -- changing -------------------------------------------------------------------------------

    def ask_name(self) -> None:
        """Put the cursor where a new category is named."""
        self.name_box.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _take_name(self) -> None:
        name = self.name_box.text().strip()
        self.name_box.clear()
        if name:
            self.named.emit(name)
        self.left.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:  # the name box does not want it
            self.name_box.clear()
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def _renamed(self, item: QTreeWidgetItem, column: int) -> None:
        category = self._workspace.categories.get(item.data(KEY, _ID))
        name = " ".join(item.text(NAME).split())
        if category is None or column != NAME or name == category.name:
            return
        if not name:
            self.refresh()
            return
        self.changed.emit(replace(category, name=name))

    def _menu(self, position: QPoint) -> None:
        item = self._tree.itemAt(position)
        category = self._workspace.categories.get(item.data(KEY, _ID)) if item else None
        if item is None or category is None:
            return
        menu = QMenu(self)
        menu.addAction(self.tr("Rename"), lambda: self._tree.editItem(item, NAME))
        menu.addAction(self.tr("Colour…"), lambda: self._ask_colour(category))
        menu.addAction(self.tr("Delete"), lambda: self.deleted.emit(category.id))
        menu.popup(self._tree.viewport().mapToGlobal(position))

    def _ask_colour(self, category: Category) -> None:
        dialog = QColorDialog(QColor(category.colour), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(
            lambda colour: self.changed.emit(replace(category, colour=colour.name()))
        )
        dialog.open()


def swatch(colour: str) -> QIcon:
    """A filled square of that colour, crisp at 200 %."""
    pixmap = QPixmap(28, 28)
    pixmap.setDevicePixelRatio(2.0)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(QColor(0, 0, 0, 90))
    painter.drawRoundedRect(1, 1, 12, 12, 3, 3)
    painter.end()
    picture = QIcon(pixmap)
    picture.addPixmap(pixmap, QIcon.Mode.Selected)  # else a chosen row tints its colour
    return picture

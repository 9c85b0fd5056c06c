"""Rows of a table that are dragged to another place in it: annotations to another depth."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from segstudio.core.annotation import Annotation

Index = QModelIndex | QPersistentModelIndex
MIME = "application/x-segstudio-annotations"
# One value made once: a list of thousands of rows asks for it as often.
_FLAGS = (
    Qt.ItemFlag.ItemIsEnabled
    | Qt.ItemFlag.ItemIsSelectable
    | Qt.ItemFlag.ItemNeverHasChildren
    | Qt.ItemFlag.ItemIsDragEnabled
)


class DraggedRows(QAbstractTableModel):
    """A table of annotations, front first. It does not move its rows: it says where they should
    be, and shows what comes of that.
    """

    moved = Signal(object, int)  # tuple of annotation ids, and how many others lie behind them then

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Annotation, ...] = ()

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Rows can be dragged, and dropped between rows, not onto one."""
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled
        return _FLAGS

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        ids = dict.fromkeys(self.rows[index.row()].id for index in indexes)
        data = QMimeData()
        data.setData(MIME, " ".join(str(id_) for id_ in ids).encode("ascii"))
        return data

    def dropMimeData(
        self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index
    ) -> bool:
        """Say what a drop before `row` (-1: after the last) wants."""
        del column
        known = {annotation.id for annotation in self.rows}
        ids = tuple(int(word) for word in bytes(data.data(MIME).data()).split() if word.isdigit())
        if action is not Qt.DropAction.MoveAction or parent.isValid() or not ids:
            return False
        if not known.issuperset(ids):  # of another image, or gone meanwhile
            return False
        below = self.rows[row:] if row >= 0 else ()
        self.moved.emit(ids, sum(annotation.id not in ids for annotation in below))
        return True

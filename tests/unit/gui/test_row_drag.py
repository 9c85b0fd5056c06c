"""What a drop between rows asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QMimeData, QModelIndex, Qt
from pytestqt.qtbot import QtBot

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.engine.depth import at_depth
from segstudio.gui.panels.row_drag import MIME, DraggedRows

MOVE = Qt.DropAction.MoveAction
DOT = Mask.empty((1, 1))
ROOT = QModelIndex()


class Table(DraggedRows):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.rows = tuple(Annotation(id_, 1, 1, DOT, z_order=-id_) for id_ in range(1, count + 1))

    def rowCount(self, parent: QModelIndex = ROOT) -> int:  # noqa: N802
        return len(self.rows)

    def columnCount(self, parent: QModelIndex = ROOT) -> int:  # noqa: N802
        return 2


@pytest.fixture(scope="module", autouse=True)
def _application(qapp: object) -> None:
    """Models need an application."""


@given(st.data(), st.integers(1, 8))
def test_rows_land_where_they_are_dropped(data: st.DataObject, count: int) -> None:
    table, asked = Table(count), []
    table.moved.connect(lambda ids, behind: asked.append((ids, behind)))
    dragged = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    place = data.draw(st.integers(-1, count))
    mime = table.mimeData([table.index(row, column) for row in dragged for column in (0, 1)])
    assert table.dropMimeData(mime, MOVE, place, 0, QModelIndex())
    ((ids, behind),) = asked
    assert set(ids) == {row + 1 for row in dragged}
    by_depth = tuple(reversed(table.rows))
    changed = {row.id: row for row in at_depth(by_depth, set(ids), behind)[1]}
    new = sorted((changed.get(row.id, row) for row in by_depth), key=lambda row: -row.z_order)
    expected: list[int] = []
    for row in range(count + 1):
        if row == (place if place >= 0 else count):
            expected += sorted(ids)
        if row < count and row not in dragged:
            expected.append(row + 1)
    assert [row.id for row in new] == expected


def test_rows_are_dropped_between_rows_not_onto_one(qtbot: QtBot) -> None:
    table = Table(3)
    assert table.flags(table.index(0, 0)) & Qt.ItemFlag.ItemIsDragEnabled
    assert not table.flags(table.index(0, 0)) & Qt.ItemFlag.ItemIsDropEnabled
    assert table.flags(QModelIndex()) & Qt.ItemFlag.ItemIsDropEnabled
    assert table.supportedDropActions() == MOVE
    mime = table.mimeData([table.index(1, 0)])
    assert not table.dropMimeData(mime, MOVE, -1, -1, table.index(0, 0))


@pytest.mark.parametrize("content", [b"", b"7", b"1 7", b"nonsense"])
def test_what_is_not_of_this_image_is_not_taken(content: bytes) -> None:
    table, asked = Table(3), []
    table.moved.connect(lambda *what: asked.append(what))
    mime = QMimeData()
    mime.setData(MIME, content)
    assert not table.dropMimeData(mime, MOVE, 0, 0, QModelIndex())
    assert asked == []

"""The annotations list is told what changed and no more, and shows the same as if filled anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QAbstractItemModel, QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.engine.jobs import JobRunner
from segstudio.gui.panels.annotations import EYE, TOOL, AnnotationModel, AnnotationsPanel
from segstudio.gui.workspace import Workspace

MASK = Mask.from_array(np.ones((4, 5), dtype=bool))
ROWS = {n: Annotation(n, 1, 1, MASK, tool="point") for n in range(1, 40)}


class Session:
    """As much of an image session as the list looks at."""

    def __init__(self, rows: tuple[Annotation, ...]) -> None:
        self.annotations = rows


def workspace_of(*ids: int) -> Workspace:
    workspace = Workspace(JobRunner(), Settings())
    show(workspace, *ids)
    return workspace


def show(workspace: Workspace, *ids: int) -> None:
    workspace.session = Session(tuple(ROWS[n] for n in ids))


def listen(model: QAbstractItemModel) -> list[tuple[str, int, int]]:
    told: list[tuple[str, int, int]] = []
    model.rowsRemoved.connect(lambda _, first, last: told.append(("gone", first, last)))
    model.rowsInserted.connect(lambda _, first, last: told.append(("came", first, last)))
    model.dataChanged.connect(lambda one, two: told.append(("changed", one.row(), two.row())))
    model.modelReset.connect(lambda: told.append(("reset", 0, 0)))
    return told


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 39), unique=True, max_size=12),
    st.lists(st.integers(1, 39), unique=True, max_size=12),
)
def test_any_change_leaves_the_rows_of_the_image(before: list[int], after: list[int]) -> None:
    workspace = workspace_of(*before)
    model = AnnotationModel(workspace)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.reload()
    show(workspace, *after)
    model.reload()
    assert [row.id for row in model.rows] == after[::-1]
    assert model.rowCount() == len(after)
    assert tester.model() is model


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ((1, 2, 3, 4, 5), []),
        ((1, 2, 4, 5), [("gone", 2, 2)]),
        ((1, 2, 3, 4, 5, 6), [("came", 0, 0)]),
        ((2, 3, 4, 5), [("gone", 4, 4)]),
        ((), [("gone", 0, 4)]),
    ],
)
def test_one_edit_is_told_as_one_row(
    after: tuple[int, ...], told: list[tuple[str, int, int]]
) -> None:
    workspace = workspace_of(1, 2, 3, 4, 5)
    model = AnnotationModel(workspace)
    model.reload()
    heard = listen(model)
    show(workspace, *after)
    model.reload()
    assert heard == told


def test_a_row_that_changed_in_place_is_told_alone() -> None:
    workspace = workspace_of(1, 2, 3, 4)
    model = AnnotationModel(workspace)
    model.reload()
    heard = listen(model)
    rows = list(workspace.annotations)
    rows[2] = replace(rows[2], locked=True)
    workspace.session = Session(tuple(rows))
    model.reload()
    assert heard == [("changed", 1, 1)]
    assert model.mark(1, 1) == ("lock", True)


def test_columns_are_as_wide_as_their_widest_text(qtbot: QtBot) -> None:
    workspace = workspace_of(*range(1, 40))
    panel = AnnotationsPanel(workspace)
    qtbot.addWidget(panel)
    narrow = panel._view.columnWidth(TOOL)
    rows = list(workspace.annotations)
    rows[30] = replace(rows[30], tool="a tool with a long name")
    workspace.session = Session(tuple(rows))
    panel.refresh()
    metrics = panel._view.fontMetrics()
    assert panel._view.columnWidth(TOOL) > metrics.horizontalAdvance("a tool with a long name")
    assert panel._view.columnWidth(TOOL) > narrow
    assert panel._view.columnWidth(EYE) >= 14


def test_the_selection_keeps_the_order_of_choosing(qtbot: QtBot) -> None:
    workspace = workspace_of(*range(1, 10))
    panel = AnnotationsPanel(workspace)
    qtbot.addWidget(panel)
    choose = panel._view.selectionModel()
    flags = choose.SelectionFlag.Select | choose.SelectionFlag.Rows
    for row in (5, 1, 7):
        choose.select(panel.model.index(row, 0), flags)
    assert workspace.selected == (4, 8, 2)
    workspace.select(tuple(range(1, 10)))
    assert len(choose.selectedRows()) == 9
    workspace.select(())
    assert not choose.hasSelection()


def test_rows_out_of_sight_are_not_asked_for_when_one_goes_or_all_are_selected(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_of(*range(1, 40))
    panel = AnnotationsPanel(workspace)
    qtbot.addWidget(panel)
    panel.resize(300, 160)
    panel.show()
    qtbot.waitExposed(panel)
    asked: set[int] = set()
    flags = AnnotationModel.flags

    def listening(self: AnnotationModel, index: QModelIndex) -> Qt.ItemFlag:
        asked.add(index.row())
        return flags(self, index)

    monkeypatch.setattr(AnnotationModel, "flags", listening)
    workspace.select(tuple(range(1, 40)))
    panel.grab()
    show(workspace, *range(1, 39))
    panel.refresh()
    panel.grab()
    assert 0 in asked
    assert len(asked) < 15


def test_keys_go_from_row_to_row(qtbot: QtBot) -> None:
    workspace = workspace_of(*range(1, 10))
    panel = AnnotationsPanel(workspace)
    qtbot.addWidget(panel)
    panel._view.setCurrentIndex(panel.model.index(4, 0))
    for key, chosen in (
        (Qt.Key.Key_Down, 4),
        (Qt.Key.Key_Right, 4),
        (Qt.Key.Key_End, 1),
        (Qt.Key.Key_Home, 9),
    ):
        qtbot.keyClick(panel._view, key)
        assert workspace.selected == (chosen,)

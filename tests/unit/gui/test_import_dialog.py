"""The import dialog: what is found decides what can be pressed, and nothing is meant by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from segstudio.core.category import Category
from segstudio.core.progress import Progress
from segstudio.engine.import_plan import (
    LEFT_OUT,
    CategoryTarget,
    ImportCategory,
    ImportCounts,
    ImportPlan,
)
from segstudio.formats.contract import declared_options
from segstudio.formats.found import Fault, Place
from segstudio.formats.registry import IMPORT_FORMATS, import_format
from segstudio.gui.dialogs.category_targets import TARGET, CategoryTargets
from segstudio.gui.dialogs.importing import ImportDialog
from segstudio.store.spool import Spool

KNOWN = {3: Category(3, "dog", "#e69f00"), 8: Category(8, "cat", "#56b4e9")}
FOUND = (
    ImportCategory("1", "Dog", 12, CategoryTarget(3)),
    ImportCategory("2", "road", 3, CategoryTarget(0, "road")),
)


class Shown:
    """The dialog and what it said."""

    def __init__(self, qtbot: QtBot) -> None:
        self.looks: list[tuple[Any, ...]] = []
        self.imports: list[tuple[Any, ...]] = []
        self.stops = 0
        self.dialog = ImportDialog()
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        qtbot.addWidget(self.dialog)
        self.dialog.look_wanted.connect(lambda *said: self.looks.append(said))
        self.dialog.import_wanted.connect(lambda *said: self.imports.append(said))
        self.dialog.stop_wanted.connect(self._stopped)
        self.dialog.show()

    def _stopped(self) -> None:
        self.stops += 1


@pytest.fixture
def shown(qtbot: QtBot) -> Shown:
    return Shown(qtbot)


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[ImportPlan]:
    options = import_format("coco").options()
    counts = ImportCounts(images=3, matched=2, annotations=15, already_there=4, faults=1)
    fault = Fault(Place("a.json", "annotations[17]"), "it has no image")
    with Spool(tmp_path) as spool:
        yield ImportPlan(
            "coco", "COCO", tmp_path, options, spool, FOUND, counts, [fault], [("x.jpg", "b/x.jpg")]
        )


def targets(qtbot: QtBot) -> CategoryTargets:
    table = CategoryTargets()
    qtbot.addWidget(table)
    table.model.show(FOUND, KNOWN)
    table.resize(500, 300)
    table.show()
    return table


# -- the source -----------------------------------------------------------------------------------


def test_the_format_follows_what_the_source_looks_like_until_another_is_picked(
    shown: Shown, tmp_path: Path, qtbot: QtBot
) -> None:
    asked: list[Path] = []
    source = shown.dialog.source
    source.source_named.connect(asked.append)
    assert not shown.dialog.go.isEnabled()
    shown.dialog.use_source(tmp_path)
    qtbot.waitUntil(lambda: asked == [tmp_path])
    source.show_recognised(tmp_path, ["voc"])
    assert source.format_key == "voc" and "VOC" in source.told.text()
    source.show_recognised(tmp_path / "other", ["coco"])
    assert source.format_key == "voc", "an answer about another source counts no more"
    source.format.activated.emit(source.format.currentIndex())
    source.show_recognised(tmp_path, ["coco"])
    assert source.format_key == "voc", "what the user picked stays"


@pytest.mark.parametrize("key", [member.key for member in IMPORT_FORMATS])
def test_every_declared_option_can_be_answered_and_untouched_ones_are_the_defaults(
    shown: Shown, tmp_path: Path, key: str
) -> None:
    source = shown.dialog.source
    source.format.setCurrentIndex(source.format.findData(key))
    record = import_format(key).options
    declared = [row.name for row in declared_options(record)]
    assert list(source.fields) == [name for name in declared if name != "leave_out_faults"]
    source.source.setText(str(tmp_path))
    shown.dialog.go.click()
    assert shown.looks == [(key, tmp_path, record())]


# -- while something is under way -----------------------------------------------------------------


def test_while_it_looks_only_stop_can_be_pressed_and_escape_stops(
    shown: Shown, tmp_path: Path
) -> None:
    shown.dialog.use_source(tmp_path)
    shown.dialog.go.click()
    assert shown.dialog.busy and not shown.dialog.go.isEnabled()
    assert not shown.dialog.pages.isEnabled()
    shown.dialog.show_progress(Progress(1, 4, "Reading"))
    assert shown.dialog.bar.isVisible() and shown.dialog.bar.value() == 250
    QTest.keyClick(shown.dialog, Qt.Key.Key_Escape)
    assert shown.stops == 1 and shown.dialog.isVisible()
    shown.dialog.show_idle("a.json, line 3: this is no JSON.")
    assert shown.dialog.trouble.isVisible() and "line 3" in shown.dialog.trouble.text()
    assert shown.dialog.go.isEnabled() and not shown.dialog.bar.isVisible()
    QTest.keyClick(shown.dialog, Qt.Key.Key_Escape)
    assert not shown.dialog.isVisible()


# -- the preview ----------------------------------------------------------------------------------


def test_with_faults_nothing_is_imported_until_they_are_left_out(
    shown: Shown, plan: ImportPlan
) -> None:
    dialog = shown.dialog
    dialog.show_plan(plan, KNOWN)
    assert not dialog.go.isEnabled()
    tabs = dialog.preview.tabs
    assert tabs.currentWidget() is dialog.preview.problems
    assert dialog.preview.problems.model.rows[0].cells == (
        "a.json, annotations[17]",
        "it has no image",
    )
    dialog.preview.leave_out_faults.setChecked(True)
    dialog.go.click()
    assert shown.imports == [(plan, plan.mapping, True)]
    dialog.show_idle()
    dialog.back.click()
    assert not dialog.previewing and dialog.go.text() == "Look"


def test_the_preview_counts_what_is_new_there_and_of_no_use(shown: Shown, plan: ImportPlan) -> None:
    shown.dialog.show_plan(plan, KNOWN)
    grid = shown.dialog.preview.counts
    said = []
    for at in range(grid.count()):
        item = grid.itemAt(at)
        label = item.widget() if item is not None else None
        said.append(label.text() if label is not None else "")  # type: ignore[attr-defined]
    assert said == [
        "3", "images", "2 in the project · 1 cannot be used",
        "15", "annotations", "11 new · 4 already there",
        "1", "problems", "",
    ]  # fmt: skip


# -- categories -----------------------------------------------------------------------------------


def choose(table: CategoryTargets, row: int, text: str) -> None:
    """Edit a cell, and type or choose as a user does."""
    table.view.setCurrentIndex(table.model.index(row, TARGET))
    table.view.edit(table.model.index(row, TARGET))
    box = table.view.findChildren(QComboBox)[-1]  # earlier ones are about to go
    line = box.lineEdit()
    assert line is not None
    line.selectAll()
    QTest.keyClicks(box, text)
    QTest.keyClick(box, Qt.Key.Key_Return)
    QTest.qWait(1)  # Qt takes the answer after the key


def test_a_category_becomes_what_is_typed_an_old_one_a_new_one_or_none(qtbot: QtBot) -> None:
    table = targets(qtbot)
    choose(table, 0, "cat")
    assert table.model.targets["1"] == CategoryTarget(8)
    choose(table, 1, "  street   way ")
    assert table.model.targets["2"] == CategoryTarget(0, "street way")
    choose(table, 1, "Leave out")
    assert table.model.targets["2"] == LEFT_OUT
    choose(table, 1, " ")
    assert table.model.targets["2"] == LEFT_OUT, "no name is no answer"


def test_many_rows_are_left_out_at_once_and_given_back(qtbot: QtBot) -> None:
    table = targets(qtbot)
    assert not table.leave_out.isEnabled()
    table.view.selectAll()
    table.leave_out.click()
    assert set(table.model.targets.values()) == {LEFT_OUT}
    table.suggested.click()
    assert table.model.targets == {row.key: row.target for row in FOUND}


def test_filtering_and_sorting_keep_the_targets_with_their_categories(qtbot: QtBot) -> None:
    table = targets(qtbot)
    table.filter.setText("road")
    assert [row.key for row in table.model.rows] == ["2"]
    table.view.selectAll()
    table.leave_out.click()
    table.filter.clear()
    table.view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert [row.key for row in table.model.rows] == ["2", "1"]
    assert table.model.targets == {"1": CategoryTarget(3), "2": LEFT_OUT}

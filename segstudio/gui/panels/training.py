"""The training panel: the project's trainings, and the one that is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QItemSelection, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.dialogs.report_table import Finding, ReportTable
from segstudio.gui.panels.history import moment
from segstudio.gui.panels.training_run import RunShown, TrainingRunView
from segstudio.gui.theme import SPACING
from segstudio.gui.training_words import state_name

FIRST_LIST = 100  # px of the list of runs, before anybody drags, and its share at most
FIRST_SHARE = 0.25
BEGUN = 3  # the column of the times
LARGE = (1000, 720)  # px of the window of its own
NARROW = 420  # px below which there is no room for it
FILTERED = 12  # runs from which on one wants to look for one


@dataclass(frozen=True)
class _RunRow(Finding):
    name: str = ""


class TrainingPanel(QWidget):
    """Train, and below it the runs; choosing one shows it."""

    train_wanted = Signal()
    run_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.train = QPushButton(self.tr("Train…"))
        self.train.setToolTip(self.tr("Train a semantic model on this project's labels"))
        self.larger = QPushButton(self.tr("Larger"))
        self.larger.setToolTip(self.tr("Show the training in a window of its own"))
        self.empty = QLabel()
        self.empty.setWordWrap(True)
        self.empty.setProperty("role", "dim")
        headings = (self.tr("Model"), self.tr("mIoU"), self.tr("State"), self.tr("Begun"))
        self.runs = ReportTable(self.tr("Trainings"), headings)
        header = self.runs.view.horizontalHeader()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.runs.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view = TrainingRunView()
        self._shown: tuple[RunShown, ...] = ()
        self._lay_out()
        self.train.clicked.connect(self.train_wanted)
        self.larger.clicked.connect(self.show_larger)
        self.runs.view.selectionModel().selectionChanged.connect(self._choose)
        self.show_empty(self.tr("Open a folder of images, label ten of them, then train."))
        self.show_runs([], "")

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.train)
        top.addStretch(1)
        top.addWidget(self.larger)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.addWidget(self.runs)
        self.split.addWidget(self.view)
        self.split.setStretchFactor(1, 1)
        self.split.setChildrenCollapsible(False)
        self.split.setSizes([FIRST_LIST, 6 * FIRST_LIST])
        self._dragged = False
        self.split.splitterMoved.connect(self._keep_sizes)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * SPACING, SPACING, 2 * SPACING, 2 * SPACING)
        layout.setSpacing(2 * SPACING)
        layout.addLayout(top)
        layout.addWidget(self.empty)
        layout.addWidget(self.split, 1)
        layout.addStretch(0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.runs.view.setColumnHidden(BEGUN, self.width() < NARROW)
        if not self._dragged:  # in a low window the one that is looked at has more of it
            list_high = min(FIRST_LIST, round(FIRST_SHARE * self.height()))
            self.split.setSizes([list_high, max(1, self.height() - list_high)])

    def _keep_sizes(self) -> None:
        self._dragged = True

    def show_empty(self, text: str) -> None:
        """What to do before the first training."""
        self.empty.setText(text)

    def show_runs(self, runs: Sequence[RunShown], chosen: str) -> None:
        """The runs, the newest first, and the name of the one that is looked at ("": none)."""
        self._shown = tuple(runs)
        self.empty.setVisible(not runs)
        self.split.setVisible(bool(runs))
        self.larger.setVisible(bool(runs))
        several = len(runs) >= FILTERED
        self.runs.filter.setVisible(several)
        self.runs.shown.setVisible(several)
        view = self.runs.view
        line = view.verticalHeader().defaultSectionSize()
        head = view.horizontalHeader().sizeHint().height()
        chrome = self.runs.filter.sizeHint().height() + 2 * SPACING if several else 0
        self.runs.setMaximumHeight(chrome + head + line * max(2, len(runs)) + 2 * SPACING)
        with QSignalBlocker(self.runs.view.selectionModel()):
            self.runs.show_rows([_row(run) for run in runs])
            rows = self.runs.model.rows
            here = next((n for n, row in enumerate(rows) if _name(row) == chosen), -1)
            if here >= 0:
                self.runs.view.selectRow(here)

    def show_larger(self) -> None:
        """The training that is looked at in a window of its own; here again when that closes."""
        dialog = QDialog(self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("Training"))
        layout = QVBoxLayout(dialog)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.addWidget(self.view)
        self.larger.setEnabled(False)
        dialog.finished.connect(self._take_back)
        dialog.resize(*LARGE)
        dialog.show()
        self.view.verticalScrollBar().setValue(0)

    def _take_back(self, _: int = 0) -> None:
        self.split.addWidget(self.view)
        self.larger.setEnabled(True)

    def _choose(self, chosen: QItemSelection, _: QItemSelection) -> None:
        for index in chosen.indexes()[:1]:
            self.run_chosen.emit(_name(self.runs.model.rows[index.row()]))


def _row(run: RunShown) -> Finding:
    cells = (run.title, run.miou, state_name(run.state), moment(run.started_at))
    return _RunRow(cells, name=run.name)


def _name(row: Finding) -> str:
    return row.name if isinstance(row, _RunRow) else ""

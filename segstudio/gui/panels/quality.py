"""The quality panel: two label sets compared, in words, numbers, a picture and a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.annotation import Stage
from segstudio.engine.evaluation import EvaluationOptions
from segstudio.engine.evaluation_scores import Evaluation
from segstudio.engine.label_set import LabelSet
from segstudio.engine.label_sets import AnnotationFilter
from segstudio.gui.dialogs.report_table import Finding, ReportTable
from segstudio.gui.icons import icon
from segstudio.gui.panels.quality_curves import CurvesPage
from segstudio.gui.panels.quality_matrix import Matrix, MatrixPicture
from segstudio.gui.quality_words import (
    PlaceRow,
    category_columns,
    confusion_csv,
    image_headings,
    left_out_rows,
    score_headings,
    score_rows,
    verdict,
)
from segstudio.gui.theme import SPACING
from segstudio.metrics.confusion_picture import confusion_picture

PEOPLE = AnnotationFilter(stage=Stage.ASSISTED).key
MACHINES = AnnotationFilter(stage=Stage.AUTOMATIC).key
FOLDER = "\0folder"
LEAST, ENOUGH = 160, 280  # px of what was found; in a lower panel one scrolls


class _Pages(QTabWidget):
    """As high as there is room, and as it must be, however high its pages would like to be."""

    def hasHeightForWidth(self) -> bool:
        return False

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), self.minimumHeight())


class QualityPanel(QScrollArea):
    """Choose two sets, Compare, and look at what differs; a click on an image leads there."""

    compare_wanted = Signal(object, object, object)  # LabelSet, LabelSet, EvaluationOptions
    folder_wanted = Signal(int)  # 0: for the first set, 1: for the truth
    place_wanted = Signal(str, object)  # an image's path, and a box on it or None
    csv_wanted = Signal(str)
    picture_wanted = Signal(object)  # a function without arguments: (H, W, 3) uint8 RGB
    larger_wanted = Signal(object)  # Matrix

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.first, self.truth = QComboBox(), QComboBox()
        self.swap = QToolButton()
        self.unlabelled, self.split = QComboBox(), QComboBox()
        self.compare = QPushButton(self.tr("Compare"))
        self.said, self.stale = QLabel(), QLabel()
        self.tabs = _Pages()
        narrow = f"QTabBar::tab {{ padding: {SPACING}px; }}"  # all are in sight
        self.tabs.tabBar().setStyleSheet(narrow)
        self.scores = ReportTable(self.tr("Scores"), score_headings())
        self.categories = ReportTable(self.tr("Categories"), ("",))
        self.images = ReportTable(self.tr("Images"), image_headings())
        self.left_out = ReportTable(self.tr("Left out"), (self.tr("Image"), self.tr("Why")))
        self.matrix = MatrixPicture()
        self.cell = QLabel()
        self.curves = CurvesPage()
        self._to_fill: list[Callable[[Evaluation], None]] = []
        self._next = QTimer(self)  # a page at each turn of the loop: no turn takes long
        self._next.timeout.connect(self._fill_next)
        self._sets: list[LabelSet] = []
        self._busy = False
        self._result: Evaluation | None = None
        self._lay_out()
        self._connect()
        self.show_sets([])
        self.show_result(None)

    # -- layout ---------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(SPACING)
        self.swap.setIcon(icon("swap"))
        self.swap.setToolTip(self.tr("Swap the two"))
        self.swap.setAccessibleName(self.tr("Swap the two"))
        self.unlabelled.addItem(self.tr("do not count"), "ignore")
        self.unlabelled.addItem(self.tr("are background"), "background")
        for name, combo in (
            (self.tr("Compare"), self.first),
            (self.tr("With the truth"), self.truth),
            (self.tr("Pixels without a label"), self.unlabelled),
            (self.tr("Split"), self.split),
        ):
            combo.setMinimumContentsLength(8)
            combo.setAccessibleName(name)
            form.addRow(name, combo)
        row = QHBoxLayout()
        row.addWidget(self.compare)
        row.addWidget(self.swap)
        row.addStretch(1)
        for label, role in ((self.said, ""), (self.stale, "warning"), (self.cell, "dim")):
            label.setWordWrap(True)
            label.setProperty("role", role)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.stale.setText(self.tr("Labels changed since; compare again."))
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("What was found"))
        for widget, title in (
            (self.images, self.tr("Images")),
            (self.scores, self.tr("Scores")),
            (self.categories, self.tr("Categories")),
            (self._confusion(), self.tr("Confusion")),
            (self.curves, self.tr("Curves")),
            (self.left_out, self.tr("Left out")),
        ):
            self.tabs.addTab(widget, title)
        self.tabs.setTabVisible(self.tabs.indexOf(self.left_out), False)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(2 * SPACING, SPACING, 2 * SPACING, 2 * SPACING)
        layout.setSpacing(2 * SPACING)
        layout.addLayout(form)
        layout.addLayout(row)
        layout.addWidget(self.said)
        layout.addWidget(self.stale)
        layout.addWidget(self.tabs, 1)
        layout.addStretch(0)
        self.setWidget(inner)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What was found fills the panel where that is low, with its tabs in sight."""
        room = event.size().height() - SPACING
        self.tabs.setMinimumHeight(max(LEAST, min(ENOUGH, room)))
        super().resizeEvent(event)

    def _confusion(self) -> QWidget:
        page = QWidget()
        self.larger = QPushButton(self.tr("Larger"))
        self.save_picture = QPushButton(self.tr("Save picture…"))
        self.save_csv = QPushButton(self.tr("Save CSV…"))
        row = QHBoxLayout()
        for button in (self.larger, self.save_picture, self.save_csv):
            row.addWidget(button)
        row.addStretch(1)
        self.cell.setText(self.tr("Click a cell to read its numbers."))
        column = QVBoxLayout(page)
        column.setContentsMargins(0, SPACING, 0, 0)
        column.setSpacing(SPACING)
        column.addWidget(self.matrix, 1)
        column.addWidget(self.cell)
        column.addLayout(row)
        return page

    def _connect(self) -> None:
        self.compare.clicked.connect(self._compare)
        self.swap.clicked.connect(self._swap)
        for place, combo in enumerate((self.first, self.truth)):
            combo.activated.connect(lambda _, at=place: self._chosen(at))
            combo.currentIndexChanged.connect(lambda _: self._follow_choice())
        for table in (self.images,):
            table.view.clicked.connect(lambda index: self._open(index.row()))
            table.opened.connect(lambda *_: self._open(self.images.view.currentIndex().row()))
        self.matrix.cell_chosen.connect(lambda *at: self.cell.setText(self.matrix.told(*at)))
        self.save_csv.clicked.connect(self._save_csv)
        self.save_picture.clicked.connect(self._save_picture)
        self.larger.clicked.connect(lambda: self.larger_wanted.emit(self._matrix()))

    # -- choosing -------------------------------------------------------------------------------

    def show_sets(self, sets: Sequence[LabelSet], splits: Sequence[str] = ()) -> None:
        """What may be chosen; what was chosen stays where it is still there."""
        chosen = bool(self._sets)
        before = [_key(combo) if chosen else FOLDER for combo in (self.first, self.truth)]
        self._sets = list(sets)
        for combo in (self.first, self.truth):
            combo.clear()
            for one in sets:
                count = "" if one.count is None else f"  {one.count:,}"
                combo.addItem(f"{one.title}{count}", one.key)
                combo.setItemData(combo.count() - 1, one.title, Qt.ItemDataRole.ToolTipRole)
            combo.addItem(self.tr("Folder of label maps…"), FOLDER)
        keys = [one.key for one in sets]
        wanted = (_guess(sets), _guess_truth(sets))
        if before[0] == before[1]:  # there was one set alone
            before = [FOLDER, FOLDER]
        for combo, key, other in zip((self.first, self.truth), before, wanted, strict=True):
            combo.setCurrentIndex(keys.index(key) if key in keys else other)
        self._show_splits(splits)
        self._follow_choice()
        self._last = [combo.currentIndex() for combo in (self.first, self.truth)]

    def _show_splits(self, splits: Sequence[str]) -> None:
        chosen = self.split.currentData()
        self.split.clear()
        self.split.addItem(self.tr("all images"), "")
        for split in splits:
            self.split.addItem(split, split)
        self.split.setCurrentIndex(max(0, self.split.findData(chosen)))

    def choose(self, place: int, key: str) -> None:
        """Choose that set as the first (0) or as the truth (1)."""
        combo = (self.first, self.truth)[place]
        combo.setCurrentIndex(max(0, combo.findData(key)))
        self._last[place] = combo.currentIndex()

    def _follow_choice(self) -> None:
        """A set is not held against itself."""
        two = _key(self.first) != _key(self.truth)
        self.compare.setEnabled(two and bool(self._sets) and not self._busy)
        told = self.tr("Only one kind of labels is here: pick a folder, or label with a model.")
        why = told if len(self._sets) < 2 else self.tr("Pick two different ones.")
        self.compare.setToolTip("" if two else why)

    def _chosen(self, place: int) -> None:
        combo = (self.first, self.truth)[place]
        if combo.currentData() == FOLDER:
            combo.setCurrentIndex(self._last[place] if self._sets else -1)
            self.folder_wanted.emit(place)
        self._last[place] = combo.currentIndex()

    def _swap(self) -> None:
        one, other = self.first.currentIndex(), self.truth.currentIndex()
        self.first.setCurrentIndex(other)
        self.truth.setCurrentIndex(one)

    def _compare(self) -> None:
        by_key = {one.key: one for one in self._sets}
        first = by_key.get(_key(self.first))
        truth = by_key.get(_key(self.truth))
        if first is not None and truth is not None:
            options = EvaluationOptions(
                unlabelled=str(self.unlabelled.currentData()),
                split=str(self.split.currentData() or ""),
            )
            self.compare_wanted.emit(first, truth, options)

    # -- showing --------------------------------------------------------------------------------

    def show_busy(self, busy: bool) -> None:
        """Whether a comparison is under way."""
        self._busy = busy
        self._follow_choice()

    def show_stale(self, stale: bool) -> None:
        """Whether labels changed since the comparison."""
        self.stale.setVisible(stale and self._result is not None)

    def show_result(self, result: Evaluation | None, rows: Sequence[Finding] = ()) -> None:
        """What was found, and its images as `image_rows` has them."""
        self._result, self._to_fill = result, []
        self.show_stale(False)
        self.tabs.setVisible(result is not None)
        self.said.setProperty("role", "" if result is not None else "dim")
        self.said.style().polish(self.said)
        if result is None:
            told = self.tr(
                "Compare a model's labels with yours, or yours with somebody else's: pick two, and "
                "press Compare. The images on which they differ most come first."
            )
            self.said.setText(told)
            return
        self.said.setText(verdict(result))
        self.tabs.setTabVisible(self.tabs.indexOf(self.left_out), bool(result.left_out))
        fill: dict[QWidget | None, Callable[[Evaluation], None]] = {
            self.images: lambda _: self.images.show_rows(rows),
            self.scores: lambda found: self.scores.show_rows(score_rows(found)),
            self.categories: lambda found: _show_categories(self.categories, found),
            self.matrix.parentWidget(): lambda _: self.matrix.show_matrix(self._matrix()),
            self.curves: self.curves.show_result,
            self.left_out: lambda found: self.left_out.show_rows(left_out_rows(found)),
        }
        here = self.tabs.currentWidget()
        self._to_fill = [fill[here], *(call for page, call in fill.items() if page is not here)]
        self._fill_next()
        self._next.start(0)

    def _fill_next(self) -> None:
        if self._to_fill and self._result is not None:
            self._to_fill.pop(0)(self._result)
        if not self._to_fill:
            self._next.stop()
            self.verticalScrollBar().setValue(self.tabs.y())

    def _matrix(self) -> Matrix | None:
        result = self._result
        if result is None:
            return None
        names = tuple(row.name for row in result.categories)
        return Matrix(names, result.confusion.counts, self.tr("nothing"))

    def _save_picture(self) -> None:
        if self._result is not None:
            names = [row.name for row in self._result.categories]
            matrix = self._result.confusion
            self.picture_wanted.emit(lambda: confusion_picture(matrix, names))

    def _save_csv(self) -> None:
        if self._result is not None:
            self.csv_wanted.emit(confusion_csv(self._result))

    def _open(self, row: int) -> None:
        rows = self.images.model.rows
        if 0 <= row < len(rows):
            found = rows[row]
            self.place_wanted.emit(
                found.path or str(found.cells[0]),
                found.box if isinstance(found, PlaceRow) else None,
            )


def _show_categories(table: ReportTable, result: Evaluation) -> None:
    headings, rows = category_columns(result)
    table.show_rows(rows, headings=headings)


def _key(combo: QComboBox) -> str:
    return str(combo.currentData() or "")


def _guess(sets: Sequence[LabelSet]) -> int:
    """What one most likely wants to hold against people's work: what a machine made alone."""
    for wanted in (MACHINES, "prediction", "stage", "model", "run"):
        for place, one in enumerate(sets):
            if wanted in {one.key, one.kind}:
                return place
    return min(1, len(sets) - 1)


def _guess_truth(sets: Sequence[LabelSet]) -> int:
    """What people made, where it is told apart from a model's: it should not judge itself."""
    return next((place for place, one in enumerate(sets) if one.key == PEOPLE), 0)

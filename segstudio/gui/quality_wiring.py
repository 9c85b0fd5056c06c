"""Who hears whom about quality: the desk, its panel, and the larger picture."""

from __future__ import annotations

import importlib

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget
from shiboken6 import isValid

from segstudio.engine.evaluation_scores import Evaluation
from segstudio.engine.jobs import Lane
from segstudio.engine.label_set import LabelSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.desks.quality import QualityDesk
from segstudio.gui.main_window import MainWindow
from segstudio.gui.panels.quality_curves import CHART, CurvesPage
from segstudio.gui.panels.quality_matrix import Matrix, MatrixPicture
from segstudio.gui.theme import SPACING
from segstudio.gui.workspace import Workspace


def wire_quality(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    """Connect one window's comparisons."""
    desk, panel = desks.quality, window.quality

    def show_sets(sets: list[LabelSet]) -> None:
        splits = sorted({image.split for image in workspace.images.values() if image.split})
        panel.show_sets(sets, splits)

    def tab_shown(_: int) -> None:
        if window.tabs.currentWidget() is panel:
            desk.refresh()

    desk.sets_changed.connect(show_sets)
    desk.chosen.connect(panel.choose)
    desk.begun.connect(lambda: panel.show_busy(True))
    desk.ended.connect(lambda: panel.show_busy(False))
    desk.compared.connect(panel.show_result)
    desk.shown_wanted.connect(lambda: window.tabs.setCurrentWidget(panel))
    window.tabs.currentChanged.connect(tab_shown)
    workspace.project_changed.connect(lambda: panel.show_result(None))
    workspace.edited.connect(lambda _: panel.show_stale(True))
    workspace.renewed.connect(lambda: panel.show_stale(True))
    workspace.image_changed.connect(desk.arrive)
    panel.compare_wanted.connect(desk.compare)
    panel.compare.clicked.connect(window.canvas.setFocus)  # else the next button would have it
    panel.folder_wanted.connect(desk.choose_folder)
    panel.place_wanted.connect(desk.show_place)
    panel.csv_wanted.connect(desk.save_csv)
    panel.picture_wanted.connect(lambda drawn: desk.save_drawn(drawn, "confusion.png"))
    panel.larger_wanted.connect(lambda matrix: _larger_matrix(window, matrix))
    _wire_curves(panel.curves, window, workspace, desk)


def _wire_curves(
    page: CurvesPage, window: MainWindow, workspace: Workspace, desk: QualityDesk
) -> None:
    """The page in the panel, and the larger one."""

    def get_chart() -> None:
        """Import pyqtgraph, which takes a moment, off the GUI's thread."""
        workspace.runner.submit(
            Lane.IO,
            window.tr("getting the charts ready"),
            lambda _c, _p: importlib.import_module(CHART),
            on_done=lambda _: page.show_chart() if isValid(page) else None,
            on_error=workspace.tell_error,
            key="quality-chart",
        )

    def larger(result: Evaluation) -> None:
        other = CurvesPage()
        other.enlarged = True
        _wire_curves(other, window, workspace, desk)
        other.show_result(result)
        other.choose_kind(page.kind.currentData())
        _show_larger(window, window.tr("Precision and recall"), other)

    page.chart_wanted.connect(get_chart)
    page.larger_wanted.connect(larger)
    page.csv_wanted.connect(lambda text: desk.save_csv(text, "curves.csv"))
    page.picture_wanted.connect(lambda drawn: desk.save_drawn(drawn, "curves.png"))


def _larger_matrix(window: MainWindow, matrix: Matrix) -> None:
    picture = MatrixPicture()
    picture.show_matrix(matrix)
    _show_larger(window, window.tr("Confusion matrix"), picture)


def _show_larger(window: MainWindow, title: str, content: QWidget) -> None:
    """In a dialog of its own, which can be made as large as the screen."""
    dialog = QDialog(window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(*[4 * SPACING] * 4)
    layout.addWidget(content)
    dialog.resize(760, 760)
    dialog.show()

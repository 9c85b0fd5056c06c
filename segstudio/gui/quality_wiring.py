"""Who hears whom about quality: the desk, its panel, and the larger picture."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout

from segstudio.engine.evaluation_scores import Evaluation
from segstudio.engine.label_set import LabelSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.main_window import MainWindow
from segstudio.gui.panels.quality_matrix import Matrix, MatrixPicture
from segstudio.gui.theme import SPACING
from segstudio.gui.workspace import Workspace


def wire_quality(window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
    """Connect one window's comparisons."""
    desk, panel = desks.quality, window.quality

    def show_sets(sets: list[LabelSet]) -> None:
        splits = sorted({image.split for image in workspace.images.values() if image.split})
        panel.show_sets(sets, splits)

    def show(result: Evaluation) -> None:
        panel.show_result(result, workspace.images)

    def tab_shown(_: int) -> None:
        if window.tabs.currentWidget() is panel:
            desk.refresh()

    desk.sets_changed.connect(show_sets)
    desk.chosen.connect(panel.choose)
    desk.begun.connect(lambda: panel.show_busy(True))
    desk.ended.connect(lambda: panel.show_busy(False))
    desk.compared.connect(show)
    desk.shown_wanted.connect(lambda: window.tabs.setCurrentWidget(panel))
    window.tabs.currentChanged.connect(tab_shown)
    workspace.project_changed.connect(lambda: panel.show_result(None, {}))
    workspace.edited.connect(lambda _: panel.show_stale(True))
    workspace.renewed.connect(lambda: panel.show_stale(True))
    workspace.image_changed.connect(desk.arrive)
    panel.compare_wanted.connect(desk.compare)
    panel.folder_wanted.connect(desk.choose_folder)
    panel.place_wanted.connect(desk.show_place)
    panel.csv_wanted.connect(desk.save_csv)
    panel.picture_wanted.connect(desk.save_picture)
    panel.larger_wanted.connect(lambda matrix: _larger(window, matrix))


def _larger(window: MainWindow, matrix: Matrix) -> None:
    """The confusion matrix in a dialog of its own, which can be made as large as the screen."""
    dialog = QDialog(window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(window.tr("Confusion matrix"))
    picture = MatrixPicture(dialog)
    picture.show_matrix(matrix)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(*[4 * SPACING] * 4)
    layout.addWidget(picture)
    dialog.resize(760, 760)
    dialog.show()

"""The main window: places the panels and wires them to the desks. No behaviour of its own."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDockWidget,
    QLabel,
    QMainWindow,
    QSlider,
    QStackedWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.action_set import ActionSet
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.icons import icon
from segstudio.gui.panels.annotations import AnnotationsPanel
from segstudio.gui.panels.categories import CategoriesPanel
from segstudio.gui.panels.folding_tabs import FoldingTabs
from segstudio.gui.panels.gallery import GalleryPanel
from segstudio.gui.panels.history import HistoryPanel
from segstudio.gui.panels.picks import PicksPanel
from segstudio.gui.panels.prompt import PromptPanel
from segstudio.gui.panels.quality import QualityPanel
from segstudio.gui.panels.semantic import SemanticPanel
from segstudio.gui.panels.status import StatusStrip
from segstudio.gui.panels.training import TrainingPanel
from segstudio.gui.panels.welcome import WelcomePanel, dropped_path
from segstudio.gui.theme import mark
from segstudio.gui.workspace import Workspace

FIRST_SIZE = (1280, 800)
STATE_VERSION = 1


class MainWindow(QMainWindow):
    """Gallery left, canvas in the middle, categories, annotations and prompt right."""

    closing = Signal()

    def __init__(
        self,
        workspace: Workspace,
        canvas: Canvas,
        gallery: GalleryPanel,
    ) -> None:
        super().__init__()
        self.setWindowTitle("SegStudio")
        self.setAcceptDrops(True)
        self.resize(*FIRST_SIZE)
        self.canvas, self.gallery = canvas, gallery
        self.welcome = WelcomePanel()
        self.categories = CategoriesPanel(workspace)
        self.annotations = AnnotationsPanel(workspace)
        self.prompt, self.picks, self.history = PromptPanel(), PicksPanel(), HistoryPanel()
        self.semantic, self.training = SemanticPanel(), TrainingPanel()
        self.quality = QualityPanel()
        self.tabs = FoldingTabs()
        self.status = StatusStrip(workspace.runner)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self._opacity_picture = QLabel()
        self._opacity_picture.setToolTip(self.tr("Opacity of the masks"))
        mark(self)
        self.follow_theme()
        self.centre = QStackedWidget()
        self.centre.addWidget(self.welcome)
        self.centre.addWidget(canvas)
        self.setCentralWidget(self._over_status())
        self._place_docks()
        self._desks: DeskSet | None = None
        # Asked before the window closes; who says no has told the user why.
        self.may_close: Callable[[], bool] = lambda: True

    # -- places ---------------------------------------------------------------------------------

    def _over_status(self) -> QWidget:
        """The status strip spans the whole window, so it lives in the status bar's place."""
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.addPermanentWidget(self.status, 1)
        return self.centre

    def _place_docks(self) -> None:
        self.setDockOptions(
            QMainWindow.DockOption.AnimatedDocks | QMainWindow.DockOption.AllowNestedDocks
        )
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        self.tabs.setAccessibleName(self.tr("Model and history"))
        self.tabs.add_place(self.prompt, "point", self.tr("Prompt"))
        self.tabs.add_place(self.semantic, "semantic", self.tr("Semantic"))
        self.tabs.add_place(self.picks, "everything", self.tr("Everything"))
        self.tabs.add_place(self.training, "training", self.tr("Training"))
        self.tabs.add_place(self.quality, "quality", self.tr("Quality"))
        self.tabs.add_place(self.history, "history", self.tr("History"))
        gallery = self._dock("gallery", self.tr("Gallery"), self.gallery, left)
        categories = self._dock("categories", self.tr("Categories"), self.categories, right)
        annotations = self._dock("annotations", self.tr("Annotations"), self.annotations, right)
        model = self._dock("model", self.tr("Model"), self.tabs, right)
        self.resizeDocks([gallery, categories], [232, 288], Qt.Orientation.Horizontal)
        self.resizeDocks([categories, annotations, model], [190, 230, 300], Qt.Orientation.Vertical)

    def _dock(
        self, name: str, title: str, content: QWidget, area: Qt.DockWidgetArea
    ) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        frame = QWidget()
        layout = QVBoxLayout(frame)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(content)
        dock.setWidget(frame)
        self.addDockWidget(area, dock)
        return dock

    def take_actions(self, actions: ActionSet, desks: DeskSet) -> None:
        """Draw menus and toolbar from the action table."""
        self._desks = desks
        actions.fill_menu_bar(self.menuBar())
        bar = QToolBar(self.tr("Tools"), self)
        bar.setObjectName("tools")
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        actions.fill_toolbar(bar, "file.", "edit.", "image.", "view.", "tool.", "mask.")
        spacer = QLabel()
        spacer.setMinimumWidth(12)
        bar.addWidget(spacer)
        bar.addWidget(self._opacity_picture)
        self.opacity.setRange(0, 100)
        self.opacity.setFixedWidth(110)
        self.opacity.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.opacity.setToolTip(self.tr("Opacity of the masks"))
        self.opacity.setAccessibleName(self.tr("Opacity of the masks"))
        bar.addWidget(self.opacity)
        self.addToolBar(bar)

    def follow_theme(self) -> None:
        """Draw again what keeps the theme's colours in pixels."""
        self._opacity_picture.setPixmap(icon("opacity").pixmap(16, 16))
        self.canvas.refresh()

    def focus_place(self, step: int) -> None:
        """Keys go to the next place (1) or the one before (-1): panels by their docks, canvas."""
        middle = self.centre.currentWidget() or self.canvas
        docks = [dock for dock in self.findChildren(QDockWidget) if _first_taker(dock)]
        docks.sort(key=lambda dock: (dock.x(), dock.y()))
        left = [dock for dock in docks if dock.x() < self.centre.x()]
        places = [*left, middle, *(dock for dock in docks if dock not in left)]
        now = next((n for n, place in enumerate(places) if _has_focus(place)), len(left))
        place = places[(now + step) % len(places)]
        taker = place if place is middle else _first_taker(place)
        if taker is not None:
            taker.setFocus(Qt.FocusReason.TabFocusReason)

    def show_welcome(self, shown: bool) -> None:
        self.centre.setCurrentWidget(self.welcome if shown else self.canvas)

    # -- remembering ----------------------------------------------------------------------------

    def places(self) -> tuple[str, str]:
        """Geometry and dock state as base64 text."""
        geometry = self.saveGeometry().toBase64().toStdString()
        return geometry, self.saveState(STATE_VERSION).toBase64().toStdString()

    def restore_places(self, geometry: str, state: str) -> None:
        if geometry:
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode("ascii")))
        if state:
            self.restoreState(QByteArray.fromBase64(state.encode("ascii")), STATE_VERSION)

    # -- events ---------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_path(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = dropped_path(event)
        if path is not None and self._desks is not None:
            event.acceptProposedAction()
            self._desks.importing.take_drop(path)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.may_close():
            event.ignore()
            return
        self.closing.emit()
        super().closeEvent(event)


def _has_focus(place: QWidget) -> bool:
    focused = QApplication.focusWidget()
    return focused is not None and (focused is place or place.isAncestorOf(focused))


def _first_taker(place: QWidget) -> QWidget | None:
    """What takes keys first in a panel: its list, else the first thing that can."""
    takers = [
        child
        for child in place.findChildren(QWidget)
        if child.focusPolicy() & Qt.FocusPolicy.TabFocus and child.isVisible() and child.isEnabled()
    ]
    lists = [child for child in takers if isinstance(child, QAbstractItemView)]
    return next(iter([*lists, *takers]), None)

"""The Semantic panel: a model, asking it, what it said, and what becomes of that."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.progress import Progress
from segstudio.gui.canvas.label_map_levels import Share
from segstudio.gui.canvas.label_map_look import LabelMapLook
from segstudio.gui.icons import icon
from segstudio.gui.panels.semantic_asking import Disclosure, PredictFields
from segstudio.gui.panels.semantic_card import ModelChoice
from segstudio.gui.panels.semantic_showing import ShowingView
from segstudio.gui.panels.status import ElidedLabel
from segstudio.gui.semantic_state import ModelRow
from segstudio.gui.theme import SPACING


class SemanticPanel(QWidget):
    """Shows how things stand, and tells what is wanted."""

    predict_wanted = Signal()
    predict_selection_wanted = Signal()
    predict_unlabelled_wanted = Signal()
    predict_all_wanted = Signal()
    cancel_wanted = Signal()
    turn_wanted = Signal()
    counts_wanted = Signal()  # of the images in the menu, which is about to show

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.models, self.showing = ModelChoice(), ShowingView()
        self.asking = PredictFields()
        self.disclosure = Disclosure(self.tr("How it is asked"), self.asking)
        self.asking.summed_up.connect(self.disclosure.summary.show_text)
        self.predict = QPushButton(self.tr("Predict"), self)
        self.predict.setToolTip(self.tr("Give every pixel of this image a category (Ctrl+P)"))
        self.more = QToolButton(self)
        self.more.setIcon(icon("down"))
        self.more.setToolTip(self.tr("Predict other images"))
        self.more.setAccessibleName(self.tr("Predict other images"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self)
        self.selected = self.menu.addAction("", self.predict_selection_wanted.emit)
        self.unlabelled = self.menu.addAction("", self.predict_unlabelled_wanted.emit)
        self.all_images = self.menu.addAction("", self.predict_all_wanted.emit)
        self.menu.aboutToShow.connect(self.counts_wanted)
        self.more.setMenu(self.menu)
        self.progress_text, self.bar = ElidedLabel(self), QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.cancel = QPushButton(self.tr("Cancel"), self)
        self.empty = QLabel(self)
        self.empty.setWordWrap(True)
        self.empty.setProperty("role", "dim")
        self.turn = QPushButton(self.tr("Turn into annotations…"), self)
        self._predicted = self._running = False
        self._lay_out()
        self.predict.clicked.connect(self.predict_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.turn.clicked.connect(self.turn_wanted)
        self.show_counts(0, 0, 0)
        self.show_running(False, None)
        self.show_prediction(None, LabelMapLook(), 0)
        self.show_ready(False, self.tr("Open a folder of images first."))

    def _lay_out(self) -> None:
        asking, running = QHBoxLayout(), QHBoxLayout()
        for line in (asking, running):
            line.setSpacing(SPACING)
        asking.addWidget(self.predict, 1)
        asking.addWidget(self.more)
        running.addWidget(self.progress_text, 1)
        running.addWidget(self.cancel)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(2 * SPACING, SPACING, 2 * SPACING, 2 * SPACING)
        column.setSpacing(2 * SPACING)
        column.addWidget(self.models)
        column.addLayout(asking)
        column.addLayout(running)
        column.addWidget(self.bar)
        column.addWidget(self.disclosure)
        column.addWidget(_line())
        column.addWidget(self.empty)
        column.addWidget(self.showing, 1)
        column.addWidget(self.turn)
        column.addStretch(0)
        scrolled = QScrollArea(self)
        scrolled.setWidgetResizable(True)
        scrolled.setFrameShape(QFrame.Shape.NoFrame)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scrolled.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled)

    # -- shown ----------------------------------------------------------------------------------

    def show_models(self, rows: Sequence[ModelRow], chosen: str) -> None:
        """All cards, and the key of the chosen one."""
        self.models.show_models(rows, chosen)

    def show_ready(self, ready: bool, why_not: str, *, others: bool = False) -> None:
        """Whether there is an image and a model to ask; why not, where there is none.

        `others`: whether other images can be predicted, be the open one as it may.
        """
        self.predict.setEnabled(ready)
        self.more.setEnabled(others)
        self.disclosure.setEnabled(ready or others)
        if ready:
            why_not = self.tr("Press Predict to give every pixel of this image a category.")
        self.empty.setText(why_not)

    def show_counts(self, selected: int, unlabelled: int, images: int) -> None:
        """How many images the menu's rows are about."""
        for action, text, count in (
            (self.selected, self.tr("Predict the selected images ({:,})"), selected),
            (self.unlabelled, self.tr("Predict all unlabelled images ({:,})"), unlabelled),
            (self.all_images, self.tr("Predict all images ({:,})"), images),
        ):
            action.setText(text.format(count))
            action.setEnabled(count > 0)

    def show_running(
        self, running: bool, progress: Progress | None, *, stopping: bool = False
    ) -> None:
        """A prediction is under way, and this far; or was told to stop, and soon will."""
        fraction = progress.fraction if progress is not None and not stopping else None
        self.bar.setRange(0, 0 if fraction is None else 1000)
        self.bar.setValue(0 if fraction is None else round(1000 * fraction))
        text = progress.text if progress is not None else ""
        if progress is not None and progress.total > 1:
            text += " " + self.tr("{:,} of {:,}").format(progress.done, progress.total)
        if stopping:
            text = self.tr("Cancelling…")
        self.progress_text.show_text(text.strip() or self.tr("Predicting…"))
        self.cancel.setEnabled(not stopping)
        busy: tuple[QWidget, ...] = (self.bar, self.progress_text, self.cancel)
        for part in busy:
            part.setVisible(running)
        for button in (self.predict, self.more):
            button.setVisible(not running)
        self._running = running
        self.empty.setVisible(not (self._predicted or running))

    def show_prediction(
        self, shares: Sequence[Share] | None, look: LabelMapLook, area: int
    ) -> None:
        """What the open image has, and how it is shown; None: nothing was predicted yet."""
        self._predicted = shares is not None
        self.showing.setVisible(shares is not None)
        self.empty.setVisible(not (self._predicted or self._running))
        if shares is not None:
            self.showing.show_prediction(shares, look, area)

    def show_turnable(self, turnable: bool) -> None:
        """Whether there is a prediction, of this image or others, to make annotations of."""
        self.turn.setVisible(turnable)

    def follow(self, shares: Sequence[Share], look: LabelMapLook) -> None:
        """The same prediction, shown otherwise."""
        self.showing.follow(shares, look)


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFixedHeight(1)
    line.setProperty("role", "line")
    return line

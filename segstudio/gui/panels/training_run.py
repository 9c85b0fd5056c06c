"""One training: how far it is, its curves, its categories, its worst images, its settings."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QImage, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFormLayout,
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

from segstudio.gui.icons import icon
from segstudio.gui.panels.training_bars import ShareBars
from segstudio.gui.panels.training_worst import WorstImages
from segstudio.gui.theme import SPACING, numeric_font
from segstudio.gui.training_pictures import ExamplePictures
from segstudio.gui.training_story import TrainingStory
from segstudio.gui.training_words import headline, score_line, settings_rows, state_name
from segstudio.models.training.settings import TrainingSettings

FRAME_MS = 100  # news are drawn at most 10 times a second
WIDE = 640  # px from which on there are two columns
LIVE = frozenset({"starting", "running", "pausing", "paused", "stopping"})
RESUMABLE = frozenset({"stopped", "interrupted", "failed"})


@dataclass(frozen=True)
class RunShown:
    """What is known of a training without its events.

    `name` tells it from the others, `state` is one of `training_words.STATES`; `usable` says that
    it has weights; `why` is the sentence where it failed.
    """

    name: str
    title: str
    state: str
    started_at: float
    miou: float | None = None
    settings: TrainingSettings | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    usable: bool = False
    why: str = ""


class TrainingRunView(QScrollArea):
    """Shows one training; a live one is drawn again as news come, at most 10 times a second."""

    pause_wanted = Signal()
    stop_wanted = Signal()
    resume_wanted = Signal(str)  # the run's name; of a paused one, too
    use_wanted = Signal(str)
    delete_wanted = Signal(str)
    image_wanted = Signal(object)  # Example
    picture_wanted = Signal(QImage)
    charts_wanted = Signal()  # before the first ones can be drawn

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.run: RunShown | None = None
        self.story = TrainingStory()
        self.title, self.how_far = QLabel(), QLabel()
        self.score, self.why, self.notes = QLabel(), QLabel(), QLabel()
        self.bar = QProgressBar()
        self.pause = QPushButton(self.tr("Pause"))
        self.resume = QPushButton(self.tr("Resume"))
        self.stop = QPushButton(self.tr("Stop"))
        self.use = QPushButton(self.tr("Use this model"))
        self.delete = QPushButton(self.tr("Delete"))
        self.more = QToolButton()
        self.curves: Any = None  # TrainingCurves, once pyqtgraph is there
        self.no_curves = QLabel(self.tr("The curves come with the first steps."))
        self.categories = ShareBars(
            self.tr("IoU by category"), (self.tr("Category"), self.tr("IoU"))
        )
        self.worst = WorstImages()
        self.settings = QFormLayout()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(FRAME_MS)
        self._soon.timeout.connect(self._draw)
        self._drawn_validations = -1
        self._fill_menu()
        self._lay_out()
        self._connect()

    def _connect(self) -> None:
        self.pause.clicked.connect(self.pause_wanted)
        self.stop.clicked.connect(self.stop_wanted)
        for button, signal in (
            (self.resume, self.resume_wanted),
            (self.use, self.use_wanted),
            (self.delete, self.delete_wanted),
        ):
            button.clicked.connect(lambda _=False, told=signal: self._tell(told))
        self.worst.opened.connect(self.image_wanted)

    def _tell(self, signal: Any) -> None:
        if self.run is not None:
            signal.emit(self.run.name)

    # -- layout ---------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        bold = self.title.font()
        bold.setBold(True)
        self.title.setFont(bold)
        for label in (self.title, self.how_far, self.score, self.why, self.notes):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for label in (self.how_far, self.score):
            label.setFont(numeric_font(label.font()))
            label.setProperty("role", "dim")
        self.why.setProperty("role", "danger")
        self.notes.setProperty("role", "warning")
        self.no_curves.setProperty("role", "dim")
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("How far the training is"))
        self._column, self._second = QVBoxLayout(), QVBoxLayout()
        for column in (self._column, self._second):
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(2 * SPACING)
        for widget in (self.title, self.how_far, self.bar, self.score):
            self._column.addWidget(widget)
        self._column.addLayout(self._buttons())  # in sight, however much there is to say
        for widget in (self.why, self.notes):
            self._column.addWidget(widget)
        self._column.addWidget(self.no_curves)
        self._by_category = self._section(self.tr("IoU by category"), self.categories)
        self._section(self.tr("Worst validation images"), self.worst)
        told = QWidget()
        told.setLayout(self.settings)
        self.settings.setContentsMargins(0, 0, 0, 0)
        self.settings.setVerticalSpacing(SPACING)
        self._section(self.tr("Settings"), told)
        for column in (self._column, self._second):
            column.addStretch(0)
        inner = QWidget()
        self._columns = QBoxLayout(QBoxLayout.Direction.TopToBottom, inner)
        self._columns.setContentsMargins(0, 0, SPACING, 0)
        self._columns.setSpacing(2 * SPACING)
        self._columns.addLayout(self._column, 3)
        self._columns.addLayout(self._second, 2)
        self.setWidget(inner)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Two columns where there is room for them."""
        wide = event.size().width() >= WIDE
        directions = QBoxLayout.Direction
        self._columns.setDirection(directions.LeftToRight if wide else directions.TopToBottom)
        self._columns.setSpacing((6 if wide else 2) * SPACING)
        self._fit_curves(wide)
        super().resizeEvent(event)

    def _fit_curves(self, wide: bool) -> None:
        """In sight as a whole: the other column may be longer than the window is high."""
        if self.curves is not None:
            least = self.curves.minimumHeight()
            room = self.viewport().height() - self.curves.y() - SPACING
            self.curves.setMaximumHeight(max(least, room) if wide else least)

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACING)
        for button in (self.pause, self.resume, self.stop, self.use, self.delete):
            button.setAutoDefault(False)  # in a window of its own, Enter presses none of them
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self.more)
        return row

    def _fill_menu(self) -> None:
        menu = QMenu(self.more)
        for text, call in (
            (self.tr("Save the curves as a picture…"), self._save_curves),
            (self.tr("Copy the numbers of the curves"), self._copy_numbers),
            (self.tr("Copy the settings"), self._copy_settings),
        ):
            menu.addAction(text, call)
        self.more.setMenu(menu)
        self.more.setIcon(icon("more"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setToolTip(self.tr("Save or copy what is shown"))
        self.more.setAccessibleName(self.tr("Save or copy what is shown"))

    def _save_curves(self) -> None:
        if self.curves is not None:
            self.picture_wanted.emit(self.curves.grab().toImage())

    def _copy_numbers(self) -> None:
        rows = ["\t".join(map(str, row)) for row in self.story.rows()]
        QGuiApplication.clipboard().setText("\n".join(["what\tepoch\tvalue", *rows]))

    def _copy_settings(self) -> None:
        told = self.run.settings if self.run is not None else None
        rows = settings_rows(told) if told is not None else []
        QGuiApplication.clipboard().setText("\n".join("\t".join(row) for row in rows))

    def _section(self, title: str, widget: QWidget) -> QLabel:
        label = QLabel(title)
        label.setProperty("role", "dim")
        label.setBuddy(widget)
        self._second.addWidget(label)
        self._second.addWidget(widget)
        return label

    # -- told from outside ----------------------------------------------------------------------

    def show_run(self, run: RunShown, story: TrainingStory) -> None:
        """Show another training, or the same one in another state."""
        other = self.run is None or self.run.name != run.name
        same_story = self.story is story
        self.run, self.story = run, story
        if other or not same_story:
            self._drawn_validations = -1
            self._show_settings(run.settings)
        if other:
            self.worst.show_examples([])
        self._draw()

    def follow(self) -> None:
        """The story got longer; it is drawn in a moment, with what comes until then."""
        if not self._soon.isActive():
            self._soon.start()

    def show_worst(self, name: str, shown: Sequence[ExamplePictures]) -> None:
        """Pictures of that run's worst images; late ones of another run are dropped."""
        if self.run is not None and self.run.name == name:
            self.worst.show_examples(shown, looked=True)

    def show_charts(self) -> None:
        """pyqtgraph is imported by now: make the charts."""
        if self.curves is None:
            module = importlib.import_module("segstudio.gui.panels.training_curves")
            self.curves = module.TrainingCurves()
            self._column.insertWidget(self._column.indexOf(self.no_curves), self.curves, 1)
            self._fit_curves(self.width() >= WIDE)
            self._draw()

    # -- drawing --------------------------------------------------------------------------------

    def _draw(self) -> None:
        run, story = self.run, self.story
        if run is None:
            return
        self._show_state(run, story)
        drawn = bool(story.losses or story.validations)
        if drawn and self.curves is None:
            self.charts_wanted.emit()
        self.no_curves.setVisible(not drawn)
        if self.curves is not None:
            self.curves.setVisible(drawn)
            if drawn:
                self.curves.show_story(story)
        if len(story.validations) != self._drawn_validations:
            self._drawn_validations = len(story.validations)
            self._show_categories(run, story)

    def _show_state(self, run: RunShown, story: TrainingStory) -> None:
        live, state = run.state in LIVE, run.state
        self.title.setText(f"{run.title} — {state_name(state)}")
        self.how_far.setText(headline(story, state))
        self.how_far.setVisible(bool(self.how_far.text()))
        self.bar.setVisible(live)
        waiting = state in ("starting", "stopping") or story.started is None
        self.bar.setRange(0, 0 if waiting else 1000)
        self.bar.setValue(round(1000 * story.fraction))
        self.score.setText(score_line(story))
        self.score.setVisible(bool(self.score.text()))
        self.why.setText(run.why)
        self.why.setVisible(bool(run.why))
        notes = story.started.notes if story.started is not None else ()
        self.notes.setText("\n".join(notes))
        self.notes.setVisible(bool(notes))
        self.pause.setVisible(state in ("starting", "running", "pausing"))
        self.pause.setEnabled(state == "running")
        self.resume.setVisible(state == "paused" or state in RESUMABLE)
        self.stop.setVisible(live)
        self.stop.setEnabled(state != "stopping")
        self.use.setVisible(run.usable or story.best is not None)
        self.delete.setVisible(not live and state != "elsewhere")

    def _show_categories(self, run: RunShown, story: TrainingStory) -> None:
        latest = story.latest
        rows = [(name, share) for name, share in latest.iou.items()] if latest else []
        self.categories.show_shares(rows, run.colours)
        for part in (self._by_category, self.categories):
            part.setVisible(bool(rows))

    def _show_settings(self, settings: TrainingSettings | None) -> None:
        while self.settings.rowCount():
            self.settings.removeRow(0)
        for name, value in settings_rows(settings) if settings is not None else ():
            title, told = QLabel(name), QLabel(value)
            title.setProperty("role", "dim")
            told.setWordWrap(True)
            told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.settings.addRow(title, told)

"""Who hears whom about trainings: the desk, its panel, its dialog, and the closing window."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from typing import Any

from PySide6.QtCore import QObject, QTimer
from shiboken6 import isValid

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.jobs import Lane
from segstudio.engine.training_run import TrainingRun
from segstudio.engine.training_survey import SetSurvey
from segstudio.gui.action_set import ActionSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.dialogs.training import TrainingDialog
from segstudio.gui.job_following import follow_job
from segstudio.gui.main_window import MainWindow
from segstudio.gui.panels.training_run import RunShown
from segstudio.gui.showing import show_once
from segstudio.gui.training_defaults import TrainingStart
from segstudio.gui.training_looking import (
    Looked,
    categories_of,
    look_at,
    look_at_labels,
    worst_of,
)
from segstudio.gui.training_pictures import ExamplePictures
from segstudio.gui.workspace import Workspace
from segstudio.models.training.events import Event, Validated

CURVES = "segstudio.gui.panels.training_curves"
KEPT = 8  # stories of runs that were looked at
ELSEWHERE_MS = 4000  # how often one looks at a training that another program runs


def wire_training(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    """Connect one window's trainings."""
    desk, panel = desks.training, window.training
    watching = _Watching(window, workspace, desks)
    panel.train_wanted.connect(desk.ask)
    panel.run_chosen.connect(watching.choose)
    view = panel.view
    view.pause_wanted.connect(desk.pause)
    view.stop_wanted.connect(desk.stop)
    view.resume_wanted.connect(desk.resume)
    view.use_wanted.connect(desk.use)
    view.delete_wanted.connect(desk.delete)
    for button in (view.pause, view.resume, view.stop, view.use, view.delete):
        button.clicked.connect(window.canvas.setFocus)  # it may go, and the next one not be meant
    view.picture_wanted.connect(lambda image: desks.quality.save_picture(image, "training.png"))
    view.image_wanted.connect(lambda example: desks.jump.jump_to(example.name))
    desk.shown_wanted.connect(lambda: window.tabs.setCurrentWidget(panel))
    desk.wanted.connect(lambda start: _ask(window, workspace, desks, start))
    before = window.may_close
    window.may_close = lambda: before() and desk.may_close()
    desk.may_leave.connect(window.close)

    def follow() -> None:
        actions.actions["model.train"].setEnabled(workspace.store is not None)
        for name in ("model.pause_training", "model.stop_training"):
            actions.actions[name].setEnabled(desk.live is not None)

    desk.runs_changed.connect(follow)
    follow()


def _ask(window: MainWindow, workspace: Workspace, desks: DeskSet, start: TrainingStart) -> None:
    desk = desks.training

    def make() -> TrainingDialog:
        dialog = TrainingDialog(
            start.settings,
            start.choices,
            workspace.categories,
            start.trained,
            window,
            here=start.here,
        )

        def looked(survey: SetSurvey) -> None:
            if isValid(dialog):
                dialog.show_survey(survey)

        def failed(error: Exception) -> None:
            if isValid(dialog):
                dialog.show_trouble(str(error))

        def look(choices: Any) -> None:
            job = look_at_labels(workspace, choices, looked, failed)
            if job is not None:
                follow_job(workspace.runner, job, dialog.show_progress, dialog)

        dialog.survey_wanted.connect(look)
        dialog.wanted.connect(desk.start)
        workspace.project_changed.connect(dialog.reject)
        workspace.categories_changed.connect(dialog.reject)  # it maps those that there were
        workspace.edited.connect(dialog.look_again)
        return dialog

    show_once(window, TrainingDialog, make)


class _Watching(QObject):
    """Which training is looked at, and what of it was read."""

    def __init__(self, window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
        super().__init__(window)
        self._workspace, self._desk, self._panel = workspace, desks.training, window.training
        self._chosen = ""
        self._looked: OrderedDict[str, Looked] = OrderedDict()
        self._elsewhere = QTimer(self)
        self._elsewhere.setInterval(ELSEWHERE_MS)
        self._elsewhere.timeout.connect(self._desk.refresh)
        self._desk.runs_changed.connect(self._show)
        self._desk.begun.connect(self._begin)
        self._desk.told.connect(self._hear)
        self._panel.view.charts_wanted.connect(self._get_charts)
        workspace.project_changed.connect(self._say_what_first)
        workspace.renewed.connect(self._say_what_first)
        workspace.edited.connect(lambda _: self._say_what_first())

    # -- showing --------------------------------------------------------------------------------

    def choose(self, name: str) -> None:
        """Look at that training."""
        self._chosen = name
        self._show_run()

    def _begin(self, name: str) -> None:
        live = self._desk.live
        if live is not None:
            self._looked.pop(name, None)
            self._chosen = name

    def _show(self) -> None:
        runs = self._desk.runs
        names = [run.name for run in runs]
        if self._chosen not in names:
            self._chosen = names[0] if names else ""
        states = {run.name: self._desk.state_of(run) for run in runs}
        elsewhere = "elsewhere" in states.values()
        if elsewhere != self._elsewhere.isActive():
            self._elsewhere.start() if elsewhere else self._elsewhere.stop()
        for name, state in states.items():
            if state == "elsewhere":
                self._looked.pop(name, None)
        self._panel.show_runs([self._shown(run) for run in runs], self._chosen)
        self._show_run()

    def _shown(self, run: TrainingRun) -> RunShown:
        live, looked = self._desk.live, self._looked.get(run.name)
        here = live is not None and live.name == run.name
        best = live.story.best if live is not None and here else None
        return RunShown(
            name=run.name,
            title=run.title,
            state=self._desk.state_of(run),
            started_at=run.started_at,
            miou=best.miou if best is not None else run.facts.miou,
            settings=run.settings,
            colours=looked.colours if looked is not None else {},
            usable=run.has_model,
            why="" if here else _why(run),
        )

    def _show_run(self) -> None:
        run = self._desk.run(self._chosen)
        if run is None:
            return
        looked = self._looked.get(run.name)
        if looked is None:
            self._look(run)
        else:
            self._panel.view.show_run(self._shown(run), looked.story)

    # -- reading --------------------------------------------------------------------------------

    def _look(self, run: TrainingRun) -> None:
        live = self._desk.live
        here = live if live is not None and live.name == run.name else None

        def work(_: CancelToken, __: ProgressSink) -> Looked:
            if here is not None:
                return Looked(run.name, here.story, categories_of(run))
            return look_at(run)

        def done(looked: Looked) -> None:
            now = self._desk.live
            if now is not None and now.name == looked.name and looked.story is not now.story:
                return  # it began to run meanwhile
            self._looked[looked.name] = looked
            while len(self._looked) > KEPT:
                self._looked.popitem(last=False)
            if looked.name == self._chosen:
                self._show_run()
                self._get_worst(run, looked)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("reading a training"),
            work,
            on_done=done,
            on_error=self._workspace.tell_error,
            key="training-look",
        )

    def _hear(self, events: list[Event]) -> None:
        live = self._desk.live
        if live is None:
            return
        validated = any(isinstance(event, Validated) for event in events)
        if validated:
            self._show()  # its best mIoU stands in the list
        if live.name != self._chosen:
            return
        self._panel.view.follow()
        looked = self._looked.get(live.name)
        if looked is not None and validated:
            self._get_worst(live.run, looked)

    def _get_worst(self, run: TrainingRun, looked: Looked) -> None:
        latest = looked.story.latest
        if latest is None:
            return

        def done(pictures: list[ExamplePictures]) -> None:
            self._panel.view.show_worst(run.name, pictures)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("reading the worst images"),
            lambda cancel, _: worst_of(run, latest.worst, looked.categories, cancel),
            on_done=done,
            on_error=self._workspace.tell_error,
            key="training-worst",
        )

    def _get_charts(self) -> None:
        """Import pyqtgraph, which takes a moment, off the GUI's thread."""
        self._workspace.runner.submit(
            Lane.IO,
            self.tr("getting the charts ready"),
            lambda _c, _p: importlib.import_module(CURVES),
            on_done=lambda _: self._panel.view.show_charts(),
            on_error=self._workspace.tell_error,
            key="training-charts",
        )

    def _say_what_first(self) -> None:
        """What to do before the first training."""
        if self._workspace.store is None:
            told = self.tr("Open a folder of images, label ten of them, then train.")
        else:
            labelled = sum(1 for count in self._workspace.image_counts.values() if count)
            if labelled >= 10:
                told = self.tr("{:,} images are labelled: train a model on them.").format(labelled)
            else:
                told = self.tr("Label ten images, then train. {} so far.").format(labelled)
        self._panel.show_empty(told)


def _why(run: TrainingRun) -> str:
    ended = run.facts.ended
    return ended.message if ended is not None and ended.reason == "failed" else ""

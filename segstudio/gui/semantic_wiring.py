"""Who hears whom about semantic models: desks, panel, legend, dialogs, status strip."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Qt
from shiboken6 import isValid

from segstudio.engine.job import Job, JobState
from segstudio.engine.label_map_preview import TurnPreview
from segstudio.gui.action_set import ActionSet
from segstudio.gui.desk_set import DeskSet
from segstudio.gui.desks.semantic_turning import Question
from segstudio.gui.dialogs.semantic_card import CardDialog
from segstudio.gui.dialogs.semantic_turning import TurnDialog
from segstudio.gui.job_following import follow_job
from segstudio.gui.main_window import MainWindow
from segstudio.gui.panels.gallery import GalleryPanel
from segstudio.gui.panels.semantic_readout import SemanticReadout
from segstudio.gui.semantic_state import ModelRow
from segstudio.gui.showing import show_once
from segstudio.gui.workspace import Workspace
from segstudio.models.semantic.card import SemanticCard

PREDICTING = (
    "model.predict",
    "model.predict_selected",
    "model.predict_unlabelled",
    "model.predict_all",
)
_SHOWN_STATES = (JobState.RUNNING, JobState.CANCELLED)


def wire_semantic(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    """Connect one window's semantic models."""
    _wire_models(window, desks)
    _wire_predicting(window, workspace, desks, actions)
    _wire_view(window, workspace, desks, actions)
    _Cards(window, workspace, desks)
    desks.semantic_turning.wanted.connect(lambda question: _ask(window, workspace, desks, question))


def _wire_models(window: MainWindow, desks: DeskSet) -> None:
    panel, models = window.semantic.models, desks.semantic_models
    panel.chosen.connect(models.use)
    panel.get_wanted.connect(models.get)
    panel.details_wanted.connect(models.show_details)
    panel.train_wanted.connect(desks.training.show)
    desks.training.model_adopted.connect(models.use_trained)
    desks.training.model_adopted.connect(lambda _: window.tabs.setCurrentWidget(window.semantic))
    models.changed.connect(lambda: window.semantic.show_models(models.rows, models.chosen))


def _wire_predicting(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    panel, desk = window.semantic, desks.semantic
    desk.selected = lambda: _selected(window.gallery)
    panel.predict_wanted.connect(desk.predict)
    panel.predict_selection_wanted.connect(desk.predict_selection)
    panel.predict_unlabelled_wanted.connect(desk.predict_unlabelled)
    panel.predict_all_wanted.connect(desk.predict_all)
    panel.cancel_wanted.connect(desk.cancel)
    panel.turn_wanted.connect(desks.semantic_turning.ask)
    panel.asking.changed.connect(desk.use_settings)
    desk.settings_changed.connect(lambda: panel.asking.show_settings(desk.settings))
    for button in (panel.predict, panel.cancel):  # it goes, and the next one is not meant
        button.clicked.connect(window.canvas.setFocus)
    desk.begun.connect(lambda: window.tabs.setCurrentWidget(panel))

    def follow_ready() -> None:
        others = bool(workspace.images) and desk.models.slot is not None
        panel.show_ready(desk.ready, desk.why_not, others=others)
        for name in (*PREDICTING, "model.turn", "model.take_back"):
            actions.actions[name].setEnabled(workspace.store is not None)

    def follow_running() -> None:
        panel.show_running(desk.running, desk.progress, stopping=desk.stopping)

    def follow_job_of_it(job: Job[Any]) -> None:
        if desk.is_of(job) and job.state in _SHOWN_STATES:
            follow_running()

    def count() -> None:
        panel.show_counts(len(desk.selected()), len(desk.unlabelled), len(workspace.images))

    panel.counts_wanted.connect(count)
    desk.ready_changed.connect(follow_ready)
    desk.known_changed.connect(lambda: panel.show_turnable(bool(desk.known)))
    desk.running_changed.connect(follow_running)
    workspace.runner.listen(follow_job_of_it)
    follow_ready()


def _selected(gallery: GalleryPanel) -> tuple[int, ...]:
    """Ids of the images that are selected in the gallery, in its order."""
    rows = sorted(index.row() for index in gallery.view.selectionModel().selectedIndexes())
    return tuple(gallery.model.record_at(row).id for row in rows)


def _wire_view(
    window: MainWindow, workspace: Workspace, desks: DeskSet, actions: ActionSet
) -> None:
    panel, view = window.semantic, desks.semantic_view
    readout = SemanticReadout()
    window.status.add_counts(readout)

    def show() -> None:
        if view.levels is None:
            panel.show_prediction(None, view.look, 0)
        else:
            height, width = view.levels.prediction.size
            panel.show_prediction(view.shares(), view.look, height * width)

    def follow_look() -> None:
        if view.levels is not None:
            panel.follow(view.shares(), view.look)

    panel.showing.look_wanted.connect(view.use_look)
    panel.showing.compare_wanted.connect(view.compare)
    view.changed.connect(show)
    view.look_changed.connect(follow_look)
    view.compared.connect(panel.showing.show_compare)
    view.compared.connect(actions.actions["view.compare"].setChecked)
    view.pointed.connect(readout.tell)
    workspace.edited.connect(lambda _: window.canvas.update())
    show()


def _ask(window: MainWindow, workspace: Workspace, desks: DeskSet, question: Question) -> None:
    desk = desks.semantic_turning

    def make() -> TurnDialog:
        dialog = TurnDialog(question, window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def counted(found: TurnPreview) -> None:
            if isValid(dialog):
                dialog.show_preview(found)

        def failed(error: Exception) -> None:
            if isValid(dialog):
                dialog.show_trouble(str(error))

        dialog.count_wanted.connect(lambda options: desk.count(options, counted, failed))
        dialog.wanted.connect(
            lambda options, scope, sharpen: desk.turn(options, scope, sharpen=sharpen)
        )
        workspace.image_changed.connect(dialog.reject)
        workspace.categories_changed.connect(dialog.reject)  # it maps to those that there were
        desks.semantic_models.model_changed.connect(dialog.reject)
        workspace.edited.connect(dialog.look_again)
        return dialog

    show_once(window, TurnDialog, make)


class _Cards(QObject):
    """The dialogs about one model each, and the downloads that they follow."""

    def __init__(self, window: MainWindow, workspace: Workspace, desks: DeskSet) -> None:
        super().__init__(window)
        self._window, self._workspace = window, workspace
        self._desk = desks.semantic_models
        self._jobs: dict[str, Job[None]] = {}  # downloads, by the card's key
        self._desk.details_wanted.connect(self._show)
        self._desk.licence_wanted.connect(self._ask_licence)
        self._desk.getting.connect(self._begin)
        self._desk.changed.connect(self._follow)

    def _dialogs(self) -> list[CardDialog]:
        return [one for one in self._window.findChildren(CardDialog) if one.isVisible()]

    def _show(self, row: ModelRow) -> None:
        def made(accepted: bool) -> None:
            self._open(row, accepted=accepted)

        self._desk.look_for_licence(row.card, made)

    def _ask_licence(self, card: SemanticCard) -> None:
        row = self._desk.row(card.key)
        if row is not None:
            self._open(row, accepted=False)

    def _open(self, row: ModelRow, *, accepted: bool) -> None:
        for dialog in self._dialogs():
            if dialog.card.key == row.card.key:
                dialog.raise_()
                dialog.activateWindow()
                return
        dialog = CardDialog(row, licence_accepted=accepted, parent=self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        key = row.card.key
        dialog.get_wanted.connect(lambda card: self._desk.get(card.key))
        dialog.accepted_and_wanted.connect(self._desk.accept_and_get)
        dialog.stop_wanted.connect(lambda: self._stop(key))
        dialog.show()
        if key in self._jobs:
            self._attach(dialog, self._jobs[key])

    def _begin(self, key: str, job: Job[None]) -> None:
        self._jobs[key] = job
        for dialog in self._dialogs():
            if dialog.card.key == key:
                self._attach(dialog, job)

    def _attach(self, dialog: CardDialog, job: Job[None]) -> None:
        dialog.show_progress(job.progress)
        follow_job(self._workspace.runner, job, dialog.show_progress, dialog)

    def _stop(self, key: str) -> None:
        if key in self._jobs:
            self._jobs[key].cancel()

    def _follow(self) -> None:
        """Downloads end with a look at what is here."""
        ended = {key: job for key, job in self._jobs.items() if job.settled}
        self._jobs = {key: job for key, job in self._jobs.items() if key not in ended}
        for dialog in self._dialogs():
            row = self._desk.row(dialog.card.key)
            if row is not None and row.here:
                dialog.show_here()
            elif dialog.card.key in ended:
                error = ended[dialog.card.key].error
                dialog.show_idle(str(error) if error is not None else "")

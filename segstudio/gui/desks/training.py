"""The training desk: asking, starting, steering, looking back, putting a model to use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.job import Callbacks
from segstudio.engine.jobs import Lane
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_folder import RunState
from segstudio.engine.training_process import ProcessState, TrainingProcess
from segstudio.engine.training_run import TrainingRun, TrainingRuns, network_title
from segstudio.engine.training_weights import ensure_start
from segstudio.gui.desks.runs import submit
from segstudio.gui.desks.training_bin import TrainingBin
from segstudio.gui.training_defaults import TrainingStart, first_settings
from segstudio.gui.training_live import EventMail, LiveTraining
from segstudio.gui.workspace import Workspace
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.training.settings import TrainingSettings


class TrainingDesk(QObject):
    """What the training actions, the panel and the dialog call. One training runs at a time."""

    wanted = Signal(object)  # TrainingStart
    shown_wanted = Signal()  # its panel should be seen
    runs_changed = Signal()
    told = Signal(list)  # events of the one that runs
    begun = Signal(str)  # name of the one that runs from now on
    model_adopted = Signal(str)  # key of a model that can be used from now on
    may_leave = Signal()  # what closing waited for is saved

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._runs: TrainingRuns | None = None
        self._history: tuple[TrainingRun, ...] = ()
        self._bin = TrainingBin(workspace)
        self._bin.changed.connect(self.runs_changed)
        self._bin.changed.connect(self.refresh)
        self._leaving = False
        self.live: LiveTraining | None = None
        workspace.project_changed.connect(self._follow_project)

    def _follow_project(self) -> None:
        self._bin.empty()
        store = self._workspace.store
        self._runs = TrainingRuns(store) if store is not None else None
        self._history = ()
        self.runs_changed.emit()
        self.refresh(told=True)

    @property
    def live_name(self) -> str:
        """That of the training that runs here; "" where none does."""
        return self.live.name if self.live is not None else ""

    @property
    def runs(self) -> tuple[TrainingRun, ...]:
        """The project's trainings, the newest first; one that runs here is among them anyway."""
        runs = [run for run in self._history if run.name not in self._bin]
        if self.live is not None and self.live.name not in [run.name for run in runs]:
            runs.insert(0, self.live.run)
        return tuple(runs)

    def run(self, name: str) -> TrainingRun | None:
        """The training of that name."""
        return next((run for run in self.runs if run.name == name), None)

    def state_of(self, run: TrainingRun) -> str:
        """How it stands now, one of `training_words.STATES`."""
        if self.live is not None and self.live_name == run.name:
            return self.live.state
        return "elsewhere" if run.state is RunState.RUNNING else str(run.state)

    def refresh(self, *, told: bool = False) -> None:
        """Read the project's trainings anew; with `told`, offer to resume an interrupted one."""
        runs = self._runs
        if runs is None:
            return

        def done(history: tuple[TrainingRun, ...]) -> None:
            if runs is not self._runs:
                return
            self._history = history
            self.runs_changed.emit()
            newest = history[0] if history else None
            if told and newest is not None and self.state_of(newest) == RunState.INTERRUPTED:
                self._workspace.tell(self.tr("A training was interrupted; all it saved is there."))
                self._workspace.offer(self.tr("Resume"), lambda: self.resume(newest.name))

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("reading trainings"),
            lambda _c, _p: runs.history(),
            on_done=done,
            on_error=self._workspace.tell_error,
            key="training-history",
        )

    # -- asking ---------------------------------------------------------------------------------

    def show(self) -> None:
        """Bring the panel up."""
        self.shown_wanted.emit()

    def ask(self) -> None:
        """Ask what to train, from how the last one was."""
        store = self._workspace.store
        if store is None:
            self._workspace.tell(self.tr("Open a folder of images first, and label some."))
            return
        if self.live is not None:
            self.shown_wanted.emit()
            self._workspace.tell(
                self.tr("A training is running; stop it first, or wait until it ends.")
            )
            return
        last = next((run for run in self._history if run.settings is not None), None)

        def work(_: CancelToken, __: ProgressSink) -> TrainingStart:
            return first_settings(last, store)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for models"),
            work,
            on_done=self.wanted.emit,
            on_error=self._workspace.tell_error,
            key="training-ask",
        )

    # -- starting -------------------------------------------------------------------------------

    def start(self, settings: TrainingSettings, choices: SetChoices) -> None:
        """Write the training set and start; edits that are under way come first."""
        runs = self._runs
        if runs is None:
            return
        title = network_title(settings)

        def work(cancel: CancelToken, report: ProgressSink) -> TrainingRun:
            ensure_start(settings, download=True, report=report, cancel=cancel)
            return runs.prepare(settings, choices, report, cancel, title)

        def refused(error: Exception) -> None:
            self._workspace.tell_error(error)
            if isinstance(error, WeightsError) and settings.pretrained:
                plain = replace(settings, pretrained=False)
                anew = self.tr("Train from nothing")
                self._workspace.offer(anew, lambda: self.start(plain, choices))

        def begin(_: object = None) -> None:
            stopped = self.tr("Stopped; nothing was trained.")
            answer: Callbacks[TrainingRun] = Callbacks(
                lambda run: self._launch(lambda mail: runs.launch(run, mail.post, mail.end), run),
                refused,
                lambda: self._workspace.tell(stopped),
            )
            submit(self._workspace, self.tr("writing the training set"), work, answer)

        # A job on the store lane ends when every edit before it is written.
        waiting = self.tr("waiting for edits")
        runner = self._workspace.runner
        runner.submit(Lane.STORE, waiting, lambda _c, _p: None, on_done=begin)
        self.shown_wanted.emit()

    def resume(self, name: str) -> None:
        """Go on after a pause, or from where a run was saved last."""
        runs, run, live = self._runs, self.run(name), self.live
        if live is not None and live.name == name:
            live.process.resume()
            self.runs_changed.emit()
        elif live is not None:
            self._workspace.tell(
                self.tr("A training is running; stop it first, or wait until it ends.")
            )
        elif runs is not None and run is not None:
            self._launch(lambda mail: runs.resume(run, mail.post, mail.end), run)
            self.shown_wanted.emit()

    def _launch(self, launch: Callable[[EventMail], TrainingProcess], run: TrainingRun) -> None:
        """Start a process off the GUI's thread; its first events wait until it is known here."""
        mail = EventMail(self._workspace.runner, self._heard, self._over)
        made: list[TrainingProcess] = []

        def work(_: CancelToken, __: ProgressSink) -> TrainingProcess:
            made.append(launch(mail))
            return made[0]

        def done(process: TrainingProcess) -> None:
            self.live = LiveTraining(run, process)
            self._heard()
            self.begun.emit(run.name)
            self.runs_changed.emit()
            if process.state is ProcessState.ENDED:
                self._over()

        def gone() -> None:
            for process in made:  # the window closes, or somebody stopped the job
                process.release()

        answer = Callbacks(done, self._workspace.tell_error, gone)
        submit(self._workspace, self.tr("starting the training"), work, answer)

    # -- hearing --------------------------------------------------------------------------------

    def _heard(self) -> None:
        live = self.live
        if live is None:  # what came before it is known here is taken then
            return
        state = live.shown_state
        fresh = live.take()
        if fresh:
            self.told.emit(fresh)
        if live.shown_state != state:
            self.runs_changed.emit()

    def _over(self) -> None:
        live = self.live
        if live is None or live.process.state is not ProcessState.ENDED:
            return
        self._heard()
        runs = self.runs
        self.live = None
        _tell_end(self._workspace, live, lambda: self.use(live.name, live.run))
        # One that began after the history was read is not in it yet.
        self._history = tuple(_ended(run, live) if run.name == live.name else run for run in runs)
        self.runs_changed.emit()
        self.refresh()
        if self._leaving:
            self.may_leave.emit()

    # -- steering -------------------------------------------------------------------------------

    def pause(self) -> None:
        """Let what trains wait, with all saved, or let it go on."""
        live = self.live
        if live is None:
            self._workspace.tell(self.tr("No training is running."))
        elif live.process.state is ProcessState.PAUSED:
            self.resume(live.name)
        else:
            live.process.pause()
            self.runs_changed.emit()

    def stop(self) -> None:
        """Let it save and end; it can be resumed."""
        if self.live is not None:
            self.live.process.stop()
            self.runs_changed.emit()

    def use(self, name: str, run: TrainingRun | None = None) -> None:
        """Put the run's best model among the models, and into the Semantic panel.

        `run` is given where it may be of a project that is not open any more.
        """
        runs, run = self._runs, run or self.run(name)
        if runs is None or run is None:
            return
        title, used = run.title, run

        def done(card: SemanticCard) -> None:
            tell = self.tr("“{}” is among the models now; Predict uses it.")
            self._workspace.tell(tell.format(card.title))
            self.model_adopted.emit(card.key)

        answer = Callbacks(done, self._workspace.tell_error)
        told = self.tr("keeping the model")
        submit(self._workspace, told, lambda _c, _p: runs.adopt(used, title), answer)

    def delete(self, name: str) -> None:
        """Delete a run; until its sentence goes, it can be had back."""
        runs, run = self._runs, self.run(name)
        if runs is not None and run is not None and self.live_name != name:
            self._bin.put(runs, run)

    # -- leaving --------------------------------------------------------------------------------

    def may_close(self) -> bool:
        """Whether the window may close: the first time it waits until the training is saved."""
        if self.live is None or self._leaving:
            return True
        self._leaving = True
        self.stop()
        self._workspace.tell(
            self.tr(
                "The training is being saved, and the window closes when it is; it can be resumed."
            )
        )
        return False

    def close(self) -> None:
        """The program ends: what runs saves and stops by itself."""
        self._bin.empty()
        if self.live is not None:
            self.live.process.release()


def _ended(run: TrainingRun, live: LiveTraining) -> TrainingRun:
    """The run as its process left it, until its folder was read again."""
    reason = live.process.ended.reason if live.process.ended is not None else "failed"
    states = {"failed": RunState.FAILED, "stopped": RunState.STOPPED}
    return replace(run, state=states.get(reason, RunState.DONE))


def _tell_end(workspace: Workspace, live: LiveTraining, use: Callable[[], None]) -> None:
    """Say how a training ended, and offer what can be done with it."""
    ended, best = live.process.ended, live.story.best
    if ended is not None and ended.reason == "failed":
        failed = workspace.tr("The training failed.")
        workspace.tell(ended.message or failed, live.process.details)
        return
    score = workspace.tr("best mIoU {:.1f} %").format(100 * best.miou) if best else ""
    if ended is not None and ended.reason == "stopped":
        stopped = workspace.tr("Training stopped; all is saved, and Resume goes on from here.")
        workspace.tell(stopped, score)
        return
    said = workspace.tr("Training done: {}.")
    workspace.tell(said.format(score or workspace.tr("without a validation")))
    if best is not None:
        workspace.offer(workspace.tr("Use this model"), use)

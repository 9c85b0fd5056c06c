"""Trainings of a project: made, started, resumed, told of later, put to use, deleted."""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from segstudio.config.paths import data_dir
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.progress import CancelToken, ProgressSink, ignore_progress
from segstudio.core.whole_files import disk_error
from segstudio.engine.still_view import at_one_moment
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_folder import (
    RunFacts,
    RunFolder,
    RunNote,
    RunState,
)
from segstudio.engine.training_model import adopted
from segstudio.engine.training_process import OnEnd, OnEvent, TrainingProcess
from segstudio.engine.training_set import write
from segstudio.engine.training_space import needed_bytes, require_known, require_space
from segstudio.engine.training_survey import SetSurvey, survey
from segstudio.formats.naming import safe_stem
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.registry import architecture, encoder
from segstudio.models.training.events import Event
from segstudio.models.training.settings import TrainingSettings
from segstudio.store.codec import RunRecord
from segstudio.store.project import ProjectStore

RUN_KIND = "training"
_NOTHING = RunFacts()
_UNFINISHED_SECONDS = 60.0  # a folder without its note is left alone that long
RESUMABLE = frozenset({RunState.STOPPED, RunState.INTERRUPTED, RunState.FAILED})


def training_dir() -> Path:
    """Where trainings are kept. Not created here."""
    return data_dir() / "training"


@dataclass(frozen=True)
class TrainingRun:
    """A training of the project, as it stood when it was looked at.

    `id` is that of the project's run, 0 where the project could not be written yet. `settings` and
    `choices` are None where the folder is gone or damaged. `classes` names the model's categories.
    """

    id: int
    folder: RunFolder
    state: RunState
    title: str
    started_at: float
    settings: TrainingSettings | None = None
    choices: SetChoices | None = None
    facts: RunFacts = _NOTHING
    fingerprint: str = ""
    train_images: int = 0
    val_images: int = 0
    has_model: bool = False

    @property
    def name(self) -> str:
        """What tells it from all other trainings on this machine: its folder's name."""
        return self.folder.name

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE and self.settings is not None

    def events(self) -> list[Event]:
        """All events, for its curves."""
        return self.folder.events()

    def again(self) -> TrainingRun:
        """The run as it stands now."""
        return _look(self.folder, self)


class TrainingRuns:
    """The trainings of one project. Methods read and write files: not for the GUI's thread.

    The folders in `root` hold the truth, so that a training needs the project only while its set is
    written, and nothing is lost when a program is killed. The project's own runs note what was
    trained, and say so when a folder is gone. A project that was opened read-only is trained all
    the same; the run is noted when it is next looked at with the right to write.
    """

    def __init__(
        self,
        store: ProjectStore,
        root: Path | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._store = store
        self.root = root or training_dir()
        self._command = command

    # -- starting -------------------------------------------------------------------------------

    def start(  # noqa: PLR0917 - what, of what, how, and who listens
        self,
        settings: TrainingSettings,
        choices: SetChoices,
        report: ProgressSink = ignore_progress,
        cancel: CancelToken | None = None,
        on_event: OnEvent | None = None,
        on_end: OnEnd | None = None,
        title: str = "",
    ) -> TrainingProcess:
        """Write the training set and start the process; see `prepare` and `launch`."""
        run = self.prepare(settings, choices, report, cancel, title)
        return self.launch(run, on_event, on_end)

    def prepare(
        self,
        settings: TrainingSettings,
        choices: SetChoices,
        report: ProgressSink = ignore_progress,
        cancel: CancelToken | None = None,
        title: str = "",
        *,
        made: SetSurvey | None = None,
    ) -> TrainingRun:
        """Make the run's folder with all that the process reads, and note the run.

        `made` is what a survey of these choices found just now, if there was one. Raises
        BadInputError for settings or labels that cannot be trained with, StorageError where the
        disk is full or refuses, Cancelled; nothing is left behind then.
        """
        token = cancel or CancelToken()
        reuse = [run.folder.path for run in self._found(self._store.runs(RUN_KIND))]
        folder = RunFolder(self.root / self._new_name())
        with at_one_moment(self._store) as still:
            made = made or survey(still, choices, report, token)
            made.require_sound()
            require_known(settings, len(made.categories))
            require_space(self.root, needed_bytes(settings, made))
            try:
                folder.path.mkdir(parents=True)
                with folder.hold():
                    made = write(still, made, folder.path, report, token, reuse)
                    folder.put_settings(settings)
                    note = RunNote(
                        project=str(self._store.path),
                        project_name=self._store.name,
                        title=title or network_title(settings),
                        choices=choices,
                        fingerprint=made.fingerprint,
                        train_images=len(made.train),
                        val_images=len(made.val),
                        started_at=time.time(),
                    )
                    token.check()
                    folder.put_note(self._noted(folder, note, settings))
            except BaseException as error:
                shutil.rmtree(folder.path, ignore_errors=True)
                if isinstance(error, OSError):
                    raise disk_error(error, folder.path, "Writing the training") from error
                raise
        return _look(folder)

    def launch(
        self, run: TrainingRun, on_event: OnEvent | None = None, on_end: OnEnd | None = None
    ) -> TrainingProcess:
        """Start the process of a prepared run. Raises StorageError where another trains it."""
        return TrainingProcess(run.folder, on_event, on_end, self._command)

    def resume(
        self, run: TrainingRun, on_event: OnEvent | None = None, on_end: OnEnd | None = None
    ) -> TrainingProcess:
        """Go on from where the run was saved last, with the set and the settings that it has.

        Raises BadInputError for a run that is done or gone, StorageError for one that is running.
        """
        now = _look(run.folder, run)
        if now.state is RunState.DONE:
            raise BadInputError(
                f"The training {run.title} is done; start another one, which may start from it."
            )
        if now.settings is None:
            raise BadInputError(f"The files of the training {run.title} are gone; start another.")
        return self.launch(now, on_event, on_end)

    def unfinished(self, settings: TrainingSettings, fingerprint: str) -> TrainingRun | None:
        """The newest run that is to do just this on labels of that survey, and is not done."""
        open_runs = [
            run
            for run in self.history()
            if run.settings == settings and (run.resumable or run.state is RunState.RUNNING)
        ]
        return next((run for run in open_runs if run.fingerprint == fingerprint), None)

    # -- telling --------------------------------------------------------------------------------

    def history(self) -> tuple[TrainingRun, ...]:
        """All trainings of the project, the newest first. What is new is noted in the project."""
        rows = self._store.runs(RUN_KIND)
        found = {run.name: run for run in self._found(rows)}
        for row in rows:
            name = str(row.parameters.get("folder", ""))
            if name and name not in found and not _deleted(row.result):
                title = str(row.parameters.get("title", name))
                folder = RunFolder(self.root / name)
                found[name] = TrainingRun(row.id, folder, RunState.GONE, title, row.started_at)
        if not self._store.read_only:
            by_number = {row.id: row for row in rows}
            for name, run in found.items():
                with contextlib.suppress(StorageError):  # then it is noted next time
                    found[name] = self._settled(run, by_number.get(run.id))
        return tuple(sorted(found.values(), key=lambda run: (-run.started_at, run.name)))

    def run(self, name: str) -> TrainingRun:
        """The training of that number or name. Raises BadInputError, naming those there are."""
        runs = self.history()
        for run in runs:
            if name in {run.name, str(run.id) if run.id else run.name}:
                return run
        known = ", ".join(str(run.id) if run.id else run.name for run in runs) or "none"
        raise BadInputError(f"The project has no training {name!r}; there are: {known}.")

    # -- after it -------------------------------------------------------------------------------

    def adopt(self, run: TrainingRun, title: str = "") -> SemanticCard:
        """Put the best model of a run, also of a running one, among the models that can be used.

        Raises BadInputError where there is none yet, StorageError where it cannot be copied.
        """
        note = run.folder.note()
        images = f"{note.train_images} images of “{note.project_name}”"
        return adopted(run.folder.path, title.strip() or note.title, images)

    def delete(self, run: TrainingRun) -> None:
        """Delete a run's files; models that were put to use stay. Raises StorageError."""
        run.folder.delete()
        if run.id and not self._store.read_only:
            self._store.finish_run(run.id, {**_outcome(run), "deleted": True})

    # -- folders and rows -----------------------------------------------------------------------

    def _found(self, rows: Sequence[RunRecord]) -> Iterator[TrainingRun]:
        """The runs whose folders are there: those the project names, and those that name it."""
        named = {str(row.parameters.get("folder", "")): row.id for row in rows}
        for folder in _folders(self.root):
            try:
                note = folder.note()
            except BadInputError:
                _clear_unfinished(folder)
                continue
            if folder.name in named:
                yield _look(folder, run_id=named[folder.name])
            elif Path(note.project) == self._store.path:
                # Its number is one of a project that was here before, or of none.
                yield replace(_look(folder), id=0)

    def _noted(self, folder: RunFolder, note: RunNote, settings: TrainingSettings) -> RunNote:
        """The note with the number of the project's run, where the project can be written."""
        if self._store.read_only:
            return note
        parameters = _parameters(folder, note, settings)
        return msgspec.structs.replace(note, run_id=self._store.start_run(RUN_KIND, parameters))

    def _settled(self, run: TrainingRun, row: RunRecord | None) -> TrainingRun:
        """The run with what is known of it noted in the project, whose record of it is `row`."""
        if run.state is RunState.GONE or run.settings is None:
            return run
        number = run.id
        if not number:
            parameters = _parameters(run.folder, run.folder.note(), run.settings)
            number = self._store.start_run(RUN_KIND, parameters)
        outcome = _outcome(run)
        result, progress = (row.result, row.progress) if row is not None else (None, None)
        if run.state is RunState.RUNNING:
            pass
        elif run.state is RunState.DONE and result != outcome:
            self._store.finish_run(number, outcome)
        elif run.state is not RunState.DONE and progress != outcome:
            self._store.save_run_progress(number, outcome)
        return replace(run, id=number)

    def _new_name(self) -> str:
        day = time.strftime("%Y%m%d")
        return f"{safe_stem(self._store.path.stem)[:60]}-{day}-{uuid.uuid4().hex[:8]}"


def network_title(settings: TrainingSettings) -> str:
    """What a run is called: "U-Net · ResNet-18"."""
    try:
        names = [architecture(settings.architecture).title]
        if settings.encoder:
            names.append(encoder(settings.encoder).title)
    except BadInputError:
        names = [settings.architecture, settings.encoder]
    return " · ".join(name for name in names if name)


def _parameters(folder: RunFolder, note: RunNote, settings: TrainingSettings) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(note)
    kept = ("title", "choices", "fingerprint", "train_images", "val_images", "started_at")
    return {
        "folder": folder.name,
        "settings": msgspec.to_builtins(settings),
        **{name: plain[name] for name in kept},
    }


def _outcome(run: TrainingRun) -> dict[str, Any]:
    facts = run.facts
    return {
        "state": str(run.state),
        "step": facts.step,
        "steps": facts.steps,
        "epoch": facts.epoch,
        "miou": facts.miou,
        "iou": facts.iou,
        "seconds": facts.seconds,
        "message": facts.message,
    }


def _deleted(result: Any) -> bool:
    return isinstance(result, dict) and result.get("deleted") is True


def _look(folder: RunFolder, before: TrainingRun | None = None, run_id: int = 0) -> TrainingRun:
    """The run in a folder as it stands now; `before` is what it was, for a folder that is gone."""
    number = run_id or (before.id if before is not None else 0)
    try:
        note, settings = folder.note(), folder.settings()
    except BadInputError:
        title = before.title if before is not None else folder.name
        since = before.started_at if before is not None else 0.0
        return TrainingRun(number, folder, RunState.GONE, title, since)
    state, facts = folder.look()
    return TrainingRun(
        id=number or note.run_id,
        folder=folder,
        state=state,
        title=note.title,
        started_at=note.started_at,
        settings=settings,
        choices=note.choices,
        facts=facts,
        fingerprint=note.fingerprint,
        train_images=note.train_images,
        val_images=note.val_images,
        has_model=folder.has_model,
    )


def _folders(root: Path) -> list[RunFolder]:
    try:
        return [RunFolder(entry) for entry in sorted(root.iterdir()) if entry.is_dir()]
    except OSError:
        return []


def _clear_unfinished(folder: RunFolder) -> None:
    """Remove what a program left that died while it wrote the set; one that lives holds it."""
    with contextlib.suppress(StorageError, OSError):
        if time.time() - folder.path.stat().st_mtime < _UNFINISHED_SECONDS:
            return
        folder.hold().release()
        shutil.rmtree(folder.path, ignore_errors=True)

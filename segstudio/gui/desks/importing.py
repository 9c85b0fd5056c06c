"""The import desk: looking at a source, importing it as one run, and taking a run back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.import_plan import CategoryTarget, ImportPlan, ImportReport
from segstudio.engine.import_run import RUN_KIND, carry_out, recognised_formats, survey
from segstudio.engine.job import Callbacks, Job, JobState
from segstudio.engine.jobs import Lane
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.registry import import_format
from segstudio.gui.desks.project import ProjectDesk
from segstudio.gui.desks.runs import submit, submit_run, take_back
from segstudio.gui.workspace import Workspace
from segstudio.imaging.read import IMAGE_SUFFIXES
from segstudio.store.runs import TakenBack

OPENED = frozenset({".segstudio", *IMAGE_SUFFIXES})  # what a drop opens, whatever else it may be


class ImportDesk(QObject):
    """What the import actions, the import dialog and a drop on the window call."""

    wanted = Signal(object)  # Path of the source, or None

    def __init__(self, workspace: Workspace, project: ProjectDesk) -> None:
        super().__init__()
        self._workspace, self._project = workspace, project

    def ask(self) -> None:
        """Ask what to import."""
        self.ask_for(None)

    def ask_for(self, source: Path | None) -> None:
        store = self._workspace.store
        if store is None:
            self._workspace.tell(self.tr("Open a folder of images first, then import into it."))
        elif store.read_only:
            self._workspace.tell(self.tr("This project is read-only: nothing can be imported."))
        else:
            self.wanted.emit(source)

    def take_drop(self, path: Path) -> None:
        """Offer to import what looks like a dataset; open anything else.

        Where no project is open, a folder is opened first.
        """
        if path.suffix.lower() in OPENED:
            self._project.open(path)
            return

        def look(_: CancelToken, __: ProgressSink) -> tuple[list[str], bool]:
            return recognised_formats(path), path.is_dir()

        def decide(found: tuple[list[str], bool]) -> None:
            keys, folder = found
            if keys and self._workspace.store is not None:
                self.ask_for(path)
            elif folder or not keys:
                self._project.open(path)
            else:
                title = import_format(keys[0]).title
                self._workspace.tell(
                    self.tr("{} looks like {}; open its folder of images, then drop it again.")
                    .format(path.name, title)
                )  # fmt: skip

        told = self.tr("looking at {}").format(path.name)
        submit(self._workspace, told, look, Callbacks(decide))

    # -- looking --------------------------------------------------------------------------------

    def recognise(self, source: Path, done: Callable[[list[str]], None]) -> None:
        """Tell `done` the keys of the formats that a source looks like."""
        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking at {}").format(source.name),
            lambda _c, _p: recognised_formats(source),
            on_done=done,
            on_error=self._workspace.tell_error,
            key="recognise",
        )

    def look(
        self,
        format_key: str,
        source: Path,
        options: ImportOptions,
        answer: Callbacks[ImportPlan],
    ) -> Job[ImportPlan] | None:
        """Read a source and say what its import would do; who gets the plan drops it in the end."""
        store = self._workspace.store
        if store is None:
            return None
        made: list[ImportPlan] = []

        def work(cancel: CancelToken, report: ProgressSink) -> ImportPlan:
            made.append(survey(format_key, source, store, options, report, cancel))
            return made[0]

        def gone() -> None:
            for plan in made:  # it was ready when somebody stopped it
                self.drop(plan)
            if answer.cancelled is not None:
                answer.cancelled()

        told = self.tr("reading {}").format(source.name)
        return submit(self._workspace, told, work, replace(answer, cancelled=gone))

    def drop(self, plan: ImportPlan) -> None:
        """Delete what a plan keeps on disk; nothing may be under way with it."""
        runner = self._workspace.runner
        told = self.tr("tidying up after {}").format(plan.source.name)
        job = runner.submit(
            Lane.IO, told, lambda _c, _p: plan.close(), on_error=self._workspace.tell_error
        )
        if job.state is JobState.CANCELLED:  # the window closes
            plan.close()

    # -- importing ------------------------------------------------------------------------------

    def carry_out(
        self,
        plan: ImportPlan,
        mapping: Mapping[str, CategoryTarget],
        leave_out_faults: bool,
        answer: Callbacks[ImportReport],
    ) -> Job[ImportReport] | None:
        """Import what was looked at; nothing changes where it fails or is stopped."""
        store = self._workspace.store
        if store is None:
            return None

        def work(cancel: CancelToken, report: ProgressSink) -> ImportReport:
            return carry_out(plan, store, mapping, leave_out_faults, report, cancel)

        def done(result: ImportReport) -> None:
            self._tell(result)
            if answer.done is not None:
                answer.done(result)

        told, answered = self.tr("importing"), replace(answer, done=done)
        return submit_run(self._workspace, told, work, answered)

    def _tell(self, result: ImportReport) -> None:
        tell = self._workspace.tell
        if not result.run_id:
            tell(self.tr("Nothing new was found; the project is as it was."))
            return
        sentence = self.tr("{}: {:,} annotations on {:,} images.").format(
            result.text, result.annotations, result.images
        )
        details = [
            self.tr("New categories: {}").format(", ".join(result.new_categories))
            if result.new_categories
            else "",
            self.tr("Already there: {:,}").format(result.already_there)
            if result.already_there
            else "",
            self.tr("Of categories that were left out: {:,}").format(result.left_out)
            if result.left_out
            else "",
            self.tr("Faulty, left out: {:,}").format(result.faulty) if result.faulty else "",
            *(self.tr("Copied: {}").format(path) for path in result.copied),
        ]
        tell(sentence, "\n".join(line for line in details if line))
        run_id = result.run_id
        self._workspace.offer(self.tr("Undo"), lambda: self.take_back(run_id))

    # -- taking back ----------------------------------------------------------------------------

    def take_back(self, run_id: int = 0) -> None:
        """Take a run back (0: the last import), but for what people changed since."""
        tell = self._workspace.tell
        if self._workspace.store is None:
            tell(self.tr("No project is open."))
            return

        def done(result: TakenBack | None) -> None:
            if result is None:
                tell(self.tr("There is no import to take back."))
                return
            sentence = self.tr("Import taken back: {:,} annotations on {:,} images are gone.")
            sentence = sentence.format(result.removed, result.images)
            if result.kept:
                kept = self.tr("{:,} that were changed since stay.").format(len(result.kept))
                sentence += " " + kept
            tell(sentence)

        stopped = self.tr("Stopped; the import is still there.")
        answer = Callbacks(done, self._workspace.tell_error, lambda: tell(stopped))
        take_back(self._workspace, RUN_KIND, run_id, self.tr("taking an import back"), answer)

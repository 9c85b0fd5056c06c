"""The split desk: what a recipe would come to, and setting the splits as one run."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.job import Callbacks
from segstudio.engine.jobs import Lane
from segstudio.engine.splits import (
    RUN_KIND,
    SplitPlan,
    SplitRecipe,
    apply_split,
    plan_split,
    stored_recipe,
)
from segstudio.gui.desks.runs import submit_run, take_back
from segstudio.gui.workspace import Workspace
from segstudio.store.runs import TakenBack


class SplitDesk(QObject):
    """What the split action and its dialog call."""

    wanted = Signal(object)  # SplitRecipe that the project was split by last, or the usual one

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def ask(self) -> None:
        """Ask how the project is to be split, from how it was last."""
        store = self._workspace.store
        if store is None:
            self._workspace.tell(self.tr("No project is open."))
            return
        if store.read_only:
            self._workspace.tell(self.tr("This project is read-only: it cannot be split."))
            return

        def damaged(error: Exception) -> None:
            self._workspace.tell_error(error)
            self.wanted.emit(SplitRecipe())

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("reading how the project is split"),
            lambda _c, _p: stored_recipe(store) or SplitRecipe(),
            on_done=self.wanted.emit,
            on_error=damaged,
        )

    def plan(
        self,
        recipe: SplitRecipe,
        done: Callable[[SplitPlan], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """What splitting by that recipe would come to; an earlier question is dropped."""
        store = self._workspace.store
        if store is not None:
            self._workspace.runner.submit(
                Lane.IO,
                self.tr("planning splits"),
                lambda _c, _p: plan_split(store, recipe),
                on_done=done,
                on_error=failed,
                key="plan-splits",
            )

    def apply(self, plan: SplitPlan) -> None:
        """Set the splits of a plan, as one run that can be undone."""
        store, tell = self._workspace.store, self._workspace.tell
        if store is None:
            return

        def work(cancel: CancelToken, report: ProgressSink) -> int:
            return apply_split(store, plan, cancel, report)

        def done(run_id: int) -> None:
            shares = ", ".join(f"{row.name} {row.images:,}" for row in plan.counts)
            tell(self.tr("Split: {}.").format(shares))
            if run_id:
                self._workspace.offer(self.tr("Undo"), lambda: self._take_back(run_id))

        stopped = self.tr("Stopped; the splits are as they were.")
        answer = Callbacks(done, self._workspace.tell_error, lambda: tell(stopped))
        submit_run(self._workspace, self.tr("setting splits"), work, answer)

    def _take_back(self, run_id: int) -> None:
        tell = self._workspace.tell
        told = self.tr("The splits are as they were.")
        answer: Callbacks[TakenBack | None] = Callbacks(
            lambda _: tell(told),
            self._workspace.tell_error,
            lambda: tell(self.tr("Stopped; the splits stay.")),
        )
        take_back(self._workspace, RUN_KIND, run_id, self.tr("taking splits back"), answer)

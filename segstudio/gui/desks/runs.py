"""Jobs that change many images at once, and taking back what they did."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TypeVar

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.job import Callbacks, Job
from segstudio.engine.jobs import Lane
from segstudio.gui.workspace import Workspace
from segstudio.store.runs import TakenBack

T = TypeVar("T")
Work = Callable[[CancelToken, ProgressSink], T]


def submit(workspace: Workspace, text: str, work: Work[T], answer: Callbacks[T]) -> Job[T]:
    """A job that the status bar shows and can stop. Errors nobody asks for are told there."""
    return workspace.runner.submit(
        Lane.IO,
        text,
        work,
        on_done=answer.done,
        on_error=answer.error or workspace.tell_error,
        on_cancelled=answer.cancelled,
        visible=True,
    )


def submit_run(workspace: Workspace, text: str, work: Work[T], answer: Callbacks[T]) -> Job[T]:
    """A job that changes many images; the window then shows what it made of them.

    It runs beside the store lane, where it could not be stopped: edits of the open image wait for
    it, and are made of what it left. `answer.cancelled` is called where nothing changed; what was
    done before it could be stopped comes to `answer.done`.
    """
    session = workspace.session
    made: list[T] = []

    def apart(cancel: CancelToken, report: ProgressSink) -> T:
        waiting: AbstractContextManager[None] = nullcontext()
        if session is not None:
            waiting = session.changed_elsewhere()
        with waiting:
            made.append(work(cancel, report))
            return made[0]

    def done(result: T) -> None:
        workspace.renew()
        if answer.done is not None:
            answer.done(result)

    def stopped() -> None:
        if made:
            done(made[0])
        elif answer.cancelled is not None:
            answer.cancelled()

    return submit(workspace, text, apart, replace(answer, done=done, cancelled=stopped))


def take_back(
    workspace: Workspace,
    kind: str,
    run_id: int,
    text: str,
    answer: Callbacks[TakenBack | None],
) -> None:
    """Take a run back (0: the last one of that kind), but for what people changed since.

    `text` is what the status bar says meanwhile; None comes where there is no such run.
    """
    store = workspace.store
    if store is None:
        return

    def work(cancel: CancelToken, report: ProgressSink) -> TakenBack | None:
        number = run_id
        if not number:
            last = store.last_run(kind)
            number = last.id if last else 0
        return store.take_back(number, cancel, report) if number else None

    submit_run(workspace, text, work, answer)

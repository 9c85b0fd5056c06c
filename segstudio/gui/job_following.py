"""A dialog that shows how far its own job is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QDialog

from segstudio.core.progress import Progress
from segstudio.engine.job import Job
from segstudio.engine.jobs import JobRunner


def follow_job(
    runner: JobRunner, job: Job[Any], show: Callable[[Progress], None], dialog: QDialog
) -> None:
    """Call `show` with the job's progress until the job or the dialog ends."""
    gone = False

    def listen(changed: Job[Any]) -> None:
        if changed is not job or gone:
            return
        if job.settled:
            end()
        elif job.progress is not None:
            show(job.progress)

    def end(_: object = None) -> None:
        nonlocal gone
        gone = True
        stop()

    stop = runner.listen(listen)
    dialog.finished.connect(end)

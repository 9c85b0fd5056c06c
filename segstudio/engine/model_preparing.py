"""Making a loaded model ready for this machine: what takes long once and speeds up all that comes.

Optional: a model answers before, meanwhile and without it.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from pathlib import Path

from segstudio.core.errors import SegStudioError
from segstudio.core.mapped import trim_heap
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.jobs import Job, JobRunner, Lane
from segstudio.models.card import ModelCard
from segstudio.models.device import choose_device
from segstudio.models.prompt.contract import PromptModel

# Preparing takes as long as encoding so many images saves; fewer are not worth it by themselves.
MANY_IMAGES = 12

_KEY = "prepare-model"
_PRIORITY = 10  # after everything that somebody waits for


def prepare_later(runner: JobRunner, model: PromptModel) -> Job[None]:
    """Prepare in the background, beside the model's other work; an earlier model's is given up.

    The job shows itself only if there is something to do.
    """
    own: Future[Job[None]] = Future()

    def work(cancel: CancelToken, report: ProgressSink) -> None:
        def tell(progress: Progress) -> None:
            job = own.result()
            job.text, job.visible = progress.text or job.text, True
            report(progress)

        try:
            model.prepare(tell, cancel)
        finally:
            trim_heap()  # what compiling it took: more than the model itself

    text = f"Preparing {model.card.title}"
    job = runner.submit(Lane.IO, text, work, key=_KEY, priority=_PRIORITY)
    own.set_result(job)
    return job


def prepare_now(card: ModelCard, weights: Path, report: ProgressSink, cancel: CancelToken) -> None:
    """Prepare a model that was just downloaded, for the device it will compute on.

    That the weights are here does not depend on it: where the model does not load, loading it will
    say why. Raises Cancelled.
    """
    with contextlib.suppress(SegStudioError, ImportError, OSError, RuntimeError):
        card.load(weights, choose_device()).prepare(report, cancel)

"""A model on its way: its card, the job that loads it, then the model or why there is none."""

from __future__ import annotations

from collections.abc import Callable

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.jobs import Job, JobRunner, Lane
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import PromptModel

LoadModel = Callable[[ModelCard, CancelToken, ProgressSink], PromptModel]


class ModelSlot:
    """One choice of a model. Used from the consumer's thread, but for `load`.

    `model` is there once the load was delivered; `failure` says in words why it was not.
    """

    def __init__(self, card: ModelCard, load_model: LoadModel) -> None:
        self.card = card
        self.model: PromptModel | None = None
        self.failure = ""
        self._load_model = load_model
        self._loaded: PromptModel | None = None
        self._job: Job[PromptModel] | None = None

    @property
    def text(self) -> str:
        return f"Loading {self.card.title}"

    def load(self, cancel: CancelToken, report: ProgressSink) -> PromptModel:
        """The model, loaded if it was not; blocks, and is called on the device lane only."""
        if self._loaded is None:
            self._loaded = self._load_model(self.card, cancel, report)
        return self._loaded

    def start(
        self,
        runner: JobRunner,
        on_end: Callable[[ModelSlot], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Load in the background, once; `on_end(self)` comes whatever the end, then `on_error`."""
        if self._job is not None:
            return

        def loaded(model: PromptModel) -> None:
            self.model = model
            on_end(self)

        def failed(error: Exception) -> None:
            self.failure = str(error)
            on_end(self)
            on_error(error)

        def stopped() -> None:
            self.failure = f"{self.text} was stopped"
            on_end(self)

        self._job = runner.submit(
            Lane.DEVICE,
            self.text,
            self.load,
            on_done=loaded,
            on_error=failed,
            on_cancelled=stopped,
            visible=True,
        )

    def stop(self) -> None:
        """Give up a load that is under way."""
        if self._job is not None:
            self._job.cancel()

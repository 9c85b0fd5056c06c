"""A model on its way: its card, the job that loads it, then the model or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

from segstudio.core.errors import DeviceError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.cpu_fallback import CPU, Titled, moved_to_cpu
from segstudio.engine.jobs import Job, JobRunner, Lane
from segstudio.models.card import ModelCard
from segstudio.models.device import release_memory
from segstudio.models.prompt.contract import PromptModel


class Loaded(Protocol):
    """What a slot asks of a model that it holds."""

    @property
    def device(self) -> str: ...

    @property
    def model_key(self) -> str: ...


T = TypeVar("T")
CardT = TypeVar("CardT", bound=Titled)
ModelT = TypeVar("ModelT", bound=Loaded)

# Loads a card's model on a device; None for the device: the one that the user's settings name.
LoadModel = Callable[[ModelCard, str | None, CancelToken, ProgressSink], PromptModel]


class Slot(Generic[CardT, ModelT]):
    """One choice of a model. Used from the consumer's thread, but for `load` and `use`.

    `failure` says in words why there is no model. `on_loaded()` and `on_moved(text)` are called on
    the consumer's thread: each time the model was loaded, and when it had to go to the CPU, with a
    sentence that says why.
    """

    def __init__(
        self,
        card: CardT,
        load_model: Callable[[CardT, str | None, CancelToken, ProgressSink], ModelT],
        runner: JobRunner,
        *,
        on_loaded: Callable[[], None],
        on_moved: Callable[[str], None],
    ) -> None:
        self.card = card
        self.failure = ""
        self.model_key = ""  # from the first load on, also while the model is dropped
        self._load_model = load_model
        self._runner = runner
        self._on_loaded = on_loaded
        self._on_moved = on_moved
        self._device: str | None = None
        self._model: ModelT | None = None
        self._job: Job[None] | None = None

    @property
    def model(self) -> ModelT | None:
        """The model while it is loaded."""
        return self._model

    @property
    def text(self) -> str:
        return f"Loading {self.card.title}"

    # -- on the device lane ---------------------------------------------------------------------

    def load(self, cancel: CancelToken, report: ProgressSink) -> ModelT:
        """The model, loaded if it was not; blocks. On the CPU if the device refuses to take it."""
        if self._model is not None:
            return self._model
        try:
            return self._take(self._load_model(self.card, self._device, cancel, report))
        except DeviceError as error:
            if self._device == CPU:
                raise
            why = str(error)
        return self._load_on_cpu(why, cancel, report)

    def use(self, work: Callable[[ModelT], T], cancel: CancelToken, report: ProgressSink) -> T:
        """`work(model)`, with the model loaded if it was not; blocks.

        When another device than the CPU fails it (DeviceError: its memory is full), the model is
        loaded on the CPU, stays there, and does the work again. Raises what the work raises.
        """
        model = self.load(cancel, report)
        try:
            return work(model)
        except DeviceError as error:
            if model.device == CPU:
                raise
            why = str(error)  # and not the error, whose traceback would keep the model in memory
        del model
        return work(self._load_on_cpu(why, cancel, report))

    def _load_on_cpu(self, why: str, cancel: CancelToken, report: ProgressSink) -> ModelT:
        self._model, self._device = None, CPU
        release_memory()  # other programs wait for the card's
        report(Progress(0, 0, f"{self.text} on the CPU"))
        model = self._take(self._load_model(self.card, CPU, cancel, report))
        text = moved_to_cpu(self.card, why)
        self._runner.tell(lambda: self._on_moved(text))
        return model

    def _take(self, model: ModelT) -> ModelT:
        self._model, self.model_key = model, model.model_key
        self._runner.tell(self._on_loaded)
        return model

    # -- on the consumer's thread ---------------------------------------------------------------

    def start(self, on_end: Callable[[Self], None], on_error: Callable[[Exception], None]) -> None:
        """Load in the background, once; `on_end(self)` comes whatever the end, then `on_error`."""
        if self._job is not None:
            return

        def work(cancel: CancelToken, report: ProgressSink) -> None:
            self.load(cancel, report)

        def failed(error: Exception) -> None:
            self.failure = str(error)
            on_end(self)
            on_error(error)

        def stopped() -> None:
            self.failure = f"{self.text} was stopped"
            on_end(self)

        self._job = self._runner.submit(
            Lane.DEVICE,
            self.text,
            work,
            on_done=lambda _: on_end(self),
            on_error=failed,
            on_cancelled=stopped,
            visible=True,
        )

    def stop(self) -> None:
        """Give up a load that is under way."""
        if self._job is not None:
            self._job.cancel()

    def drop(self) -> None:
        """Let go of the model while no work uses it; `load` and `use` load it again.

        The next load is on the device of the settings, even if the model had to go to the CPU.
        """
        self._model, self._device, self._job = None, None, None


class ModelSlot(Slot[ModelCard, PromptModel]):
    """One choice of a prompt model."""

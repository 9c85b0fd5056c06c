"""On the CPU when another device fails: what is said, and a model that does it by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from segstudio.core.errors import DeviceError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.models.device import release_memory
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings, PromptModel

CPU = "cpu"

T = TypeVar("T")


class Titled(Protocol):
    """What is said of a model's card."""

    @property
    def title(self) -> str: ...


def moved_to_cpu(card: Titled, why: str) -> str:
    """The sentence that says so; `why` is the text of the DeviceError."""
    reason = why.partition(";")[0].rstrip(".")  # without the remedy, which is applied just now
    return f"{reason}; {card.title} computes on the CPU now."


class CpuFallback:
    """A prompt model that does the work again on the CPU when its device fails it, and stays there.

    For commands, which have no session; see the contract for the methods. `load_on_cpu()` gives the
    same model on the CPU, `say(sentence)` tells the user.
    """

    def __init__(
        self, model: PromptModel, load_on_cpu: Callable[[], PromptModel], say: Callable[[str], None]
    ) -> None:
        self.card = model.card
        self.device = model.device
        self._model = model
        self._load_on_cpu = load_on_cpu
        self._say = say

    @property
    def model_key(self) -> str:
        return self._model.model_key

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        self._model.prepare(report, cancel)

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        return self._done(lambda model: model.encode(image, cancel))

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        return self._done(lambda model: model.predict(embedding, prompt))

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        return self._done(
            lambda model: model.everything(embedding, settings, report, cancel, encode_crop)
        )

    def _done(self, work: Callable[[PromptModel], T]) -> T:
        model = self._model
        try:
            return work(model)
        except DeviceError as error:
            if model.device == CPU:
                raise
            why = str(error)  # and not the error, whose traceback would keep the memory
        if self._model is model:  # it is not if a crop's encoding within this work has moved it
            del model
            self._move(why)
        return work(self._model)

    def _move(self, why: str) -> None:
        self._model = self._load_on_cpu()
        release_memory()  # the card's, which other programs wait for
        self.device = self._model.device
        self._say(moved_to_cpu(self.card, why))

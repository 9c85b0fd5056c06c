"""The open image under a prompt model: embedding, then prompts, then candidates."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from segstudio.core.image import RgbImage
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.engine.answerer import Answerer
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import encode_image
from segstudio.engine.everything_asking import EverythingAsking
from segstudio.engine.image_encoder import ImageEncoder
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.model_slot import LoadModel, ModelSlot
from segstudio.engine.neighbours import Neighbours
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import PromptModel

__all__ = ["EmbeddingState", "LoadModel", "PromptSession", "encode_image"]

_NO_IMAGE = "No image is open"
_NUMBERS = itertools.count(1)


class EmbeddingState(StrEnum):
    """How far the open image's embedding is."""

    NONE = "none"
    WAITING = "waiting"
    LOADING_MODEL = "loading-model"
    ENCODING = "encoding"
    READY = "ready"
    FAILED = "failed"


def _unheard(*_: object) -> None:
    """What a callback is before somebody sets it."""


class PromptSession:
    """Answers prompts on the open image; the newest prompt, image and model win.

    Everything is called from one thread, the one that the runner's `deliver` leads to, and returns
    at once; the `on_...` attributes are called there too. An answer to an earlier prompt, on an
    earlier image or of an earlier model is never shown. A prompt that comes before the embedding
    is kept and answered when it is ready. What an image switch makes idle is cancelled; an
    encoding that ends all the same is kept in the cache.

    `everything.ask` segments all of the open image.

    After FAILED (the model could not be loaded, the image not encoded) `use_model` tries again.
    """

    def __init__(self, runner: JobRunner, cache: EmbeddingCache, load_model: LoadModel) -> None:
        def counted(ready: int, wanted: int) -> None:
            self.on_neighbours(ready, wanted)

        def make_way() -> None:
            if not self._encoder.awaits_neighbour:
                self._neighbours.make_way()

        self._runner = runner
        self._cache = cache
        self._load_model = load_model
        self._neighbours = Neighbours(runner, cache, counted)
        self._encoder = ImageEncoder(
            runner,
            cache,
            self._neighbours,
            on_encoding=lambda: self._become(EmbeddingState.ENCODING, "Encoding the image"),
            on_ready=self._ready,
            on_error=self._encoding_failed,
        )
        self._predict_key = f"predict-{next(_NUMBERS)}"
        self.everything = EverythingAsking(
            runner,
            cache,
            open_now=lambda: (self._slot, self._image),
            make_way=make_way,
            on_error=self._tell_error,
        )
        self._slot: ModelSlot | None = None
        self._image: RgbImage | None = None
        self._embedding: Embedding | None = None
        self._prompt = Prompt()
        self._asked_at = 0.0
        self._reads: tuple[Callable[[], RgbImage], ...] = ()
        self._state = EmbeddingState.NONE, _NO_IMAGE
        self.on_state: Callable[[EmbeddingState, str], None] = _unheard
        self.on_candidates: Callable[[Prompt, Candidates, float], None] = _unheard
        self.on_error: Callable[[Exception], None] = _unheard
        self.on_neighbours: Callable[[int, int], None] = _unheard

    # -- what is open ---------------------------------------------------------------------------

    @property
    def state(self) -> EmbeddingState:
        return self._state[0]

    @property
    def card(self) -> ModelCard | None:
        """The card of the model in use, loaded or not."""
        return self._slot.card if self._slot else None

    @property
    def model_key(self) -> str:
        """The loaded model's key; "" before it is loaded."""
        return self._model.model_key if self._model else ""

    @property
    def device(self) -> str:
        """Where the loaded model computes; "" before it is loaded."""
        return self._model.device if self._model else ""

    @property
    def answerer(self) -> Answerer | None:
        """What answers prompts on the open image now; None before the embedding is ready."""
        if self._model is None or self._embedding is None:
            return None
        return Answerer(self._model, self._embedding)

    def use_model(self, card: ModelCard) -> None:
        """Answer with this model from now on; it is loaded when an image is open.

        The open image is encoded again, and the prompt answered again. The model in use stays as
        it is, unless it had failed.
        """
        slot = self._slot
        same = slot is not None and slot.card == card and not slot.failure
        if same and self.state is not EmbeddingState.FAILED:
            return
        self._drop_work()
        self._neighbours.stop()
        if not same:
            self._slot = ModelSlot(card, self._load_model)
            if slot is not None:
                slot.stop()
        self._asked_at = time.perf_counter()
        self._advance()

    def open(self, image: RgbImage) -> None:
        """Make `image` the open one and start its embedding; the prompt is empty again."""
        self._switch(image)
        self._neighbours.leave()
        self._advance()

    def close(self) -> None:
        """No image is open any more; the model stays loaded."""
        self._switch(None)
        self._neighbours.stop()
        self._advance()

    def prefetch(self, reads: Sequence[Callable[[], RgbImage]]) -> None:
        """Encode these images once the open one is ready; `open` forgets them."""
        self._reads = tuple(reads)
        if self._model is not None and self._embedding is not None:
            self._neighbours.start(self._model, self._reads)

    # -- asking ---------------------------------------------------------------------------------

    def ask(self, prompt: Prompt, known: Candidates | None = None) -> None:
        """Answer `prompt` instead of earlier ones, now or when the embedding is ready.

        An empty prompt ends the asking; it is answered at once, with no candidates. So is one whose
        answer is `known` already, from `answerer`.
        """
        self._prompt, self._asked_at = prompt, time.perf_counter()
        self._runner.cancel_key(self._predict_key)
        if not prompt:
            self.on_candidates(prompt, Candidates((), self.model_key), 0.0)
        elif known is not None:
            self.on_candidates(prompt, known, 0.0)
        elif self._embedding is not None:
            self._predict()

    # -- steps ----------------------------------------------------------------------------------

    @property
    def _model(self) -> PromptModel | None:
        return self._slot.model if self._slot else None

    def _drop_work(self) -> None:
        """Make sure that nothing shows which the embedding in use was, or is, needed for."""
        self._embedding = None
        self._encoder.stop()
        self._runner.cancel_key(self._predict_key)
        self.everything.stop()

    def _switch(self, image: RgbImage | None) -> None:
        self._drop_work()
        self._image, self._prompt, self._reads = image, Prompt(), ()

    def _become(self, state: EmbeddingState, text: str) -> None:
        if (state, text) != self._state:
            self._state = state, text
            self.on_state(state, text)

    def _advance(self) -> None:
        """Start the next step towards the open image's embedding."""

        def model_ended(ended: ModelSlot) -> None:
            if ended is self._slot:
                self._advance()

        image, slot = self._image, self._slot
        if image is None:
            self._become(EmbeddingState.NONE, _NO_IMAGE)
        elif slot is None:
            self._become(EmbeddingState.WAITING, "No model is chosen")
        elif slot.failure:
            self._become(EmbeddingState.FAILED, slot.failure)
        elif slot.model is None:
            self._become(EmbeddingState.LOADING_MODEL, slot.text)
            slot.start(self._runner, model_ended, self._tell_error)
        else:
            self._become(EmbeddingState.WAITING, "Looking for the embedding")
            self._encoder.start(slot.model, image)

    def _tell_error(self, error: Exception) -> None:
        self.on_error(error)  # looked up now: it may be set after the job was submitted

    def _encoding_failed(self, error: Exception) -> None:
        self._become(EmbeddingState.FAILED, str(error))
        self.on_error(error)

    def _ready(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._become(EmbeddingState.READY, "Ready")
        if self._prompt:
            self._predict()
        if self._model is not None and self._embedding is embedding:
            self._neighbours.start(self._model, self._reads)

    def _predict(self) -> None:
        answerer, prompt, asked_at = self.answerer, self._prompt, self._asked_at
        if answerer is None:
            return
        self._neighbours.make_way()
        self._runner.submit(
            Lane.DEVICE,
            "Finding the mask",
            lambda cancel, report: answerer.predict(prompt),  # noqa: ARG005
            on_done=lambda candidates: self.on_candidates(
                prompt, candidates, time.perf_counter() - asked_at
            ),
            on_error=self._tell_error,
            key=self._predict_key,
        )

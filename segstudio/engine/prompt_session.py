"""The open image under a prompt model: embedding, then prompts, then candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.prompt import Candidates, Prompt
from segstudio.engine.answerer import Answerer
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import encode_image
from segstudio.engine.everything_asking import EverythingAsking
from segstudio.engine.image_in_view import EmbeddingState, ImageInView
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.model_preparing import prepare_later
from segstudio.engine.model_rest import UNLOAD_MINUTES, ModelRest
from segstudio.engine.model_slot import LoadModel, ModelSlot
from segstudio.engine.prompt_asking import PromptAsking
from segstudio.engine.refining import kept
from segstudio.models.card import ModelCard
from segstudio.models.device import release_memory

__all__ = ["EmbeddingState", "LoadModel", "PromptSession", "encode_image"]


def _unheard(*_: object) -> None:
    """What a callback is before somebody sets it."""


class PromptSession:
    """Answers prompts on the open image; the newest prompt, image, part and model win.

    Everything is called from one thread, the one that the runner's `deliver` leads to, and returns
    at once; the `on_...` attributes are called there too. An answer to an earlier prompt, on an
    earlier image or of an earlier model is never shown. A prompt that comes before the embedding
    is kept and answered when it is ready. What an image switch makes idle is cancelled; an
    encoding that ends all the same is kept in the cache. `everything.ask` segments all of the
    open image.

    A device that fails (its memory is full) is given up for the CPU: the work is done again there,
    and `on_notice(text)` says so once. Whatever else a model raises goes to `on_error`, and the
    next prompt is answered. After FAILED (the model could not be loaded, the image not encoded)
    `use_model` tries again; so does the next prompt after an encoding that failed.
    """

    def __init__(
        self,
        runner: JobRunner,
        cache: EmbeddingCache,
        load_model: LoadModel,
        rest: ModelRest | None = None,
    ) -> None:
        # The callbacks may be set, and set anew, after this: they are looked up when called.
        def told(state: EmbeddingState, text: str) -> None:
            self.on_state(state, text)

        def counted(ready: int, wanted: int) -> None:
            self.on_neighbours(ready, wanted)

        def answered(prompt: Prompt, found: Candidates, seconds: float) -> None:
            self.on_candidates(prompt, found, seconds)

        def failed(error: Exception) -> None:
            self.on_error(error)

        def open_now() -> tuple[ModelSlot | None, RgbImage | None]:
            self._rest.used()
            return self._view.slot, self._view.image

        self.on_state: Callable[[EmbeddingState, str], None] = _unheard
        self.on_candidates: Callable[[Prompt, Candidates, float], None] = _unheard
        self.on_error: Callable[[Exception], None] = _unheard
        self.on_notice: Callable[[str], None] = _unheard
        self.on_neighbours: Callable[[int, int], None] = _unheard
        self._runner = runner
        self._load_model = load_model
        self._rest = rest or ModelRest()
        self._view = ImageInView(
            runner,
            cache,
            on_state=told,
            on_ready=self._answer,
            on_error=failed,
            on_neighbours=counted,
        )
        self._asking = PromptAsking(runner, on_candidates=answered, on_error=failed)
        self.everything = EverythingAsking(
            runner,
            cache,
            open_now=open_now,
            make_way=self._view.make_way,
            on_error=failed,
        )

    # -- what is open ---------------------------------------------------------------------------

    @property
    def state(self) -> EmbeddingState:
        return self._view.state

    @property
    def card(self) -> ModelCard | None:
        """The card of the model in use, loaded or not."""
        return self._view.slot.card if self._view.slot else None

    @property
    def slot(self) -> ModelSlot | None:
        """The model that answers, or will; None before one was chosen."""
        return self._view.slot

    @property
    def model_key(self) -> str:
        """The model's key; "" before it is loaded for the first time."""
        return self._view.slot.model_key if self._view.slot else ""

    @property
    def device(self) -> str:
        """Where the model computes; "" while it is not loaded."""
        slot = self._view.slot
        return slot.model.device if slot is not None and slot.model is not None else ""

    @property
    def answerer(self) -> Answerer | None:
        """What answers prompts on what is looked at now; None before its embedding is ready.

        None also while the model is unloaded; `ask` loads it again. Asking for it counts as using
        the model.
        """
        self._rest.used()
        view = self._view
        if view.slot is None or view.slot.model is None or view.embedding is None or not view.ready:
            return None
        return Answerer(view.slot.model, view.embedding, view.crop)

    def use_model(self, card: ModelCard) -> None:
        """Answer with this model from now on; it is loaded when an image is open.

        The open image is encoded again, and the prompt answered again. The model in use stays as
        it is, unless it had failed.
        """
        slot = self._view.slot
        same = slot is not None and slot.card == card and not slot.failure
        if same and self.state is not EmbeddingState.FAILED:
            return
        self._rest.used()
        self._asking.again()
        self.everything.stop()
        if slot is not None and not same:
            slot.stop()
        self._view.use(slot if slot is not None and same else self._slot_for(card))

    def open(self, image: RgbImage) -> None:
        """Make `image` the open one and start its embedding; the prompt is empty again."""
        self._switch(image)

    def close(self) -> None:
        """No image is open any more; the model stays loaded."""
        self._switch(None)

    def prefetch(self, reads: Sequence[Callable[[], RgbImage]]) -> None:
        """Encode these images once the open one is ready; `open` forgets them."""
        self._view.prefetch(reads)

    def look_at(self, box: Box | None) -> None:
        """Answer prompts on this part of the open image, at its own resolution, from now on.

        `box` is half-open, in whole pixels inside the image (see `crops.crop_for`); None is the
        whole image again, at once. The part is encoded, or found in the cache, and prompts wait
        for it; a prompt that is answered already keeps its answer. A prompt that does not lie
        wholly in the part is answered in the part that it was begun in, if it lies there, else on
        the whole image. When the part cannot be encoded, `on_error` says so and the whole image is
        used. Another image ends it. Raises ValueError for a box that is no such part.
        """
        self._rest.used()
        self._view.look_at(box)

    # -- asking ---------------------------------------------------------------------------------

    def ask(self, prompt: Prompt, known: Candidates | None = None) -> None:
        """Answer `prompt` instead of earlier ones, now or when the embedding is ready.

        An empty prompt ends the asking; it is answered at once, with no candidates. So are a prior
        alone, with itself, and one whose answer is `known` already, from `answerer`.
        """
        self._rest.used()
        self._asking.take(prompt)
        if not prompt:
            known = Candidates((), self.model_key)
        known = known or kept(prompt, self.model_key)
        if known is not None:
            self._asking.know(self._view.crop)
            self.on_candidates(prompt, known, 0.0)
        elif self.state is EmbeddingState.FAILED:
            self._view.advance()
        else:
            self._answer()

    def rest(self, unload_minutes: float = UNLOAD_MINUTES) -> None:
        """Unload the model if it was not used for that long, or is idle while memory is short.

        To be called every now and then; with 0, time alone never unloads it. Embeddings stay, and
        the next prompt loads the model again.
        """
        slot = self._view.slot
        if any(job.lane is Lane.DEVICE for job in self._runner.active()):
            self._rest.used()
        if slot is None or slot.model is None or not self._rest.due(unload_minutes):
            return
        self._view.rest()
        slot.drop()
        self._runner.submit(
            Lane.DEVICE,
            "Freeing memory",
            lambda cancel, report: release_memory(),  # noqa: ARG005
        )
        self._view.tell_again()

    # -- steps ----------------------------------------------------------------------------------

    def _slot_for(self, card: ModelCard) -> ModelSlot:
        def loaded() -> None:
            if slot is self._view.slot:
                self._view.tell_again()
                if slot.model is not None:
                    prepare_later(self._runner, slot.model)

        def moved(text: str) -> None:
            if slot is self._view.slot:
                self.on_notice(text)

        slot = ModelSlot(card, self._load_model, self._runner, on_loaded=loaded, on_moved=moved)
        return slot

    def _switch(self, image: RgbImage | None) -> None:
        self._rest.used()
        self._asking.take(Prompt())
        self.everything.stop()
        self._view.open(image)

    def _answer(self) -> None:
        """Answer the prompt that waits, if it can be now."""
        view = self._view
        if self._asking.waiting and view.slot is not None and view.embedding and view.ready:
            view.make_way()
            self._asking.answer(view.slot, view.embedding, view.crop)

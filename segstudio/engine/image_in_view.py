"""The open image, and the part of it that is looked at, on the way to their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.prompt import Embedding
from segstudio.engine.answerer import Crop
from segstudio.engine.crop_look import CropLook
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.image_encoder import ImageEncoder
from segstudio.engine.jobs import JobRunner
from segstudio.engine.model_slot import ModelSlot
from segstudio.engine.neighbours import Neighbours

_NO_IMAGE = "No image is open"


class EmbeddingState(StrEnum):
    """How far the embedding of what is looked at is."""

    NONE = "none"
    WAITING = "waiting"
    LOADING_MODEL = "loading-model"
    ENCODING = "encoding"
    ENCODING_CROP = "encoding-crop"  # the image's is ready, that of the part looked at is not yet
    READY = "ready"
    FAILED = "failed"


class ImageInView:
    """Brings slot, image and part together: loads the model, encodes, then encodes ahead.

    Used from the consumer's thread. `embedding` is of the whole image, None until it is there;
    `ready` says whether all that is looked at can be asked about, and `on_ready` that it now can.
    """

    def __init__(
        self,
        runner: JobRunner,
        cache: EmbeddingCache,
        *,
        on_state: Callable[[EmbeddingState, str], None],
        on_ready: Callable[[], None],
        on_error: Callable[[Exception], None],
        on_neighbours: Callable[[int, int], None],
    ) -> None:
        self.slot: ModelSlot | None = None
        self.image: RgbImage | None = None
        self.embedding: Embedding | None = None
        self._on_state = on_state
        self._on_ready = on_ready
        self._on_error = on_error
        self._reads: tuple[Callable[[], RgbImage], ...] = ()
        self._begun: object = None  # those of `_reads` that the neighbours have begun with
        self._state = EmbeddingState.NONE, _NO_IMAGE
        self._neighbours = Neighbours(runner, cache, on_neighbours)
        self._encoder = ImageEncoder(
            runner,
            cache,
            self._neighbours,
            on_encoding=lambda: self._become(EmbeddingState.ENCODING, "Encoding the image"),
            on_ready=self._encoded,
            on_error=self._encoding_failed,
        )
        self._look = CropLook(runner, cache, make_way=self.make_way, on_end=self._crop_ended)

    # -- what there is --------------------------------------------------------------------------

    @property
    def state(self) -> EmbeddingState:
        return self._state[0]

    @property
    def ready(self) -> bool:
        return self.embedding is not None and not self._look.waiting

    @property
    def crop(self) -> Crop | None:
        """The part that is looked at, once it is encoded."""
        return self._look.crop

    # -- what is wanted -------------------------------------------------------------------------

    def use(self, slot: ModelSlot) -> None:
        """Another model, or the same once more after a failure; image and part stay."""
        self._drop()
        self._neighbours.stop()
        self.slot = slot
        self.advance()

    def open(self, image: RgbImage | None) -> None:
        """Another image, as a whole; None: none any more."""
        self._drop()
        self._look.want(None)
        self.image, self._reads = image, ()
        if image is None:
            self._neighbours.stop()
        else:
            self._neighbours.leave()
        self.advance()

    def look_at(self, box: Box | None) -> None:
        """Another part of the image; see `PromptSession.look_at`."""
        image = self.image
        if box == self._look.box or image is None:
            return
        if box is not None:
            _check_part(box, image.size)
        self._look.want(box)
        if self.embedding is not None:
            self._look_closer()

    def prefetch(self, reads: Sequence[Callable[[], RgbImage]]) -> None:
        """Encode these images once the open one is ready."""
        self._reads = tuple(reads)
        self._encode_ahead()

    def make_way(self) -> None:
        """Free the device of what is not wanted now."""
        if not self._encoder.awaits_neighbour:
            self._neighbours.make_way()

    def rest(self) -> None:
        """Let go of everything that holds the model; what is there stays."""
        self._neighbours.stop()
        self._encoder.stop()
        self._begun = None

    def tell_again(self) -> None:
        """The state has not changed, but where its model is has."""
        if self.state is EmbeddingState.READY and self.slot is not None:
            here = self.slot.model is not None
            text = "Ready" if here else f"Ready; a prompt loads {self.slot.card.title} again"
            self._state = EmbeddingState.READY, text
            self._on_state(*self._state)

    def advance(self) -> None:
        """Start the next step towards the open image's embedding."""
        image, slot = self.image, self.slot
        if image is None:
            self._become(EmbeddingState.NONE, _NO_IMAGE)
        elif slot is None:
            self._become(EmbeddingState.WAITING, "No model is chosen")
        elif slot.failure:
            self._become(EmbeddingState.FAILED, slot.failure)
        elif slot.model is None:
            self._become(EmbeddingState.LOADING_MODEL, slot.text)
            slot.start(self._slot_ended, self._on_error)
        else:
            self._become(EmbeddingState.WAITING, "Looking for the embedding")
            self._encoder.start(slot, image)

    # -- steps ----------------------------------------------------------------------------------

    def _become(self, state: EmbeddingState, text: str) -> None:
        if (state, text) != self._state:
            self._state = state, text
            self._on_state(state, text)

    def _drop(self) -> None:
        self.embedding = self._begun = None
        self._encoder.stop()
        self._look.want(self._look.box)

    def _slot_ended(self, ended: ModelSlot) -> None:
        if ended is self.slot and self.state is EmbeddingState.LOADING_MODEL:
            self.advance()

    def _encoded(self, embedding: Embedding) -> None:
        self.embedding = embedding
        self._look_closer()

    def _encoding_failed(self, error: Exception) -> None:
        self._become(EmbeddingState.FAILED, str(error))
        self._on_error(error)

    def _look_closer(self) -> None:
        """On from the image's embedding to that of its part, if one is wanted."""
        if self._look.waiting and self.slot is not None and self.image is not None:
            self._become(EmbeddingState.ENCODING_CROP, "Encoding the visible part")
            self._look.start(self.slot, self.image)
        else:
            self._become(EmbeddingState.READY, "Ready")
            self._on_ready()
            self._encode_ahead()

    def _crop_ended(self, error: Exception | None) -> None:
        self._look_closer()
        if error is not None:
            self._on_error(error)

    def _encode_ahead(self) -> None:
        here = self.slot is not None and self.slot.model is not None and self.ready
        if self.slot is not None and here and self._begun is not self._reads:
            self._begun = self._reads
            self._neighbours.start(self.slot, self._reads)


def _check_part(box: Box, size: tuple[int, int]) -> None:
    x0, y0, x1, y1 = box
    whole = all(float(value).is_integer() for value in box)
    if not (whole and 0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]):
        raise ValueError(f"{box} is no part of whole pixels of an image of {size[1]} x {size[0]}")

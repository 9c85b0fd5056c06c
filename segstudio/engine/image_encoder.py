"""The way to the open image's embedding: cache, an encoding that runs already, or a new one."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from segstudio.core.image import RgbImage
from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import encode_image
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.model_slot import ModelSlot
from segstudio.engine.neighbours import Neighbours

_NUMBERS = itertools.count(1)


class ImageEncoder:
    """Gets one embedding at a time, the one that was asked for last.

    Used from the consumer's thread. The pixels' key and the cache's files are read on the io lane,
    so a cached embedding does not wait for the device. `on_encoding()` is called when it has to be
    encoded, then `on_ready(embedding)` or `on_error(error)`; nothing after `stop`.
    """

    def __init__(
        self,
        runner: JobRunner,
        cache: EmbeddingCache,
        neighbours: Neighbours,
        *,
        on_encoding: Callable[[], None],
        on_ready: Callable[[Embedding], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._runner = runner
        self._cache = cache
        self._neighbours = neighbours
        self._on_encoding = on_encoding
        self._on_ready = on_ready
        self._on_error = on_error
        self._key = f"encoder-{next(_NUMBERS)}"
        self._wanted: tuple[ModelSlot, RgbImage] | None = None
        self._awaited = ""  # image key of an encoding ahead that turned out to be the wanted one
        neighbours.on_encoded = self._encoded_ahead

    @property
    def awaits_neighbour(self) -> bool:
        """Whether the wanted embedding is the one that is being encoded ahead."""
        return bool(self._awaited)

    def start(self, slot: ModelSlot, image: RgbImage) -> None:
        """Want this embedding instead of an earlier one; the slot's model was loaded once."""
        self.stop()
        self._wanted = slot, image
        self._runner.submit(
            Lane.IO,
            "Looking for the embedding",
            lambda cancel, report: self._cache.get(slot.model_key, image.key),  # noqa: ARG005
            on_done=self._looked_up,
            on_error=self._on_error,
            key=self._key,
        )

    def stop(self) -> None:
        """Want none any more; an encoding that cannot be stopped still goes to the cache."""
        self._wanted, self._awaited = None, ""
        self._runner.cancel_key(self._key)

    def _looked_up(self, found: Embedding | None) -> None:
        if self._wanted is None:
            return
        if found is not None:
            self._on_ready(found)
            return
        image_key = self._wanted[1].key
        if self._neighbours.is_encoding(image_key):
            self._awaited = image_key
        else:
            self._neighbours.make_way()
            self._encode(*self._wanted)
        self._on_encoding()

    def _encode(self, slot: ModelSlot, image: RgbImage) -> None:
        self._runner.submit(
            Lane.DEVICE,
            "Encoding the image",
            lambda cancel, report: slot.use(
                lambda model: encode_image(model, self._cache, image, cancel), cancel, report
            ),
            on_done=self._on_ready,
            on_error=self._on_error,
            key=self._key,
        )

    def _encoded_ahead(self, image_key: str, embedding: Embedding | None) -> None:
        """An encoding ahead has ended; it matters if the wanted one is waited for there."""
        if image_key != self._awaited or self._wanted is None:
            return
        self._awaited = ""
        if embedding is not None:
            self._on_ready(embedding)
        else:
            self._encode(*self._wanted)

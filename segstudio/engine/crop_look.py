"""The part of the open image that is looked at closely: its pixels cut out and encoded."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.prompt import Embedding
from segstudio.engine.answerer import Crop
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import cut_out, encode_image
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.model_slot import ModelSlot

_NUMBERS = itertools.count(1)


class CropLook:
    """Wants one crop at a time, the newest. Used from the consumer's thread.

    `box` is the part that is wanted, None for the whole image; `crop` is there once it is encoded.
    Pixels are cut, named and looked for in the cache on the io lane. After `start`, `on_end(None)`
    comes when the crop is ready and `on_end(error)` when it cannot be; nothing after `want`.
    """

    def __init__(
        self,
        runner: JobRunner,
        cache: EmbeddingCache,
        *,
        make_way: Callable[[], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self.box: Box | None = None
        self.crop: Crop | None = None
        self._runner = runner
        self._cache = cache
        self._make_way = make_way
        self._on_end = on_end
        self._key = f"crop-{next(_NUMBERS)}"
        self._failed = False

    @property
    def waiting(self) -> bool:
        """Whether there is a crop that is still to come."""
        return self.box is not None and self.crop is None and not self._failed

    def want(self, box: Box | None) -> None:
        """Want this part instead of an earlier one; `start` begins the work."""
        self._runner.cancel_key(self._key)
        self.box, self.crop, self._failed = box, None, False

    def start(self, slot: ModelSlot, image: RgbImage) -> None:
        """Encode what is wanted, if it is not cached."""
        box = self.box
        if box is None:
            return

        def look() -> tuple[RgbImage, Embedding | None]:
            pixels = cut_out(image, box)
            return pixels, self._cache.get(slot.model_key, pixels.key)

        def looked(found: tuple[RgbImage, Embedding | None]) -> None:
            pixels, embedding = found
            if embedding is not None:
                ready(embedding)
                return
            self._make_way()
            self._runner.submit(
                Lane.DEVICE,
                "Encoding the visible part",
                lambda cancel, report: slot.use(
                    lambda model: encode_image(model, self._cache, pixels, cancel), cancel, report
                ),
                on_done=ready,
                on_error=failed,
                key=self._key,
            )

        def ready(embedding: Embedding) -> None:
            self.crop = Crop(box, embedding)
            self._on_end(None)

        def failed(error: Exception) -> None:
            self._failed = True
            self._on_end(error)

        self._runner.submit(
            Lane.IO,
            "Looking for the visible part's embedding",
            lambda cancel, report: look(),  # noqa: ARG005
            on_done=looked,
            on_error=failed,
            key=self._key,
        )

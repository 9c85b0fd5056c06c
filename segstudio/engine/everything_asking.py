"""Asking the model in use for everything in the open image, one asking at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import encode_image
from segstudio.engine.jobs import Job, JobRunner, Lane
from segstudio.engine.model_slot import ModelSlot
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings, PromptModel

_AFTER_CLICKS = 1  # priority of long work that a click may overtake while it is queued
_NUMBERS = itertools.count(1)


def crop_encoder(
    model: PromptModel, cache: EmbeddingCache, image: RgbImage, cancel: CancelToken
) -> EncodeCrop:
    """What encodes parts of `image` for `model.everything`, each through the cache.

    The callable takes a half-open box of whole pixels inside the image and gives the embedding of
    an image of those pixels alone. It raises what `encode_image` raises.
    """

    def encode(box: Box) -> Embedding:
        x0, y0, x1, y1 = (int(value) for value in box)
        return encode_image(model, cache, RgbImage(image.pixels[y0:y1, x0:x1]), cancel)

    return encode


class EverythingAsking:
    """The session's `everything`: `ask` starts it, and what is asked newest wins.

    Used from the consumer's thread. `open_now()` tells what is open, `make_way()` is called before
    the device is wanted, `on_error` when the work failed.
    """

    def __init__(
        self,
        runner: JobRunner,
        cache: EmbeddingCache,
        *,
        open_now: Callable[[], tuple[ModelSlot | None, RgbImage | None]],
        make_way: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._runner = runner
        self._cache = cache
        self._open_now = open_now
        self._make_way = make_way
        self._on_error = on_error
        self._key = f"everything-{next(_NUMBERS)}"

    def ask(
        self, settings: EverythingSettings, on_done: Callable[[Candidates], None]
    ) -> Job[Candidates]:
        """Segment everything in the open image, crops too where `settings` want layers of them.

        A new call, another image and another model cancel it; the job's `cancel` does too. Raises
        BadInputError if no image is open or no model chosen; later errors go to the session's
        `on_error`.
        """
        slot, image = self._open_now()
        if slot is None or image is None:
            raise BadInputError("Open an image and choose a model first.")

        def work(cancel: CancelToken, report: ProgressSink) -> Candidates:
            model = slot.load(cancel, report)
            embedding = encode_image(model, self._cache, image, cancel)
            crops = crop_encoder(model, self._cache, image, cancel)
            return model.everything(embedding, settings, report, cancel, crops)

        self._make_way()
        return self._runner.submit(
            Lane.DEVICE,
            "Segmenting everything",
            work,
            on_done=on_done,
            on_error=self._on_error,
            key=self._key,
            priority=_AFTER_CLICKS,
            visible=True,
        )

    def stop(self) -> None:
        """Give up what was asked; it is not told any more."""
        self._runner.cancel_key(self._key)

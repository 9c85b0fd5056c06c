"""Asking the model in use for everything in the open image, one asking at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import crop_encoder, encode_image
from segstudio.engine.jobs import Job, JobRunner, Lane
from segstudio.engine.model_slot import ModelSlot
from segstudio.models.prompt.contract import EverythingSettings, PromptModel

_AFTER_CLICKS = 1  # priority of long work that a click may overtake while it is queued
_NUMBERS = itertools.count(1)


def _nothing_known(_: str) -> Candidates | None:
    return None


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
        self,
        settings: EverythingSettings,
        on_done: Callable[[Candidates], None],
        known: Callable[[str], Candidates | None] = _nothing_known,
    ) -> Job[Candidates]:
        """Segment everything in the open image, crops too where `settings` want layers of them.

        `known` is asked first, on the device lane and with the model's key: what it has is taken.
        A new call, another image and another model cancel it; the job's `cancel` does too. Raises
        BadInputError if no image is open or no model chosen; later errors go to the session's
        `on_error`.
        """
        slot, image = self._open_now()
        if slot is None or image is None:
            raise BadInputError("Open an image and choose a model first.")

        def work(cancel: CancelToken, report: ProgressSink) -> Candidates:
            def on(model: PromptModel) -> Candidates:
                embedding = encode_image(model, self._cache, image, cancel)
                crops = crop_encoder(model, self._cache, image, cancel)
                return model.everything(embedding, settings, report, cancel, crops)

            # A model that was loaded once need not be in memory for this.
            key = slot.model_key or slot.load(cancel, report).model_key
            found = known(key)
            return found if found is not None else slot.use(on, cancel, report)

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

"""Encoding ahead: the images that will probably be opened next, while the device is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from segstudio.core.image import RgbImage
from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import encode_image
from segstudio.engine.jobs import Job, JobRunner, JobState, Lane
from segstudio.engine.model_slot import ModelSlot

AHEAD = 10  # priority: after everything that is wanted now


def _unheard(image_key: str, embedding: Embedding | None) -> None:
    """What `on_encoded` is before somebody sets it."""


class Neighbours:
    """Reads and encodes images one after the other, so that only one of them is in memory.

    Used from the consumer's thread of the runner. What the user waits for goes first: `make_way`
    stops the encoding that runs, and it starts again when the device is free. An image that cannot
    be read or encoded is passed over; its error is told, and its remedy tried, when it is opened.

    `on_count(ready, wanted)` is told as they get ready, `on_encoded(image_key, embedding)` when an
    encoding ended, with None if it was stopped or failed.
    """

    def __init__(
        self,
        runner: JobRunner,
        cache: EmbeddingCache,
        on_count: Callable[[int, int], None],
    ) -> None:
        self._runner = runner
        self._cache = cache
        self._on_count = on_count
        self.on_encoded: Callable[[str, Embedding | None], None] = _unheard
        self._slot: ModelSlot | None = None
        self._round = 0
        self._reads: tuple[Callable[[], RgbImage], ...] = ()
        self._next = 0
        self._ready = 0
        self._job: Job[tuple[RgbImage, bool]] | Job[Embedding] | None = None
        self._encoding = ""  # image key of the encoding in `_job`

    def start(self, slot: ModelSlot, reads: Sequence[Callable[[], RgbImage]]) -> None:
        """Want these images, in this order, instead of the earlier ones."""
        self.leave()
        self._slot, self._reads = slot, tuple(reads)
        if self._reads:
            self._on_count(0, len(self._reads))
        self._step()

    def leave(self) -> None:
        """Want none any more. An encoding that runs goes on: it may be of the image opened next."""
        self._round += 1
        self._reads, self._next, self._ready = (), 0, 0
        if self._job is not None and not self._runs():
            job, self._job = self._job, None
            job.cancel()

    def stop(self) -> None:
        """Want none any more, and stop the encoding that runs."""
        self.leave()
        self._slot = None
        if self._job is not None:
            self._job.cancel()

    def make_way(self) -> None:
        """Free the device for something that the user waits for."""
        if self._job is not None and self._runs():
            self._job.cancel()

    def is_encoding(self, image_key: str) -> bool:
        """Whether the image with that key is being encoded; `on_encoded` will tell the end."""
        return self._runs() and self._encoding == image_key

    def _runs(self) -> bool:
        encodes = self._job is not None and bool(self._encoding)
        return encodes and self._job is not None and self._job.state is JobState.RUNNING

    def _step(self) -> None:
        slot = self._slot
        if slot is None or self._job is not None or self._next >= len(self._reads):
            return
        read = self._reads[self._next]
        self._next += 1

        def look() -> tuple[RgbImage, bool]:
            image = read()
            return image, self._cache.where(slot.model_key, image.key) is not None

        def looked(found: tuple[RgbImage, bool]) -> None:
            self._job = None
            image, cached = found
            if cached:
                self._count()
            else:
                self._encode(slot, image)

        def unread(_: Exception) -> None:
            self._job = None
            self._step()

        self._encoding = ""
        self._job = self._runner.submit(
            Lane.IO,
            "Reading ahead",
            lambda cancel, report: look(),  # noqa: ARG005
            on_done=looked,
            on_error=unread,
            priority=AHEAD,
        )

    def _encode(self, slot: ModelSlot, image: RgbImage) -> None:
        turn = self._round

        def ended(embedding: Embedding | None, again: bool = False) -> None:
            if self._job is not job:
                return  # left behind by `leave`
            self._job, self._encoding = None, ""
            if again and turn == self._round:
                self._encode(slot, image)
            self.on_encoded(image.key, embedding)
            if embedding is not None and turn == self._round:
                self._count()
            else:
                self._step()

        self._encoding = image.key
        job = self._job = self._runner.submit(
            Lane.DEVICE,
            "Encoding ahead",
            lambda cancel, report: encode_image(
                slot.load(cancel, report), self._cache, image, cancel
            ),
            on_done=ended,
            on_error=lambda error: ended(None),  # noqa: ARG005
            on_cancelled=lambda: ended(None, again=True),
            priority=AHEAD,
        )

    def _count(self) -> None:
        self._ready += 1
        self._on_count(self._ready, len(self._reads))
        self._step()

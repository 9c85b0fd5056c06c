"""The superpixels of the open image at three scales, made off the GUI thread."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.jobs import Job, JobRunner, JobState, Lane
from segstudio.engine.superpixel_cache import Scale, SuperpixelCache
from segstudio.engine.superpixel_map import SuperpixelMap
from segstudio.imaging import slic_apart

__all__ = ["Scale", "SuperpixelCache", "SuperpixelMap", "SuperpixelMaps"]

_WANTED, _AHEAD = 5, 20  # priorities: opening an image goes first, looking ahead comes last
_NUMBERS = itertools.count(1)


def _unheard(*_: object) -> None:
    """What a callback is before somebody sets it."""


class SuperpixelMaps:
    """Makes the map of the scale that is wanted, then the other two, so that a change is instant.

    Used from the consumer's thread of the runner; every method is quick. `on_ready(scale, map)`
    brings a map of the open image, each once; `on_error(error)` tells why there is none.
    """

    def __init__(self, runner: JobRunner, cache: SuperpixelCache) -> None:
        self._runner, self._cache = runner, cache
        self._key = f"superpixels-{next(_NUMBERS)}"
        self._image: RgbImage | None = None
        self._maps: dict[Scale, SuperpixelMap] = {}
        self._jobs: dict[Scale, Job[SuperpixelMap]] = {}
        self.on_ready: Callable[[Scale, SuperpixelMap], None] = _unheard
        self.on_error: Callable[[Exception], None] = _unheard

    def open(self, image: RgbImage | None) -> None:
        """Another image, or none; what was under way for the last one is given up.

        Nothing is made until a scale is wanted.
        """
        if image is not self._image:
            self.rest()
            self._image, self._maps = image, {}
        if image is not None:
            slic_apart.begin()  # the first time on a machine, long before a hand takes the brush

    def want(self, scale: Scale) -> SuperpixelMap | None:
        """The map of the open image at `scale`, if it is there; else it is made now."""
        if self._image is not None:
            self._make(scale, _WANTED)
            for other in Scale:
                self._make(other, _AHEAD)
        return self._maps.get(scale)

    def get(self, scale: Scale) -> SuperpixelMap | None:
        """The map of the open image at `scale`, if it is there."""
        return self._maps.get(scale)

    def rest(self) -> None:
        """Give up what is under way; what is there stays. `want` begins again."""
        jobs, self._jobs = self._jobs, {}
        for job in jobs.values():
            job.cancel()

    def _make(self, scale: Scale, priority: int) -> None:
        image = self._image
        if image is None or scale in self._maps:
            return
        if scale in self._jobs:
            if priority != _WANTED or self._jobs[scale].state is not JobState.QUEUED:
                return
            self._jobs.pop(scale).cancel()  # it waits behind what is less wanted

        def work(cancel: CancelToken, report: ProgressSink) -> SuperpixelMap:
            return self._cache.map(image, scale, cancel, report)

        def done(made: SuperpixelMap) -> None:
            if self._jobs.get(scale) is job:
                del self._jobs[scale]
                self._maps[scale] = made
                self.on_ready(scale, made)

        def failed(error: Exception) -> None:
            if self._jobs.get(scale) is job:
                del self._jobs[scale]
                self.on_error(error)

        job = self._jobs[scale] = self._runner.submit(
            Lane.IO,
            "Finding superpixels",
            work,
            on_done=done,
            on_error=failed,
            key=f"{self._key}-{scale}",
            priority=priority,
            visible=priority == _WANTED,
        )

"""The mask under the pointer before the first click; the newest place wins."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from segstudio.core.mask import Box
from segstudio.core.prompt import Candidates, Prompt
from segstudio.engine.answerer import Answerer
from segstudio.engine.jobs import Job, JobRunner, Lane

SLOW_SECONDS = 0.4  # from this median on, only a resting pointer is answered
_REMEMBERED = 7  # decodes that the median is of
_AFTER_WORK = 5  # priority: clicks and everything go first, encoding ahead comes after
_NUMBERS = itertools.count(1)

# What answers are about: model, image, and the part of it that is looked at.
_About = tuple[str, str, Box | None]


def _unheard(*_: object) -> None:
    """What a callback is before somebody sets it."""


class Answering(Protocol):
    """A prompt session, as far as hovering needs it."""

    @property
    def answerer(self) -> Answerer | None: ...


class Hover:
    """Asks the model for the mask under one point, again and again, and never gets in the way.

    Used from the consumer's thread of the runner. At most one decode is queued or running; places
    that the pointer passes meanwhile are skipped, and the one where it is when a decode begins is
    taken. An error is silent and ends hovering for that image. `on_preview(prompt, candidates)`
    brings an answer, `on_end()` says that there will be none for this image.
    """

    def __init__(
        self,
        runner: JobRunner,
        session: Answering,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._runner, self._session, self._clock = runner, session, clock
        self._key = f"hover-{next(_NUMBERS)}"
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._about: _About | None = None
        self._warm = False  # the model has answered about that once
        self._ended = False
        self._wanted: Prompt | None = None
        self._asked: Prompt | None = None  # by the decode that runs
        self._resting = False  # the pointer, at what is wanted
        self._job: Job[tuple[Prompt, Candidates, float]] | None = None
        self._answer: tuple[Prompt, Candidates] | None = None
        self.on_preview: Callable[[Prompt, Candidates], None] = _unheard
        self.on_end: Callable[[], None] = _unheard

    @property
    def slow(self) -> bool:
        """Whether decodes take so long that a moving pointer is not worth asking for."""
        return len(self._seconds) > 0 and statistics.median(self._seconds) > SLOW_SECONDS

    def at(self, x: float, y: float, *, resting: bool = False) -> None:
        """The pointer is at image point (x, y); nothing happens before the embedding is ready."""
        answerer = self._session.answerer
        if answerer is None:
            return
        self._look_at(_about(answerer))
        prompt = Prompt().with_point(x, y, 1)
        if self._ended or (self.slow and not resting):
            self._wanted = None
            return
        self._resting = resting
        known = self._answer is not None and self._answer[0] == prompt
        self._wanted = None if known else prompt
        if self._wanted is not None and self._job is None:
            self._decode(answerer)

    def leave(self, but_for: Prompt | None = None) -> None:
        """The pointer is gone, or has something else to do: nothing more is shown.

        A decode of the prompt `but_for` that runs already goes on, and its answer is told: a click
        at the very place need not ask a second time.
        """
        self._wanted = self._answer = None
        if self._job is not None and (but_for is None or self._asked != but_for):
            job, self._job = self._job, None
            job.cancel()

    def answer(self, prompt: Prompt) -> Candidates | None:
        """The answer to `prompt`, if it is the one in hand."""
        answerer = self._session.answerer
        if self._answer is None or answerer is None or _about(answerer) != self._about:
            return None
        asked, candidates = self._answer
        return candidates if asked == prompt and candidates.items else None

    # -- steps ----------------------------------------------------------------------------------

    def _look_at(self, about: _About) -> None:
        """Forget what was about another model, image or part of it."""
        if about == self._about:
            return
        self.leave()
        if self._about is None or about[0] != self._about[0]:
            self._seconds.clear()
        self._about, self._ended, self._warm = about, False, False

    def _decode(self, answerer: Answerer) -> None:
        first, self._asked = self._wanted, None

        def work() -> tuple[Prompt, Candidates, float]:
            # The pointer may have moved on while this was queued.
            prompt = self._asked = self._wanted or first or Prompt()
            started = self._clock()
            candidates = answerer.predict(prompt)
            return prompt, candidates, self._clock() - started

        def done(result: tuple[Prompt, Candidates, float]) -> None:
            if self._job is job:
                self._job = None
                self._take(*result)

        def failed(_: Exception) -> None:
            if self._job is job:
                self._job, self._ended = None, True
                self._wanted = self._answer = None
                self.on_end()

        job = self._job = self._runner.submit(
            Lane.DEVICE,
            "Looking under the pointer",
            lambda cancel, report: work(),  # noqa: ARG005
            on_done=done,
            on_error=failed,
            key=self._key,
            priority=_AFTER_WORK,
        )

    def _take(self, prompt: Prompt, candidates: Candidates, seconds: float) -> None:
        answerer = self._session.answerer
        if answerer is None or _about(answerer) != self._about:
            return
        if self._warm:  # the first answer about an image makes what the others share
            self._seconds.append(seconds)
        self._warm = True
        self._answer = prompt, candidates
        if self._wanted == prompt:
            self._wanted = None
        self.on_preview(prompt, candidates)
        if self._wanted is not None and self._job is None and (self._resting or not self.slow):
            self._decode(answerer)


def _about(answerer: Answerer) -> _About:
    box = answerer.crop.box if answerer.crop else None
    return answerer.embedding.model_key, answerer.embedding.image_key, box

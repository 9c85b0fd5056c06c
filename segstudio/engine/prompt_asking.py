"""The prompt that is worked on: asked, answered, and answered anew when it changes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.engine.answerer import Answerer, Crop
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.model_slot import ModelSlot

_NUMBERS = itertools.count(1)


class PromptAsking:
    """One prompt at a time, the newest. Used from the consumer's thread.

    `waiting` says whether the prompt still has no answer. `on_candidates(prompt, candidates,
    seconds)` brings it, with the seconds since it was asked; `on_error(error)` says why there is
    none.
    """

    def __init__(
        self,
        runner: JobRunner,
        *,
        on_candidates: Callable[[Prompt, Candidates, float], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.prompt = Prompt()
        self.waiting = False
        self._runner = runner
        self._on_candidates = on_candidates
        self._on_error = on_error
        self._key = f"predict-{next(_NUMBERS)}"
        self._asked_at = 0.0
        self._begun_in: Crop | None = None

    def take(self, prompt: Prompt) -> None:
        """Want the answer to this prompt instead of an earlier one; none to an empty one."""
        self.stop()
        self.prompt, self.waiting, self._asked_at = prompt, bool(prompt), time.perf_counter()
        if not prompt:
            self._begun_in = None

    def know(self, looked_at: Crop | None) -> None:
        """The answer is known already, from what is looked at."""
        self.waiting = False
        if self.prompt and looked_at is not None and looked_at.holds(self.prompt):
            self._begun_in = looked_at

    def again(self) -> None:
        """Want another answer to the same prompt: the model has changed."""
        self.take(self.prompt)
        self._begun_in = None

    def stop(self) -> None:
        """Drop the answer that is on its way."""
        self._runner.cancel_key(self._key)

    def answer(self, slot: ModelSlot, embedding: Embedding, looked_at: Crop | None) -> None:
        """Answer the prompt, if it waits: in a crop that holds it, else on the whole image.

        Of the crop that is looked at and the one that the prompt was begun in, the smaller one is
        taken, so that moving the view does not make a mask coarser.
        """
        prompt, asked_at = self.prompt, self._asked_at
        crops = [one for one in (self._begun_in, looked_at) if one and one.holds(prompt)]
        crop = min(crops, key=lambda one: max(one.box.xywh[2:]), default=None)
        self._begun_in = crop or self._begun_in

        def done(candidates: Candidates) -> None:
            self.waiting = False
            self._on_candidates(prompt, candidates, time.perf_counter() - asked_at)

        def failed(error: Exception) -> None:
            self.waiting = False
            self._on_error(error)

        self._runner.submit(
            Lane.DEVICE,
            "Finding the mask" if slot.model else slot.text,
            lambda cancel, report: slot.use(
                lambda model: Answerer(model, embedding, crop).predict(prompt), cancel, report
            ),
            on_done=done,
            on_error=failed,
            key=self._key,
            visible=slot.model is None,  # it is loaded first, which takes its time
        )

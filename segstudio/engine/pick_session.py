"""The pick-list of the open image: found once, filtered at will, never stale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Candidates
from segstudio.engine.everything_results import RawResults, ResultsStore
from segstudio.engine.jobs import Job, JobRunner, JobState, Lane
from segstudio.engine.picks import Covered, PickFilters, PickList, Shown
from segstudio.engine.prompt_session import PromptSession
from segstudio.models.prompt.contract import EverythingSettings

Rows = tuple[Annotation, ...]

_ENDED = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.SUPERSEDED})


def _unheard(*_: object) -> None:
    """What a callback is before somebody sets it."""


@dataclass(frozen=True)
class _Answer:
    """One round of filtering."""

    picks: PickList
    shown: Shown
    rows: Rows
    covered: Covered | None


class PickSession:
    """Asks the model once for an image, and tells which of its masks the filters leave.

    Everything is called from one thread, the one that the runner's `deliver` leads to, and returns
    at once; the `on_...` attributes are called there too. Raw results are looked for in the store
    before the model is asked, and kept there. Filtering runs on the IO lane, one round at a time:
    the newest filters win, and a hand that never rests still sees results.
    """

    def __init__(self, runner: JobRunner, prompts: PromptSession, store: ResultsStore) -> None:
        self._runner, self._prompts, self._store = runner, prompts, store
        self._image: RgbImage | None = None
        self._rows: Callable[[], Rows] = tuple
        self._job: Job[Candidates] | None = None
        self._asked: EverythingSettings | None = None
        self._preparing = False
        self._turn = 0  # what was begun before the last `open` counts for nothing
        self._dismissed: frozenset[int] = frozenset()
        self._last: _Answer | None = None
        self._busy = self._again = self._fresh = False
        self.filters = PickFilters()
        self.picks: PickList | None = None
        self.on_change: Callable[[], None] = _unheard  # what is shown, or how far the search is
        self.on_found: Callable[[], None] = _unheard  # the first time that results are shown
        self.on_error: Callable[[Exception], None] = _unheard
        runner.listen(self._hear)

    @property
    def shown(self) -> Shown | None:
        """What the filters leave; None before there are results."""
        return self._last.shown if self._last is not None and self.picks is not None else None

    @property
    def running(self) -> bool:
        """Whether the model is being asked, or its answer prepared."""
        return self._job is not None or self._preparing

    @property
    def progress(self) -> Progress | None:
        """How far the model is, if it is being asked and has said so."""
        return self._job.progress if self._job is not None else None

    # -- finding --------------------------------------------------------------------------------

    def open(self, image: RgbImage | None, rows: Callable[[], Rows]) -> None:
        """Another image, or none, or another model; `rows` tells the image's annotations."""
        if self._job is not None:
            self._job.cancel()
        self._image, self._rows = image, rows
        self._turn += 1
        self._job, self._preparing = None, False
        self.picks, self._last, self._dismissed = None, None, frozenset()
        self.on_change()

    def find(self, settings: EverythingSettings, *, anew: bool = False) -> None:
        """Show what there is in the open image: at hand, stored, or asked of the model now.

        With `anew` the model is asked in any case. Raises BadInputError if no image is open.
        """
        image = self._image
        if image is None:
            raise BadInputError("Open an image first.")
        if not anew and self._holds(settings):
            self._fresh = True
            self._filter()
            return
        if self._job is not None and self._asked == settings and not anew:
            return
        self._dismissed, self._asked = frozenset(), settings
        stored = False

        def known(model_key: str) -> Candidates | None:
            nonlocal stored
            found = None if anew else self._store.get(model_key, image.key, settings)
            stored = found is not None
            return found.candidates if found is not None else None

        def done(candidates: Candidates) -> None:
            self._prepare(image, settings, lambda: candidates, keep=not stored)

        self._job = self._prompts.everything.ask(settings, done, known)
        self.on_change()

    def look(self, settings: EverythingSettings) -> None:
        """Show what is stored for the open image, if anything is; never asks the model."""
        image, model_key = self._image, self._prompts.model_key
        if image is None or not model_key or self.running:
            return

        def stored() -> Candidates | None:
            found = self._store.get(model_key, image.key, settings)
            return found.candidates if found is not None else None

        self._prepare(image, settings, stored, keep=False)

    def cancel(self) -> None:
        """Stop asking the model; what is shown stays."""
        if self._job is not None:
            self._job.cancel()

    def _holds(self, settings: EverythingSettings) -> bool:
        picks = self.picks
        if picks is None or picks.raw.settings != settings:
            return False
        return self._prompts.model_key in ("", picks.raw.candidates.model_key)

    def _prepare(
        self,
        image: RgbImage,
        settings: EverythingSettings,
        get: Callable[[], Candidates | None],
        *,
        keep: bool,
    ) -> None:
        """Store the results and compare their boxes, on the IO lane."""

        def work(cancel: CancelToken, _: ProgressSink) -> PickList | None:
            candidates = get()
            if candidates is None:
                return None
            raw = RawResults.of(image.key, settings, candidates)
            if keep:
                self._store.put(raw)
            return PickList(raw, cancel)

        turn = self._turn

        def done(picks: PickList | None) -> None:
            if turn == self._turn:
                self._preparing = False
                if picks is not None:
                    self.picks, self._last, self._fresh = picks, None, True
                    self._filter()
                self.on_change()

        def failed(error: Exception) -> None:
            if turn == self._turn:
                self._preparing = False
                self.on_change()
            self.on_error(error)

        self._job, self._preparing = None, True
        self._runner.submit(
            Lane.IO, "Preparing the masks", work, on_done=done, on_error=failed, key="picks"
        )

    def _hear(self, job: Job[Any]) -> None:
        if job is self._job:
            if job.state in _ENDED:
                self._job = None
            self.on_change()

    # -- filtering ------------------------------------------------------------------------------

    def filter(self, filters: PickFilters) -> None:
        """Show what these filters leave, soon."""
        self.filters = filters
        self._filter()

    def refresh(self) -> None:
        """The annotations have changed: accepted masks leave, those that were undone come back."""
        self._filter()

    def dismiss(self, index: int) -> None:
        """Take one mask off the list until everything is found anew, or another image opens."""
        self._dismissed |= {index}
        self._filter()

    def _filter(self) -> None:
        picks = self.picks
        if picks is None:
            return
        if self._busy:
            self._again = True
            return
        self._busy = True
        filters, rows, dismissed, last = self.filters, self._rows(), self._dismissed, self._last

        def work(_: CancelToken, __: ProgressSink) -> _Answer:
            covered = None
            if filters.unlabelled_only:
                same = last is not None and last.picks is picks and last.rows is rows
                covered = last.covered if same and last is not None else None
                covered = covered or Covered(picks, rows)
            left_out = picks.accepted(rows) | dismissed
            found = picks.filtered(filters, covered, left_out)
            return _Answer(picks, Shown(picks, found), rows, covered)

        self._runner.submit(
            Lane.IO,
            "Filtering the masks",
            work,
            on_done=self._take,
            on_error=self._filtering_failed,
            priority=-1,
        )

    def _take(self, answer: _Answer) -> None:
        self._busy = False
        if answer.picks is self.picks:
            self._last = answer
            fresh, self._fresh = self._fresh, False
            if fresh:
                self.on_found()
            self.on_change()
        if self._again:
            self._again = False
            self._filter()

    def _filtering_failed(self, error: Exception) -> None:
        self._busy = self._again = False
        self.on_error(error)

"""One job of background work: what it is asked, how far it is, how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken, Progress, ProgressSink

T = TypeVar("T")
Call = Callable[[], None]

_LOG = logging.getLogger(__name__)


class Lane(StrEnum):
    """Where a job runs."""

    IO = "io"
    DEVICE = "device"
    STORE = "store"


# Work that goes from lane to lane. It yields the lane of its next step (never the store's) and is
# sent what that step may use; nothing is done before the first of them.
Turn = tuple[CancelToken, ProgressSink]
Steps = Generator[Lane, Turn, T]


def walked(steps: Steps[T], cancel: CancelToken, report: ProgressSink) -> T:
    """All steps one after the other on this thread; raises what they raise."""
    try:
        next(steps)
        while True:
            steps.send((cancel, report))
    except StopIteration as end:
        return cast("T", end.value)


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class _GoesOn(Exception):  # noqa: N818 - no error
    """Raised by the work of a job of several steps when one of them is done."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(lane)
        self.lane = lane


def work_of(steps: Steps[T]) -> tuple[Lane, Callable[[CancelToken, ProgressSink], T]]:
    """Where the first step belongs, and the work of a job that takes one step each time it runs."""

    def work(cancel: CancelToken, report: ProgressSink) -> T:
        try:
            lane = steps.send((cancel, report))
        except StopIteration as end:
            return cast("T", end.value)
        raise _GoesOn(lane)

    return next(steps), work


@dataclass(frozen=True)
class Callbacks(Generic[T]):
    """What is called, on the consumer's thread, when a job has ended."""

    done: Callable[[T], None] | None = None
    error: Callable[[Exception], None] | None = None
    cancelled: Call | None = None


class Job(Generic[T]):
    """One piece of background work; made by `JobRunner.submit`.

    `progress` is the latest that the work told. `error` is set once the state is FAILED. The state
    may still turn from DONE to CANCELLED or SUPERSEDED as long as the result is not delivered.
    """

    def __init__(
        self,
        number: int,
        lane: Lane,
        text: str,
        work: Callable[[CancelToken, ProgressSink], T],
        callbacks: Callbacks[T],
        *,
        key: str | None,
        visible: bool,
        drop: Callable[[Job[Any]], None],
    ) -> None:
        self.id = number
        self.lane = lane
        self.text = text
        self.key = key
        self.visible = visible
        self.state = JobState.QUEUED
        self.progress: Progress | None = None
        self.error: Exception | None = None
        self.token = CancelToken()
        self.work: Callable[[CancelToken, ProgressSink], T] | None = work
        self.callbacks = callbacks
        self.rank = 0  # among those that wait for the lane, the lowest first
        self.onward: Lane | None = None  # where the next step belongs, once one of several is done
        self._drop = drop
        self._result: T | None = None
        self.settled = False  # delivered, or dropped before it ran

    def cancel(self) -> None:
        """Drop the job if it is queued, ask it to stop if it runs; its result never shows.

        On the store lane nothing can be cancelled and this does nothing.
        """
        self._drop(self)

    def run(self, report: ProgressSink) -> JobState:
        """Do the work, keep its result or its error, and say how it ended; QUEUED: it goes on."""
        work, self.work, self.onward = self.work, None, None
        try:
            if work is not None:
                self._result = work(self.token, report)
            ended = JobState.DONE
        except _GoesOn as more:
            self.work, self.onward = work, more.lane
            ended = JobState.QUEUED
        except Cancelled:
            ended = JobState.CANCELLED
        except Exception as error:
            self.error, ended = error, JobState.FAILED
        except BaseException as error:  # a thread that ends would leave its lane dead
            self.error, ended = RuntimeError(repr(error)), JobState.FAILED
        return ended

    def answer(self) -> None:
        """Call the callback that tells the outcome."""
        callbacks, self.callbacks = self.callbacks, Callbacks()
        result, self._result = self._result, None
        if self.state is JobState.DONE and callbacks.done is not None:
            callbacks.done(cast("T", result))
        elif self.state is JobState.FAILED and self.error is not None:
            if callbacks.error is not None:
                callbacks.error(self.error)
            else:
                _LOG.error("%s: failed, and nobody asked why", self.text, exc_info=self.error)
        elif self.state is JobState.CANCELLED and callbacks.cancelled is not None:
            callbacks.cancelled()

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.text!r}, {self.lane}, {self.state})"

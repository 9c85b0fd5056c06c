"""One job of background work: what it is asked, how far it is, how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
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


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


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
        self._drop = drop
        self._result: T | None = None
        self.settled = False  # delivered, or dropped before it ran

    def cancel(self) -> None:
        """Drop the job if it is queued, ask it to stop if it runs; its result never shows.

        On the store lane nothing can be cancelled and this does nothing.
        """
        self._drop(self)

    def run(self, report: ProgressSink) -> JobState:
        """Do the work, keep its result or its error, and say how it ended."""
        work, self.work = self.work, None
        try:
            if work is not None:
                self._result = work(self.token, report)
            ended = JobState.DONE
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

"""Background work: jobs on lanes, with cancelling, superseding and progress.

A lane is a small set of threads. IO has two (files), DEVICE one (a model is called by one thread
at a time), STORE one (strict order; what a person did is never dropped). Results, errors and
notices come back through `deliver`, which brings a call to the consumer's thread (in the GUI, a
queued signal).
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.job import Call, Callbacks, Job, JobState, Lane, Steps, work_of

__all__ = ["Call", "Job", "JobRunner", "JobState", "Lane", "call_directly"]

T = TypeVar("T")

_NOTICE_SECONDS = 0.05  # progress is told at most 20 times a second for each job


_THREADS = {Lane.IO: 2, Lane.DEVICE: 1, Lane.STORE: 1}


_ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING})
_DROPPED = frozenset({JobState.CANCELLED, JobState.SUPERSEDED})


def call_directly(call: Call) -> None:
    """The `deliver` of programs without an event loop: calls on the lane's own thread."""
    call()


class _Notices:
    """Brings calls to the consumer's thread, and tells listeners of jobs, progress throttled."""

    def __init__(self, deliver: Callable[[Call], None], clock: Callable[[], float]) -> None:
        self._deliver = deliver
        self._clock = clock
        self._listeners: tuple[Callable[[Job[Any]], None], ...] = ()
        self._lock = threading.Lock()

    def call(self, call: Call) -> None:
        """Deliver `call`. What it raises is reported; it must not end a lane's thread."""
        try:
            self._deliver(call)
        except Exception as error:
            thread = threading.current_thread()
            told = threading.ExceptHookArgs((type(error), error, error.__traceback__, thread))
            threading.excepthook(told)

    def listen(self, callback: Callable[[Job[Any]], None]) -> Call:
        with self._lock:
            self._listeners = (*self._listeners, callback)

        def stop() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not callback)

        return stop

    def tell(self, job: Job[Any]) -> None:
        """Bring the news that `job` changed to the listeners."""
        if self._listeners:
            self.call(lambda: self.show(job))

    def show(self, job: Job[Any]) -> None:
        """Tell the listeners, on the consumer's thread already."""
        for listener in self._listeners:
            listener(job)

    def sink(self, job: Job[Any]) -> ProgressSink:
        told = -_NOTICE_SECONDS
        waiting = threading.Event()  # a slow consumer finds one notice, not a heap of them

        def notice() -> None:
            waiting.clear()
            if not job.settled:
                self.show(job)

        def report(progress: Progress) -> None:
            nonlocal told
            job.progress = progress
            now = self._clock()
            if now - told >= _NOTICE_SECONDS and not waiting.is_set() and self._listeners:
                told = now
                waiting.set()
                self.call(notice)

        return report


class JobRunner:
    """Runs jobs on lanes. Every method may be called from any thread; all but waits are quick.

    Of `on_done`, `on_error` and `on_cancelled` exactly one is called for a job, through `deliver`;
    none for a superseded one, whose story the newer job tells. Whether a job is still wanted is
    looked at again when its result arrives on the consumer's thread: once `cancel`, `cancel_key`
    or a superseding `submit` was called there, the older result is not shown any more.
    """

    def __init__(
        self,
        deliver: Callable[[Call], None] = call_directly,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notices = _Notices(deliver, clock)
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._queues: dict[Lane, list[tuple[int, int, Job[Any]]]] = {lane: [] for lane in Lane}
        self._jobs: dict[int, Job[Any]] = {}  # neither delivered nor dropped yet, by id
        self._newest: dict[str, Job[Any]] = {}
        self._threads: dict[Lane, list[threading.Thread]] = {lane: [] for lane in Lane}
        self._busy = 0
        self._closed = False
        # A program that ends without closing its runner must not lose what the store still holds.
        atexit.register(self.shutdown)

    # -- asking ---------------------------------------------------------------------------------

    def submit(
        self,
        lane: Lane,
        text: str,
        work: Callable[[CancelToken, ProgressSink], T],
        *,
        on_done: Callable[[T], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_cancelled: Call | None = None,
        key: str | None = None,
        priority: int = 0,
        visible: bool = False,
    ) -> Job[T]:
        """Queue `work`; a lower `priority` runs first, equal ones in order.

        `text` is what the user reads, `visible` says whether the status bar shows it. A newer job
        with the same `key` supersedes older ones: a queued one is dropped, a running one is
        cancelled, and the older result is never delivered, not even if it was on its way.
        The store lane ignores `priority`; there a superseded job still runs and still tells its
        error, only its `on_done` is left out.

        After `shutdown`, a job for the io or device lane comes back cancelled, and RuntimeError
        is raised for the store lane, as the work would be lost.
        """
        callbacks = Callbacks(on_done, on_error, on_cancelled)
        number = next(self._numbers)
        job = Job(number, lane, text, work, callbacks, key=key, visible=visible, drop=self._cancel)
        with self._changed:
            if self._closed and not self._takes_late(lane):
                job.state, job.settled = JobState.CANCELLED, True
                return job
            older = self._newest.get(key) if key is not None else None
            if older is not None:
                self._drop(older, JobState.SUPERSEDED)
            if key is not None:
                self._newest[key] = job
            self._jobs[number] = job
            job.rank = 0 if lane is Lane.STORE else priority
            self._queue(job)
        if older is not None:
            self._notices.tell(older)
        self._notices.tell(job)
        return job

    def submit_steps(
        self, text: str, steps: Steps[T], answer: Callbacks[T], *, priority: int = 0
    ) -> Job[T]:
        """Queue work that goes from lane to lane: one visible job, whose steps queue one by one.

        Other jobs come between two steps. Steps are never on the store lane.
        """
        lane, work = work_of(steps)
        return self.submit(
            lane,
            text,
            work,
            on_done=answer.done,
            on_error=answer.error,
            on_cancelled=answer.cancelled,
            priority=priority,
            visible=True,
        )

    def cancel_key(self, key: str) -> None:
        """Cancel the job that holds `key`, if there is one."""
        with self._changed:
            job = self._newest.get(key)
        if job is not None:
            job.cancel()

    def listen(self, callback: Callable[[Job[Any]], None]) -> Call:
        """Call `callback(job)`, through `deliver`, when a job's state or progress changed.

        The job is shown as it is at that moment. Returns a function that ends the listening.
        """
        return self._notices.listen(callback)

    def tell(self, call: Call) -> None:
        """Bring `call` to the consumer's thread: news from work that goes on."""
        self._notices.call(call)

    def active(self) -> list[Job[Any]]:
        """Jobs that are queued or running, oldest first."""
        with self._changed:
            return [job for job in self._jobs.values() if job.state in _ACTIVE]

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no lane has work left and all results were handed to `deliver`.

        Returns False if `timeout` seconds pass first.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._busy and not any(self._queues.values()), timeout
            )

    def shutdown(self, timeout: float = 10.0) -> None:
        """Cancel io and device work, finish the whole store lane, and join the threads.

        `timeout` bounds the wait for work that does not heed its token; the store lane is waited
        for as long as it takes. Calling it again does nothing.
        """
        with self._changed:
            self._closed = True
            others = [job for job in self._jobs.values() if job.lane is not Lane.STORE]
            self._changed.notify_all()
        for job in others:
            job.cancel()
        until = time.monotonic() + timeout
        self._join(Lane.STORE, None)
        self._join(Lane.IO, until)
        self._join(Lane.DEVICE, until)
        atexit.unregister(self.shutdown)

    # -- running --------------------------------------------------------------------------------

    def _takes_late(self, lane: Lane) -> bool:
        """Whether a job that comes after `shutdown` is still taken; see `submit`."""
        if lane is not Lane.STORE:
            return False
        if threading.current_thread() not in self._threads[lane]:
            raise RuntimeError("The project is closed already; nothing more can be written to it.")
        return True

    def _queue(self, job: Job[Any]) -> None:
        heapq.heappush(self._queues[job.lane], (job.rank, job.id, job))
        self._start_threads(job.lane)
        self._changed.notify_all()

    def _start_threads(self, lane: Lane) -> None:
        while len(self._threads[lane]) < _THREADS[lane]:
            name = f"segstudio-{lane}-{len(self._threads[lane]) + 1}"
            thread = threading.Thread(target=self._serve, args=(lane,), name=name, daemon=True)
            self._threads[lane].append(thread)
            thread.start()

    def _join(self, lane: Lane, until: float | None) -> None:
        for thread in self._threads[lane]:
            if thread is not threading.current_thread():
                thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _serve(self, lane: Lane) -> None:
        """The life of one thread."""
        while (job := self._next(lane)) is not None:
            self._work_on(job)
            del job  # nothing of a finished job stays alive while the thread waits

    def _next(self, lane: Lane) -> Job[Any] | None:
        queue = self._queues[lane]
        with self._changed:
            self._changed.wait_for(lambda: queue or self._closed)
            if not queue:
                return None
            job = heapq.heappop(queue)[2]
            job.state = JobState.RUNNING
            self._busy += 1
            return job

    def _work_on(self, job: Job[Any]) -> None:
        self._notices.tell(job)
        ended = job.run(self._notices.sink(job))
        with self._changed:
            if job.state is JobState.RUNNING:  # it may have been dropped meanwhile
                job.state = ended
                if job.onward is not None:
                    self._busy -= 1
                    job.lane = job.onward
                    self._queue(job)
                    return
            job.work = None
        self._notices.call(lambda: self._show(job))
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _show(self, job: Job[Any]) -> None:
        """Tell the outcome, on the consumer's thread, unless the job was dropped meanwhile."""
        with self._changed:
            job.settled = True
            self._forget(job)
        self._notices.show(job)
        job.answer()

    # -- dropping -------------------------------------------------------------------------------

    def _cancel(self, job: Job[Any]) -> None:
        with self._changed:
            if job.settled:
                return
            gone = self._drop(job, JobState.CANCELLED)
        self._notices.tell(job)
        if gone:
            self._notices.call(job.answer)

    def _drop(self, job: Job[Any], state: JobState) -> bool:
        """Make sure that the job's result never shows; True if it was queued and is gone now."""
        if job.lane is Lane.STORE:
            if state is JobState.SUPERSEDED:
                job.callbacks = Callbacks(None, job.callbacks.error, job.callbacks.cancelled)
            return False
        if job.settled or job.state in _DROPPED:
            return False
        queued = job.state is JobState.QUEUED
        job.state = state
        job.token.cancel()
        if queued:
            job.settled = True
            job.work = None
            queue = self._queues[job.lane]
            queue[:] = [entry for entry in queue if entry[2] is not job]
            heapq.heapify(queue)
            self._forget(job)
            self._changed.notify_all()
        return queued

    def _forget(self, job: Job[Any]) -> None:
        self._jobs.pop(job.id, None)
        if job.key is not None and self._newest.get(job.key) is job:
            del self._newest[job.key]

"""Background jobs: real threads, events instead of sleeps."""

from __future__ import annotations

import queue
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.job import Callbacks, Steps
from segstudio.engine.jobs import Job, JobRunner, JobState, Lane

WAIT = 10.0


class Consumer:
    """A thread's inbox, like the event loop of the GUI: `pump` does what has arrived."""

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.runner = JobRunner(self.inbox.put)

    def pump(self) -> None:
        """Wait for all work, then handle what came, until nothing more comes."""
        while True:
            assert self.runner.wait_idle(WAIT)
            if self.inbox.empty():
                return
            while not self.inbox.empty():
                self.inbox.get()()


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    one = Consumer()
    yield one
    one.runner.shutdown()


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    one = JobRunner()
    yield one
    one.shutdown()


class Gate:
    """Work that says when it has started and goes on when it is told to."""

    def __init__(self, heeds_token: bool = False) -> None:
        self.started = threading.Event()
        self.open = threading.Event()
        self.heeds_token = heeds_token

    def __call__(self, cancel: CancelToken, report: ProgressSink) -> str:
        self.started.set()
        while not self.open.wait(0.005):
            if self.heeds_token:
                cancel.check()
        return "through"

    def wait_started(self) -> None:
        assert self.started.wait(WAIT)


Answer = TypeVar("Answer")


def saying(answer: Answer) -> Callable[[CancelToken, ProgressSink], Answer]:
    return lambda cancel, report: answer


def failing(error: BaseException) -> Callable[[CancelToken, ProgressSink], str]:
    def work(cancel: CancelToken, report: ProgressSink) -> str:
        raise error

    return work


# -- one job ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lane", list(Lane))
def test_a_result_comes_back_on_the_consumers_thread(consumer: Consumer, lane: Lane) -> None:
    where: dict[str, int] = {}

    def work(cancel: CancelToken, report: ProgressSink) -> int:
        where["work"] = threading.get_ident()
        return 41

    got: list[int] = []

    def done(value: int) -> None:
        where["done"] = threading.get_ident()
        got.append(value)

    job = consumer.runner.submit(lane, "Add", work, on_done=done)
    consumer.pump()
    assert got == [41]
    assert where["done"] == threading.get_ident() != where["work"]
    assert job.state is JobState.DONE


def test_an_exception_goes_to_on_error_and_the_lane_lives_on(consumer: Consumer) -> None:
    heard: list[object] = []
    first = consumer.runner.submit(
        Lane.DEVICE,
        "Break",
        failing(ValueError("broken")),
        on_error=heard.append,
        on_done=heard.append,
        on_cancelled=lambda: heard.append("cancelled"),
    )
    consumer.runner.submit(Lane.DEVICE, "Go on", saying("on"), on_done=heard.append)
    consumer.pump()
    assert [str(one) for one in heard] == ["broken", "on"]
    assert first.state is JobState.FAILED
    assert str(first.error) == "broken"


def test_even_an_exit_inside_the_work_does_not_kill_the_lane(consumer: Consumer) -> None:
    heard: list[object] = []
    consumer.runner.submit(Lane.STORE, "Exit", failing(SystemExit(3)), on_error=heard.append)
    consumer.runner.submit(Lane.STORE, "Go on", saying("on"), on_done=heard.append)
    consumer.pump()
    assert isinstance(heard[0], RuntimeError)
    assert heard[1] == "on"


def test_an_error_that_nobody_listens_to_is_logged(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    consumer.runner.submit(Lane.IO, "Read photo", failing(ValueError("torn")))
    consumer.pump()
    assert "Read photo" in caplog.text
    assert "torn" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_raises_is_reported_and_the_lane_lives_on(
    runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: reported.append(told.exc_value))
    heard: list[str] = []

    def done(_: str) -> None:
        raise KeyError("callback")

    runner.submit(Lane.IO, "One", saying("one"), on_done=done)
    assert runner.wait_idle(WAIT)
    runner.submit(Lane.IO, "Two", saying("two"), on_done=heard.append)
    assert runner.wait_idle(WAIT)
    assert heard == ["two"]
    assert isinstance(reported[0], KeyError)


# -- order --------------------------------------------------------------------------------------


def test_what_is_wanted_now_runs_before_what_was_asked_ahead(consumer: Consumer) -> None:
    gate, heard = Gate(), list[str]()
    consumer.runner.submit(Lane.DEVICE, "Hold", gate)
    gate.wait_started()
    for text, priority in [("ahead 1", 10), ("now 1", 0), ("ahead 2", 10), ("now 2", 0)]:
        consumer.runner.submit(
            Lane.DEVICE, text, saying(text), on_done=heard.append, priority=priority
        )
    gate.open.set()
    consumer.pump()
    assert heard == ["now 1", "now 2", "ahead 1", "ahead 2"]


def test_the_store_lane_keeps_the_order_whatever_the_priority(consumer: Consumer) -> None:
    heard: list[int] = []
    for number in range(50):
        work = saying(number)
        consumer.runner.submit(Lane.STORE, "Write", work, on_done=heard.append, priority=-number)
    consumer.pump()
    assert heard == list(range(50))


def test_the_io_lane_does_two_things_at_once_and_the_device_lane_one(consumer: Consumer) -> None:
    both = threading.Barrier(2)
    met: list[int] = []
    for _ in range(2):
        consumer.runner.submit(
            Lane.IO, "Meet", lambda cancel, report: both.wait(WAIT), on_done=met.append
        )
    running, most = 0, 0
    lock = threading.Lock()

    def count(cancel: CancelToken, report: ProgressSink) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    for _ in range(20):
        consumer.runner.submit(Lane.DEVICE, "Count", count)
    consumer.pump()
    assert sorted(met) == [0, 1]
    assert most == 1


# -- cancelling ---------------------------------------------------------------------------------


def test_a_queued_job_that_is_cancelled_never_runs(consumer: Consumer) -> None:
    gate, heard, ran = Gate(), list[str](), threading.Event()
    consumer.runner.submit(Lane.DEVICE, "Hold", gate)
    gate.wait_started()
    job = consumer.runner.submit(
        Lane.DEVICE,
        "Never",
        lambda cancel, report: ran.set(),
        on_done=lambda _: heard.append("done"),
        on_cancelled=lambda: heard.append("cancelled"),
    )
    job.cancel()
    assert job not in consumer.runner.active()
    gate.open.set()
    consumer.pump()
    assert heard == ["cancelled"]
    assert job.state is JobState.CANCELLED
    assert not ran.is_set()


@pytest.mark.parametrize("heeds_token", [True, False])
def test_a_running_job_that_is_cancelled_never_shows_its_result(
    consumer: Consumer, heeds_token: bool
) -> None:
    gate, heard = Gate(heeds_token), list[str]()
    job = consumer.runner.submit(
        Lane.DEVICE,
        "Encode",
        gate,
        on_done=heard.append,
        on_cancelled=lambda: heard.append("cancelled"),
        key="encode",
    )
    gate.wait_started()
    consumer.runner.cancel_key("encode")
    if not heeds_token:
        gate.open.set()
    consumer.pump()
    assert heard == ["cancelled"]
    assert job.state is JobState.CANCELLED


def test_cancelling_holds_even_when_the_result_is_already_on_its_way(consumer: Consumer) -> None:
    heard: list[str] = []
    job = consumer.runner.submit(
        Lane.IO,
        "Read",
        saying("late"),
        on_done=heard.append,
        on_cancelled=lambda: heard.append("cancelled"),
    )
    assert consumer.runner.wait_idle(WAIT)
    assert job.state is JobState.DONE
    job.cancel()
    consumer.pump()
    assert heard == ["cancelled"]


def test_cancelling_what_has_ended_changes_nothing(consumer: Consumer) -> None:
    heard: list[str] = []
    job = consumer.runner.submit(Lane.IO, "Read", saying("read"), on_done=heard.append, key="k")
    consumer.pump()
    job.cancel()
    consumer.runner.cancel_key("k")
    consumer.pump()
    assert heard == ["read"]
    assert job.state is JobState.DONE


def test_work_that_stops_itself_counts_as_cancelled(consumer: Consumer) -> None:
    heard: list[str] = []
    consumer.runner.submit(
        Lane.IO, "Stop", failing(Cancelled()), on_cancelled=lambda: heard.append("cancelled")
    )
    consumer.pump()
    assert heard == ["cancelled"]


def test_nothing_cancels_what_the_store_lane_holds(consumer: Consumer) -> None:
    gate, heard = Gate(), list[str]()
    running = consumer.runner.submit(Lane.STORE, "Write 1", gate, on_done=heard.append)
    gate.wait_started()
    queued = consumer.runner.submit(
        Lane.STORE, "Write 2", saying("second"), on_done=heard.append, key="w"
    )
    running.cancel()
    queued.cancel()
    consumer.runner.cancel_key("w")
    gate.open.set()
    consumer.pump()
    assert heard == ["through", "second"]


# -- superseding --------------------------------------------------------------------------------


def test_a_newer_job_takes_the_place_of_a_queued_one(consumer: Consumer) -> None:
    gate, heard = Gate(), list[str]()
    consumer.runner.submit(Lane.DEVICE, "Hold", gate)
    gate.wait_started()
    older = consumer.runner.submit(
        Lane.DEVICE,
        "Older",
        saying("older"),
        on_done=heard.append,
        on_cancelled=lambda: heard.append("cancelled"),
        key="click",
    )
    consumer.runner.submit(Lane.DEVICE, "Newer", saying("newer"), on_done=heard.append, key="click")
    gate.open.set()
    consumer.pump()
    assert heard == ["newer"]
    assert older.state is JobState.SUPERSEDED


def test_a_newer_job_stops_a_running_one(consumer: Consumer) -> None:
    gate, heard = Gate(heeds_token=True), list[str]()
    consumer.runner.submit(Lane.DEVICE, "Older", gate, on_done=heard.append, key="click")
    gate.wait_started()
    consumer.runner.submit(Lane.DEVICE, "Newer", saying("newer"), on_done=heard.append, key="click")
    consumer.pump()  # the gate is never opened: only the token ends the older job
    assert heard == ["newer"]


@pytest.mark.parametrize("outcome", [saying("older"), failing(ValueError("older"))])
def test_an_older_answer_that_waits_for_delivery_is_not_shown(
    consumer: Consumer, outcome: Callable[[CancelToken, ProgressSink], str]
) -> None:
    heard: list[object] = []
    consumer.runner.submit(
        Lane.DEVICE, "Older", outcome, on_done=heard.append, on_error=heard.append, key="click"
    )
    assert consumer.runner.wait_idle(WAIT)
    assert not consumer.inbox.empty()
    consumer.runner.submit(Lane.DEVICE, "Newer", saying("newer"), on_done=heard.append, key="click")
    consumer.pump()
    assert heard == ["newer"]


def test_jobs_of_other_keys_are_left_alone(consumer: Consumer) -> None:
    heard: list[str] = []
    for text in ("a", "b", "c"):
        consumer.runner.submit(Lane.IO, text, saying(text), on_done=heard.append, key=text)
    consumer.pump()
    assert sorted(heard) == ["a", "b", "c"]


def test_a_superseded_write_is_still_written_and_still_tells_its_error(
    consumer: Consumer,
) -> None:
    gate, written, heard = Gate(), list[str](), list[object]()
    consumer.runner.submit(Lane.STORE, "Hold", gate)
    gate.wait_started()

    def write(cancel: CancelToken, report: ProgressSink) -> str:
        written.append("first")
        return "first"

    options = {"on_done": heard.append, "on_error": heard.append, "key": "save"}
    consumer.runner.submit(Lane.STORE, "Write", write, **options)
    consumer.runner.submit(Lane.STORE, "Write", failing(OSError("full")), **options)
    consumer.runner.submit(Lane.STORE, "Write", saying("third"), **options)
    gate.open.set()
    consumer.pump()
    assert written == ["first"]
    assert [str(one) for one in heard] == ["full", "third"]


@settings(max_examples=25, deadline=None)
@given(
    keys=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    pumps=st.sets(st.integers(0, 59)),
    seed=st.integers(0, 1000),
)
def test_of_many_superseding_jobs_only_the_newest_shows_and_in_order(
    keys: list[int], pumps: set[int], seed: int
) -> None:
    consumer = Consumer()
    dice = random.Random(seed)
    submitted: dict[int, int] = defaultdict(lambda: -1)
    shown: list[tuple[int, int]] = []
    try:
        for number, key in enumerate(keys):
            submitted[key] = number

            def show(value: tuple[int, int]) -> None:
                assert submitted[value[0]] == value[1], "a stale answer was shown"
                shown.append(value)

            work = saying((key, number))
            lane = dice.choice([Lane.IO, Lane.DEVICE])
            consumer.runner.submit(
                lane, "Ask", work, on_done=show, key=f"k{key}", priority=dice.randrange(3)
            )
            if number in pumps:
                consumer.pump()
        consumer.pump()
    finally:
        consumer.runner.shutdown()
    for key, last in submitted.items():
        mine = [number for shown_key, number in shown if shown_key == key]
        assert mine == sorted(mine)
        assert mine[-1] == last


def test_five_hundred_superseding_jobs_from_several_threads_end_with_the_newest_of_each() -> None:
    consumer = Consumer()
    shown: dict[int, list[int]] = defaultdict(list)

    def submit_all(key: int) -> None:
        for number in range(125):
            work = saying(number)
            consumer.runner.submit(Lane.IO, "Ask", work, on_done=shown[key].append, key=str(key))

    threads = [threading.Thread(target=submit_all, args=(key,)) for key in range(4)]
    for key in range(4):
        shown[key] = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    consumer.pump()
    consumer.runner.shutdown()
    assert all(numbers == [124] for numbers in shown.values())


# -- listening ----------------------------------------------------------------------------------


def test_a_listener_sees_each_state(consumer: Consumer) -> None:
    seen: list[JobState] = []
    gate = Gate()
    stop = consumer.runner.listen(lambda job: seen.append(job.state))
    job = consumer.runner.submit(Lane.IO, "Read", gate, visible=True)
    consumer.inbox.get(timeout=WAIT)()
    gate.wait_started()
    consumer.inbox.get(timeout=WAIT)()
    assert consumer.runner.active() == [job]
    gate.open.set()
    consumer.pump()
    assert seen[-1] is JobState.DONE
    assert set(seen) <= {JobState.QUEUED, JobState.RUNNING, JobState.DONE}
    assert consumer.runner.active() == []
    stop()
    before = len(seen)
    consumer.runner.submit(Lane.IO, "Read", saying("more"))
    consumer.pump()
    assert len(seen) == before


def test_progress_is_told_at_most_twenty_times_a_second() -> None:
    now = 100.0
    told: list[int] = []
    runner = JobRunner(clock=lambda: now)

    def listen(job: Job[object]) -> None:
        if job.state is JobState.RUNNING and job.progress is not None:
            told.append(job.progress.done)

    runner.listen(listen)

    def work(cancel: CancelToken, report: ProgressSink) -> None:
        nonlocal now
        for step in range(1000):
            now = 100.0 + step / 1000
            report(Progress(step, 1000, "Encoding"))

    job = runner.submit(Lane.IO, "Work", work)
    assert runner.wait_idle(WAIT)
    runner.shutdown()
    assert 15 <= len(told) <= 20
    assert told == sorted(told)
    assert job.progress == Progress(999, 1000, "Encoding")


def test_a_consumer_that_does_not_look_is_not_buried_in_progress(consumer: Consumer) -> None:
    now = iter(range(10_000))
    runner = JobRunner(consumer.inbox.put, clock=lambda: float(next(now)))
    runner.listen(lambda job: None)

    def work(cancel: CancelToken, report: ProgressSink) -> None:
        for step in range(1000):
            report(Progress(step, 1000))

    runner.submit(Lane.IO, "Work", work)
    assert runner.wait_idle(WAIT)
    assert consumer.inbox.qsize() <= 4  # queued, running, one notice, the end
    runner.shutdown()


# -- ending -------------------------------------------------------------------------------------


# -- several steps -----------------------------------------------------------------------------


def hopping(log: list[str], gates: tuple[Gate, ...]) -> Steps[str]:
    """To and fro between two lanes, a step for each gate; notes the threads and its own end."""
    try:
        for number, gate in enumerate(gates):
            token, report = yield Lane.DEVICE if number % 2 else Lane.IO
            log.append(threading.current_thread().name.split("-")[1])
            gate(token, report)
        return "all done"
    finally:
        log.append("closed")


def open_gates(count: int) -> tuple[Gate, ...]:
    gates = tuple(Gate() for _ in range(count))
    for gate in gates:
        gate.open.set()
    return gates


def test_a_job_of_several_steps_goes_from_lane_to_lane_and_others_come_between(
    consumer: Consumer,
) -> None:
    log: list[str] = []
    got: list[str] = []
    gates = (*open_gates(1), Gate(), *open_gates(2))
    steps = hopping(log, gates)
    job = consumer.runner.submit_steps("hopping", steps, Callbacks(got.append), priority=1)
    gates[1].wait_started()
    consumer.runner.submit(Lane.DEVICE, "click", lambda c, p: log.append("click"))
    gates[1].open.set()
    consumer.pump()
    assert log == ["io", "device", "io", "click", "device", "closed"] or log == [
        "io", "device", "click", "io", "device", "closed",
    ]  # fmt: skip
    assert got == ["all done"]
    assert job.state is JobState.DONE


@pytest.mark.parametrize("waits", [True, False])
def test_a_job_of_several_steps_that_is_cancelled_is_closed_and_takes_no_further_step(
    consumer: Consumer, waits: bool
) -> None:
    """Cancelled while its next step waits for the lane, or in the middle of one."""
    log: list[str] = []
    told: list[str] = []
    first, other = Gate(), Gate()
    answer: Callbacks[str] = Callbacks(cancelled=lambda: told.append("cancelled"))
    job = consumer.runner.submit_steps("hopping", hopping(log, (first, *open_gates(3))), answer)
    first.wait_started()
    if waits:
        consumer.runner.submit(Lane.DEVICE, "other", other)
        other.wait_started()
        first.open.set()
        while job.lane is Lane.IO:
            other.open.wait(0.001)
    job.cancel()
    first.open.set()
    other.open.set()
    consumer.pump()
    assert (log, told) == (["io", "closed"], ["cancelled"])
    assert job.state is JobState.CANCELLED


def test_what_a_step_raises_is_told(consumer: Consumer) -> None:
    def failing() -> Steps[None]:
        yield Lane.IO
        yield Lane.DEVICE
        raise ValueError("no more")

    told: list[Exception] = []
    consumer.runner.submit_steps("failing", failing(), Callbacks(error=told.append))
    consumer.pump()
    assert [str(error) for error in told] == ["no more"]


def test_shutdown_stops_io_and_device_work_and_drains_the_store(consumer: Consumer) -> None:
    runner = consumer.runner
    reading, encoding, writing = Gate(heeds_token=True), Gate(heeds_token=True), Gate()
    written: list[int] = []
    runner.submit(Lane.IO, "Read", reading)
    runner.submit(Lane.DEVICE, "Encode", encoding)
    runner.submit(Lane.STORE, "Write", writing)
    for gate in (reading, encoding, writing):
        gate.wait_started()

    def write(number: int, cancel: CancelToken, report: ProgressSink) -> None:
        written.append(number)

    never = runner.submit(Lane.DEVICE, "Prefetch", lambda cancel, report: written.append(-1))
    for number in range(20):
        runner.submit(Lane.STORE, "Write", partial(write, number))
    threading.Timer(0.05, writing.open.set).start()
    runner.shutdown()
    assert written == list(range(20))
    assert never.state is JobState.CANCELLED
    assert not [one for threads in runner._threads.values() for one in threads if one.is_alive()]


def test_after_shutdown_reads_come_back_cancelled_and_writes_are_refused(
    runner: JobRunner,
) -> None:
    runner.submit(Lane.STORE, "Write", saying("written"))
    runner.shutdown()
    assert runner.submit(Lane.IO, "Read", saying("read")).state is JobState.CANCELLED
    with pytest.raises(RuntimeError, match="closed"):
        runner.submit(Lane.STORE, "Write", saying("lost"))


def test_a_write_that_follows_from_a_write_is_still_done_while_closing() -> None:
    runner = JobRunner()
    gate, written = Gate(), list[str]()

    def then(_: str) -> None:
        runner.submit(Lane.STORE, "Write 2", saying("second"), on_done=written.append)

    runner.submit(Lane.STORE, "Write 1", gate, on_done=then)
    gate.wait_started()
    threading.Timer(0.05, gate.open.set).start()
    runner.shutdown()
    assert written == ["second"]


def test_wait_idle_says_when_the_time_is_over(runner: JobRunner) -> None:
    gate = Gate()
    runner.submit(Lane.IO, "Hold", gate)
    assert not runner.wait_idle(0.02)
    gate.open.set()
    assert runner.wait_idle(WAIT)

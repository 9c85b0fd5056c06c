"""Reading the clock around calls that take turns, and the memory they take."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

CLOCKS = ("wall", "cpu")

_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Clock:
    """`kind` is "wall" or "cpu" (of all threads of this process); `device` what is waited for."""

    kind: str = "wall"
    device: str = "cpu"

    def time(self, call: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds that `call` takes until the device has done what it asked for; its answer."""
        read = time.perf_counter if self.kind == "wall" else time.process_time
        self._synchronise()
        start = read()
        answer = call()
        self._synchronise()
        return read() - start, answer

    def _synchronise(self) -> None:
        kind = self.device.partition(":")[0]
        if kind == "cuda":
            torch.cuda.synchronize(self.device)
        elif kind == "mps":
            torch.mps.synchronize()


@dataclass(frozen=True)
class Side:
    """One of those compared: what it does, and how many threads torch has while it does."""

    call: Callable[[], Any]
    threads: int


@dataclass(frozen=True)
class Turn:
    """Each side's seconds, answer and, if measured, bytes of memory above where it started."""

    seconds: tuple[float, ...]
    answers: tuple[Any, ...]
    peak_bytes: tuple[int, ...] = ()


def take_turns(
    sides: Sequence[Side], turns: int, clock: Clock, *, memory: bool = False
) -> Iterator[Turn]:
    """One side after the other, `turns` times. With `memory`, peaks are measured on the way."""
    threads = torch.get_num_threads()
    try:
        for _ in range(turns):
            seconds, answers, peaks = [], [], []
            for side in sides:
                torch.set_num_threads(side.threads)
                meter = PeakMemory(clock.device) if memory else None
                if meter is None:
                    taken, answer = clock.time(side.call)
                else:
                    with meter:
                        taken, answer = clock.time(side.call)
                    peaks.append(meter.peak_bytes)
                seconds.append(taken)
                answers.append(answer)
            yield Turn(tuple(seconds), tuple(answers), tuple(peaks))
    finally:
        torch.set_num_threads(threads)


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


class PeakMemory:
    """A context that finds the most memory that was in use inside it, above that at its start.

    On CUDA it is what torch's allocator counts; elsewhere this process's resident memory, read
    every 20 ms by a thread, after what lies about was collected and given back to the system.
    """

    def __init__(self, device: str) -> None:
        self.peak_bytes = 0
        self._cuda = device.partition(":")[0] == "cuda"
        self._device = device
        self._process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._start = 0

    def __enter__(self) -> PeakMemory:
        gc.collect()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self._device)
            self._start = torch.cuda.memory_allocated(self._device)
            return self
        _give_back()
        self._start = self._resident()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._cuda:
            peak = torch.cuda.max_memory_allocated(self._device)
            self.peak_bytes = max(0, peak - self._start)
            return
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self._resident() - self._start)

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)


def _give_back() -> None:
    """Let glibc return freed memory, which would hide what is allocated next."""
    name = ctypes.util.find_library("c")
    trim = getattr(ctypes.CDLL(name), "malloc_trim", None) if name else None
    if trim is not None:
        trim(0)

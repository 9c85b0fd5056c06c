"""How many threads compute fastest on this machine, measured: the number of cores does not tell.

Other programs take cores, two threads of one core share its units, slow cores hold up fast ones; a
network's small products then get slower with more threads. What was found is kept for a month, or
for an hour if the machine was busy. Torch is imported only to measure and to set.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from segstudio.models.machine import cpu_kind, keep_measured, measured, usable_cores

OWN_VARIABLE = "SEGSTUDIO_THREADS"
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # heeded by torch itself

_NAME = "threads"
_KEPT_SECONDS = 30 * 86400.0
_KEPT_SECONDS_BUSY = 3600.0
_BUSY = 0.9  # a thread that gets less of its core than this is not alone
_NO_SLOWER = 1.05  # fewer threads that take at most so much longer leave cores to others
_BUDGET_SECONDS = 0.4
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 9

_found_here: dict[int, float] = {}  # by this process, where the disk does not keep it


@dataclass(frozen=True)
class Threads:
    """How many threads, and why, in a few words."""

    count: int
    why: str


def settle_threads() -> Threads:
    """Let torch use as many threads as were found to be fastest, and say why that many.

    A number that the environment or a program chose stays. Measures for half a second where
    nothing is known yet; call it in the thread that will compute.
    """
    import torch  # noqa: PLC0415 - takes a second, and most commands never need it

    chosen = chosen_threads()
    now = torch.get_num_threads()
    if chosen is None and now not in (usable_cores(), psutil.cpu_count(logical=False)):
        return Threads(now, "set by the program")
    if chosen is None:
        times = _found_here or _measure()
        _found_here.update(times)
        chosen = Threads(fastest(times), _told(times))
    if chosen.count:
        torch.set_num_threads(chosen.count)
    return Threads(torch.get_num_threads(), chosen.why)


def chosen_threads(environ: Mapping[str, str] = os.environ) -> Threads | None:
    """What is known without measuring, or None; a `count` of 0 leaves the number to torch."""
    own = environ.get(OWN_VARIABLE, "")
    if own.isdecimal() and int(own) > 0:
        return Threads(int(own), f"{OWN_VARIABLE} says so")
    for name in _VARIABLES:
        if environ.get(name):
            return Threads(0, f"{name}={environ[name]} says so")
    cores = usable_cores()
    if cores == 1:
        return Threads(1, "there is one core")
    found = measured(_NAME)
    try:
        if found is None or found["of"] != [cpu_kind(), cores] or found["until"] < time.time():
            return None
        times = {int(count): float(seconds) for count, seconds in found["seconds"].items()}
        return Threads(fastest(times), _told(times))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def fastest(seconds: Mapping[int, float]) -> int:
    """The least number of threads that is not noticeably slower than the fastest.

    Raises ValueError if there is none.
    """
    best = min(seconds.values())
    return min(count for count, taken in seconds.items() if taken <= _NO_SLOWER * best)


def candidates(cores: int, physical: int | None) -> list[int]:
    """Powers of two below `cores`, the physical cores, and all of them."""
    counts = {1, cores, min(physical or cores, cores)}
    counts.update(2**n for n in range(cores.bit_length()) if 2**n <= cores)
    return sorted(counts)


def _told(seconds: Mapping[int, float]) -> str:
    rows = ", ".join(f"{count}: {1e3 * taken:.1f} ms" for count, taken in sorted(seconds.items()))
    return f"the fastest here ({rows})"


def _measure() -> dict[int, float]:
    """Median seconds of a decoder's kind of products by number of threads; kept on disk."""
    import torch  # noqa: PLC0415 - see settle_threads

    tokens, wide = torch.ones(4096, 256), torch.full((256, 512), 1 / 256)

    def work() -> None:
        hidden = torch.nn.functional.gelu(tokens @ wide)
        torch.softmax(hidden @ wide.T, dim=-1)

    cores = usable_cores()
    taken: dict[int, list[float]] = {
        count: [] for count in candidates(cores, psutil.cpu_count(logical=False))
    }
    shares = []  # of its core, that a lone thread got
    before = torch.get_num_threads()
    until = time.perf_counter() + _BUDGET_SECONDS
    with torch.inference_mode():
        for turn in range(1 + _MOST_ROUNDS):
            for count, rows in taken.items():
                torch.set_num_threads(count)
                start, own = time.perf_counter(), time.thread_time()
                work()
                seconds = time.perf_counter() - start
                if turn:  # in the first, threads are made
                    rows.append(seconds)
                    if count == 1:
                        shares.append((time.thread_time() - own) / seconds)
            if turn >= _LEAST_ROUNDS and time.perf_counter() > until:
                break
    torch.set_num_threads(before)
    times = {count: statistics.median(rows) for count, rows in taken.items()}
    kept = _KEPT_SECONDS if statistics.median(shares) >= _BUSY else _KEPT_SECONDS_BUSY
    keep_measured(_NAME, {"of": [cpu_kind(), cores], "seconds": times, "until": time.time() + kept})
    return times

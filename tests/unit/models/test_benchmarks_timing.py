"""Clocks, turns and peaks of memory."""

from __future__ import annotations

import time

import numpy as np
import torch

from segstudio.models.benchmarks.machine import describe_machine
from segstudio.models.benchmarks.timing import Clock, PeakMemory, Side, take_turns


def test_the_wall_clock_counts_waiting_and_the_cpu_clock_does_not() -> None:
    waited, answer = Clock("wall").time(lambda: time.sleep(0.05) or "done")
    busy, _ = Clock("cpu").time(lambda: time.sleep(0.05))
    assert waited >= 0.05 > busy
    assert answer == "done"


def test_sides_take_turns_each_with_its_own_threads() -> None:
    before = torch.get_num_threads()
    seen: list[tuple[str, int]] = []
    sides = [
        Side(lambda name=name: seen.append((name, torch.get_num_threads())), threads)
        for name, threads in (("ours", 1), ("theirs", 2))
    ]
    turns = list(take_turns(sides, 2, Clock()))
    assert seen == [("ours", 1), ("theirs", 2)] * 2
    assert [len(turn.seconds) for turn in turns] == [2, 2]
    assert turns[0].peak_bytes == ()
    assert torch.get_num_threads() == before


def test_a_peak_is_seen_though_it_is_gone_at_the_end() -> None:
    def hoard() -> int:
        block = np.ones(200 << 20, dtype=np.uint8)
        time.sleep(0.2)
        return int(block[0])

    sides = [Side(hoard, 1), Side(lambda: time.sleep(0.1), 1)]
    (turn,) = take_turns(sides, 1, Clock(), memory=True)
    hoarded, idle = turn.peak_bytes
    assert 150 << 20 < hoarded < 300 << 20
    assert idle < 100 << 20


def test_memory_that_was_there_before_does_not_count() -> None:
    block = np.ones(200 << 20, dtype=np.uint8)
    meter = PeakMemory("cpu")
    with meter:
        time.sleep(0.1)
    assert block[-1] == 1
    assert meter.peak_bytes < 100 << 20


def test_a_report_names_the_processor_and_the_versions() -> None:
    described = describe_machine("cpu")
    assert described["cpu"]
    assert described["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert described["cores"] >= 1

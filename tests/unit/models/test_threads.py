"""The number of threads is measured once, kept a while, and never taken out of anyone's hands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.prediction import ModelCategory
from segstudio.models import threads
from segstudio.models.machine import cpu_kind, keep_measured, measured, usable_cores
from segstudio.models.semantic import library
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.semantic.loading import load
from segstudio.models.semantic.registry import build
from segstudio.models.threads import candidates, chosen_threads, fastest, settle_threads


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "_found_here", {})
    for name in ("SEGSTUDIO_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    yield
    torch.set_num_threads(before)


def keep(seconds: dict[int, float], until: float | None = None, cores: int | None = None) -> None:
    keep_measured(
        "threads",
        {
            "of": [cpu_kind(), cores or usable_cores()],
            "seconds": seconds,
            "until": time.time() + 60 if until is None else until,
        },
    )


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)


def test_a_real_measurement_tries_every_number_and_is_kept(two_cores: None) -> None:
    torch.set_num_threads(2)
    settled = settle_threads()
    kept = measured("threads")
    assert kept is not None and set(kept["seconds"]) == {"1", "2"}
    assert settled.count == torch.get_num_threads() in (1, 2)
    assert settled == chosen_threads(), "the next look measures nothing"
    left = kept["until"] - time.time()
    assert 0 < left <= 30 * 86400


def test_what_is_kept_decides(two_cores: None) -> None:
    for seconds, count in (({1: 0.02, 2: 0.011}, 2), ({1: 0.02, 2: 0.03}, 1)):
        torch.set_num_threads(2)
        keep(seconds, cores=2)
        settled = settle_threads()
        assert settled.count == torch.get_num_threads() == count
        assert "1: 20.0 ms" in settled.why


def test_a_stale_foreign_or_damaged_measurement_counts_as_none(two_cores: None) -> None:
    keep({1: 1.0}, cores=2)
    assert chosen_threads() is not None
    keep({1: 1.0}, until=time.time() - 1, cores=2)
    assert chosen_threads() is None
    keep({1: 1.0}, cores=3)
    assert chosen_threads() is None
    for content in ({}, {"of": [cpu_kind(), 2]}, {"of": [cpu_kind(), 2], "until": 1e12}):
        keep_measured("threads", content)
        assert chosen_threads() is None
    keep({}, cores=2)
    assert chosen_threads() is None


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch, two_cores: None) -> None:
    keep({1: 9.0, 2: 1.0}, cores=2)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    told = settle_threads()
    assert told.count == torch.get_num_threads() and told.why == "OMP_NUM_THREADS=7 says so"
    monkeypatch.setenv("SEGSTUDIO_THREADS", "1")
    assert settle_threads() == threads.Threads(1, "SEGSTUDIO_THREADS says so")
    assert torch.get_num_threads() == 1
    for nonsense in ("0", "-1", "many", ""):
        monkeypatch.setenv("SEGSTUDIO_THREADS", nonsense)
        assert settle_threads().why == "OMP_NUM_THREADS=7 says so"


def test_a_number_that_a_program_set_stays(
    monkeypatch: pytest.MonkeyPatch, two_cores: None
) -> None:
    monkeypatch.setattr(threads.psutil, "cpu_count", lambda logical: 2)
    monkeypatch.setattr(threads, "_measure", None)
    torch.set_num_threads(3)
    assert settle_threads() == threads.Threads(3, "set by the program")
    assert torch.get_num_threads() == 3


def test_one_core_needs_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 1)
    assert settle_threads().count == 1
    assert measured("threads") is None


def test_a_disk_that_refuses_costs_each_process_one_measurement(
    monkeypatch: pytest.MonkeyPatch, own_home: object, two_cores: None
) -> None:
    monkeypatch.setenv("SEGSTUDIO_HOME", "/dev/null/nowhere")
    torch.set_num_threads(2)
    settled = settle_threads()
    assert settled.count in (1, 2)
    monkeypatch.setattr(threads, "_measure", None)
    torch.set_num_threads(2)
    assert settle_threads() == settled, "once in a process is enough"


@given(st.dictionaries(st.integers(1, 64), st.floats(1e-4, 1.0), min_size=1))
def test_no_fewer_threads_would_do(seconds: dict[int, float]) -> None:
    count = fastest(seconds)
    best = min(seconds.values())
    assert seconds[count] <= 1.05 * best
    assert all(taken > 1.05 * best for fewer, taken in seconds.items() if fewer < count)


@given(st.integers(1, 300), st.one_of(st.none(), st.integers(1, 300)))
def test_candidates_are_few_and_within_the_cores(cores: int, physical: int | None) -> None:
    counts = candidates(cores, physical)
    assert counts == sorted(set(counts)) and counts[0] == 1 and counts[-1] == cores
    assert len(counts) <= 11
    assert physical is None or min(physical, cores) in counts


def test_a_semantic_model_is_loaded_for_as_many_threads_as_are_fastest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEGSTUDIO_HOME", str(tmp_path))
    spec = NetworkSpec("unet_plain_small", "", 2)
    categories = (ModelCategory("grass", "#00aa00"), ModelCategory("road", "#888888"))
    card = SemanticCard("tiny", "Tiny", "", spec, categories, "MIT")
    library.save(build(spec).state_dict(), card)
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    keep({1: 0.001, 2: 0.004}, cores=2)
    torch.set_num_threads(2)
    load(next(card for card in library.cards() if card.key == "tiny"), None, "cpu")
    assert torch.get_num_threads() == 1

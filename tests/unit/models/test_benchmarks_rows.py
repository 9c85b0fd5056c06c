"""What the benchmarks measure and say, on a network that is too small to be slow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_sam import small_pair

from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.models.benchmarks import everything
from segstudio.models.benchmarks.beside import beside_rows
from segstudio.models.benchmarks.click import click_rows
from segstudio.models.benchmarks.encode import encode_rows
from segstudio.models.benchmarks.everything import Plan, everything_rows, fitting_batch
from segstudio.models.benchmarks.pair import NO_WEIGHTS, Pair, benchmark_photo, load_pair
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.registry import prompt_model

SMALL, LARGE = benchmark_photo((200, 300)), benchmark_photo((400, 600))
FEW = EverythingSettings(points_per_side=2)


@pytest.fixture(scope="module")
def pair() -> Pair:
    return small_pair()


@pytest.fixture(scope="module")
def unlike() -> Pair:
    return small_pair(changed=0.5)


def all_rows(pair: Pair, plan: Plan, said: list[str], repeats: int = 1) -> list[dict[str, object]]:
    images = [SMALL]
    return list(
        everything_rows(pair, images, repeats, plan, report=ignore_progress, say=said.append)
    )


def test_clicks_are_equal_and_their_times_compared(pair: Pair) -> None:
    small, large, over = click_rows(pair, [SMALL, LARGE], 1, ignore_progress)
    for row in (small, large):
        assert row["equal"] is True, row
        assert row["ratio"] == pytest.approx(row["baseline_s"] / row["ours_s"], rel=0.05)
        assert row["iou_min"] >= 0.9999
    assert small["name"] == "click mobile_sam 300x200"
    assert small["weights"] == "seeded"
    assert over["times_as_long"] == pytest.approx(over["ours_s"] / over["over_s"], rel=0.05)
    assert over["ratio"] is None


def test_other_weights_are_refused_a_ratio(unlike: Pair) -> None:
    (click,) = click_rows(unlike, [SMALL], 1, ignore_progress)
    (encode,) = encode_rows(unlike, [SMALL], 1, ignore_progress)
    (found,) = all_rows(unlike, Plan(FEW), [])
    for row in (click, encode, found):
        assert row["equal"] is False
        assert row["ratio"] is None
        assert row["reason"]
        assert row["baseline_s"] > 0


def test_embeddings_are_equal(pair: Pair) -> None:
    (row,) = encode_rows(pair, [SMALL], 2, ignore_progress)
    assert row["equal"] is True
    assert row["max_difference"] <= 1e-4
    assert row["runtime"] == "torch"
    assert row["repeats"] == 2


def test_everything_is_equal_with_small_regions_and_crops(pair: Pair) -> None:
    settings = replace(FEW, min_region=50, crop_layers=1, crop_downscale=2, predicted_iou=0.8)
    said: list[str] = []
    (row,) = all_rows(pair, Plan(settings, with_fast=False), said)
    assert row["equal"] is True, row
    assert row["masks"] == row["baseline_masks"]
    assert "about" in said[0]
    assert row["peak_mb"] >= 0


def test_the_last_row_of_a_name_holds_all_repeats(pair: Pair) -> None:
    first, second, fast = all_rows(pair, Plan(FEW, official_batch=2, with_fast=True), [], repeats=2)
    assert (first["repeats"], second["repeats"]) == (1, 2)
    assert first["baseline_points_per_batch"] == 2
    assert fast["equal"] is None
    assert fast["approximate"] is True
    assert 0.0 <= fast["recall"] <= 1.0
    assert fast["baseline"] == everything.EXACT
    assert fast["ratio"] > 0


def test_a_batch_fits_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        available = 16 << 30

    monkeypatch.setattr(everything.psutil, "virtual_memory", Memory)
    assert fitting_batch((200, 300), "cpu") == 64
    Memory.available = 8 << 30
    assert 4 <= fitting_batch((3300, 4950), "cpu") <= 12
    Memory.available = 1 << 20
    assert fitting_batch((3300, 4950), "cpu") == 1


def test_the_built_in_model_has_no_baseline() -> None:
    with load_pair(
        prompt_model("graph_cut"), device="cpu", clock="cpu", threads=1, report=ignore_progress
    ) as pair:
        assert pair.weights == NO_WEIGHTS
        rows = [
            *click_rows(pair, [SMALL], 1, ignore_progress),
            *encode_rows(pair, [SMALL], 1, ignore_progress),
            *all_rows(pair, Plan(FEW), []),
        ]
    assert len(rows) == 3
    for row in rows:
        assert row["baseline"] is row["ratio"] is row["equal"] is None
        assert row["ours_s"] > 0
    assert pair.model.encode(SMALL, CancelToken()).image_size == SMALL.size


def test_the_network_in_the_box_is_timed_beside_another_model(pair: Pair) -> None:
    small = [benchmark_photo((20, 200))]
    with load_pair(
        prompt_model("segstudio_nano"), device="cpu", clock="cpu", threads=1, report=ignore_progress
    ) as nano:
        assert nano.official is None
        rows = [
            row
            for what in ("encode", "click", "everything")
            for row in beside_rows(
                what, (nano, pair), small, 1, settings=FEW, report=ignore_progress
            )
        ]
    names = [row["name"] for row in rows]
    assert names == [
        f"{what} segstudio_nano beside mobile_sam 200x20"
        for what in ("encode", "click", "everything")
    ]
    for row in rows:
        assert row["equal"] is None and row["baseline"] == "our mobile_sam"
        assert row["repeats"] == 1
        assert row["ratio"] == pytest.approx(row["baseline_s"] / row["ours_s"], rel=0.05)

"""A ratio is printed only where both sides gave the same."""

from __future__ import annotations

import numpy as np
import pytest

from segstudio.core.mask import Mask
from segstudio.metrics.mask_matching import recall
from segstudio.models.benchmarks.comparison import (
    Verdict,
    compare_click,
    compare_embeddings,
    compare_everything,
    encode_rle,
    row,
)

SIZE = (200, 300)


def box(x: int, y: int, side: int, taller: int = 0) -> np.ndarray:
    array = np.zeros(SIZE, dtype=bool)
    array[y : y + side + taller, x : x + side] = True
    return array


def masks(arrays: list[np.ndarray]) -> list[Mask]:
    return [Mask.from_array(array) for array in arrays]


def rles(arrays: list[np.ndarray]) -> list[dict[str, object]]:
    return [encode_rle(array) for array in arrays]


MANY = [box(3 * n, n, 100) for n in range(60)]


def test_equal_masks_make_a_ratio() -> None:
    verdict = compare_click(masks(MANY[:3]), rles(MANY[:3]))
    made = row("click", [1.0, 3.0, 2.0], verdict, {}, baseline="official", theirs=[8.0, 6.0, 9.0])
    assert (made["ours_s"], made["baseline_s"], made["ratio"]) == (2.0, 8.0, 4.0)
    assert made["equal"] is True
    assert made["iou_min"] == 1.0
    assert made["repeats"] == 3


def test_different_masks_make_none() -> None:
    wrong = [*MANY[:2], box(6, 2, 100, taller=1)]
    verdict = compare_click(masks(wrong), rles(MANY[:3]))
    made = row("click", [1.0], verdict, {}, baseline="official", theirs=[8.0])
    assert made["ratio"] is None
    assert made["equal"] is False
    assert "0.990" in made["reason"]
    assert made["baseline_s"] == 8.0


def test_masks_in_another_order_or_number_are_different_clicks() -> None:
    assert not compare_click(masks(MANY[:3]), rles(MANY[2::-1])).equal
    assert "2 masks" in compare_click(masks(MANY[:2]), rles(MANY[:3])).reason


def test_two_empty_masks_are_equal_and_an_empty_one_is_no_other() -> None:
    nothing = np.zeros(SIZE, dtype=bool)
    assert compare_click(masks([nothing]), rles([nothing])).equal
    assert not compare_click(masks([nothing]), rles([MANY[0]])).equal
    assert not compare_click(masks([MANY[0]]), rles([nothing])).equal


def test_everything_is_paired_in_any_order() -> None:
    verdict = compare_everything(masks(MANY[::-1]), rles(MANY))
    assert verdict.equal
    assert verdict.facts == {
        "masks": 60, "baseline_masks": 60, "iou_min": 1.0, "iou_mean": 1.0,
    }  # fmt: skip


def test_a_mask_cannot_be_the_partner_of_two() -> None:
    verdict = compare_everything(masks([MANY[0], MANY[0]]), rles(MANY[:2]))
    assert not verdict.equal
    assert verdict.facts["iou_min"] < 0.99


def test_a_mask_that_is_a_little_off_is_refused() -> None:
    off = [box(0, 0, 100, taller=2), *MANY[1:]]
    verdict = compare_everything(masks(off), rles(MANY))
    assert not verdict.equal
    assert "0.98" in verdict.reason


def test_masks_that_are_all_a_hair_off_fail_by_their_mean() -> None:
    off = [array | np.roll(array, 1, axis=0) & (np.arange(SIZE[1]) % 5 == 0) for array in MANY]
    verdict = compare_everything(masks(off), rles(MANY))
    assert verdict.facts["iou_min"] >= 0.99
    assert not verdict.equal
    assert "mean" in verdict.reason


@pytest.mark.parametrize(("count", "equal"), [(60, True), (59, False), (58, False)])
def test_counts_may_differ_by_one_in_a_hundred(count: int, equal: bool) -> None:
    assert compare_everything(masks(MANY[:count]), rles(MANY)).equal is equal
    twice = [*MANY, *(box(3 * n, n, 20) for n in range(60))]
    assert compare_everything(masks(twice[:119]), rles(twice)).equal


def test_nothing_is_not_equal_to_nothing() -> None:
    verdict = compare_everything([], [])
    assert not verdict.equal
    assert "no mask" in verdict.reason
    assert "one side" in compare_everything(masks(MANY[:1]), []).reason


def test_embeddings_may_differ_by_a_ten_thousandth() -> None:
    ours = np.zeros((1, 4, 2, 2), dtype=np.float32)
    assert compare_embeddings(ours, ours + 9e-5).equal
    refused = compare_embeddings(ours, ours + 2e-4)
    assert not refused.equal
    assert "2.0e-04" in refused.reason
    assert not compare_embeddings(ours, ours * np.nan).equal
    assert not compare_embeddings(ours, ours[:, :2]).equal


def test_without_a_baseline_nothing_is_claimed() -> None:
    made = row("click", [1.0], Verdict(None), {"weights": "none"})
    assert made["baseline"] is made["baseline_s"] is made["ratio"] is made["equal"] is None
    assert made["weights"] == "none"


def test_recall_is_the_part_that_is_found() -> None:
    nearly = [box(0, 0, 100, taller=5), *MANY[1:30]]
    assert recall(masks(MANY[:40:2]), masks(nearly)) >= 0.75
    assert recall(masks(MANY), masks(MANY)) == 1.0
    assert recall(masks(MANY), []) == 0.0
    assert recall([], masks(MANY)) == 1.0
    assert recall(masks(MANY[:4]), masks([box(200, 100, 50)])) == 0.0

"""Filtering raw results leaves what the model itself would have, and the hand hits what it sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import nms

from segstudio.core.annotation import Annotation
from segstudio.core.errors import Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Candidate, Candidates
from segstudio.engine.everything_results import RawResults, raw_settings
from segstudio.engine.picks import Covered, PickFilters, PickList, Shown
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.registry import prompt_model

SIZE = (40, 50)
KEY = "0123456789abcdef"
ALL = PickFilters(0.0, 0.0, 1.0, unlabelled_only=False)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask.from_crop(np.ones((y1 - y0, x1 - x0), dtype=bool), (x0, y0), SIZE)


def annotation(mask: Mask, number: int = 1) -> Annotation:
    return Annotation(id=number, image_id=1, category_id=1, mask=mask)


def pick_list(*items: Candidate) -> PickList:
    best_first = sorted(items, key=lambda item: -item.predicted_iou)
    raw = RawResults.of(KEY, raw_settings(), Candidates(tuple(best_first), "model-1"))
    return PickList(raw, CancelToken())


def masks(*found: Mask, scores: tuple[float, ...] = ()) -> PickList:
    scores = scores or tuple(0.99 - 0.01 * step for step in range(len(found)))
    return pick_list(*(Candidate(m, s, 1.0) for m, s in zip(found, scores, strict=True)))


boxes = st.tuples(
    st.integers(0, 45), st.integers(0, 35), st.integers(1, 30), st.integers(1, 30)
).map(lambda b: rectangle(b[0], b[1], min(50, b[0] + b[2]), min(40, b[1] + b[3])))
scored = st.lists(
    st.tuples(boxes, st.floats(0.5, 1, width=32), st.floats(0.5, 1, width=32)), max_size=40
)


@settings(deadline=None, max_examples=60)
@given(
    rows=scored,
    iou=st.floats(0.4, 1),
    stability=st.floats(0.4, 1),
    overlap=st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]),
)
def test_what_is_left_is_what_torchvision_leaves(
    rows: list[tuple[Mask, float, float]], iou: float, stability: float, overlap: float
) -> None:
    picks = pick_list(*(Candidate(*row) for row in rows))
    found = picks.filtered(PickFilters(iou, stability, overlap, unlabelled_only=False))
    scores = torch.tensor([item.predicted_iou for item in picks.items])
    stable = torch.tensor([item.stability for item in picks.items])
    passing = torch.nonzero((scores > iou) & (stable >= stability)).flatten()
    corners = torch.tensor([item.mask.box for item in picks.items]).reshape(-1, 4).float()
    corners -= torch.tensor([0.0, 0.0, 1.0, 1.0])
    kept = passing[nms(corners[passing], scores[passing].float(), overlap)]
    assert found.tolist() == sorted(kept.tolist())


@settings(deadline=None, max_examples=40)
@given(rows=scored, crops=st.lists(st.integers(0, 4), min_size=40, max_size=40))
def test_with_crops_the_masks_of_smaller_crops_are_preferred(
    rows: list[tuple[Mask, float, float]], crops: list[int]
) -> None:
    places = [Box(0, 0, 50, 40), Box(0, 0, 30, 25), Box(0, 15, 30, 40), Box(20, 0, 50, 25),
              Box(20, 15, 50, 40)]  # fmt: skip
    picks = pick_list(
        *(Candidate(*row, crop=places[crop]) for row, crop in zip(rows, crops, strict=False))
    )
    found = picks.filtered(replace(ALL, overlap=0.5))
    expected = _official_crop_order(picks, places)
    assert set(found.tolist()) == expected


def _official_crop_order(picks: PickList, places: list[Box]) -> set[int]:
    """NMS in each crop, then over all of them with 1 / the crop's area as the score."""
    corners = torch.tensor([item.mask.box for item in picks.items]).reshape(-1, 4).float()
    corners -= torch.tensor([0.0, 0.0, 1.0, 1.0])
    scores = torch.tensor([item.predicted_iou for item in picks.items]).float()
    chosen: list[int] = []
    for place in places:
        own = torch.tensor(
            [n for n, item in enumerate(picks.items) if item.crop == place], dtype=torch.long
        )
        chosen += own[nms(corners[own], scores[own], 0.5)].tolist()
    if len({item.crop for item in picks.items}) > 1:
        area = torch.tensor(
            [1 / float(np.prod(np.diff(np.reshape(picks.items[n].crop or (), (2, 2)), axis=0)))
             for n in chosen]
        )  # fmt: skip
        kept = nms(corners[chosen], area, 0.7).tolist()
        chosen = [chosen[n] for n in kept]
    return set(chosen)


def test_the_official_thresholds_leave_what_graph_cut_itself_finds() -> None:
    rng = np.random.default_rng(3)
    pixels = np.full((120, 160, 3), 90, dtype=np.uint8)
    for step in range(9):
        y, x = rng.integers(0, 90), rng.integers(0, 130)
        pixels[y : y + 28, x : x + 24] = rng.integers(0, 255, 3)
        pixels[y + 8 : y + 16, x + 6 : x + 14] = 25 * step
    model = prompt_model("graph_cut").load(None, "cpu")
    embedding = model.encode(RgbImage(pixels), CancelToken())
    asked, own = EverythingSettings(), raw_settings()
    raw = model.everything(embedding, own, ignore_progress, CancelToken())
    picks = PickList(RawResults.of(KEY, own, raw), CancelToken())
    scale = model.card.score_scale
    filters = PickFilters(asked.predicted_iou * scale, asked.stability, asked.box_nms)
    expected = model.everything(embedding, asked, ignore_progress, CancelToken()).items
    found = [picks.items[index] for index in picks.filtered(filters)]
    assert 3 <= len(found) < len(picks)
    assert found == list(expected)


def test_area_limits_take_away_and_bring_nothing_back() -> None:
    large, middle, small = rectangle(0, 0, 40, 30), rectangle(2, 2, 36, 28), rectangle(1, 1, 4, 4)
    picks = masks(large, middle, small)
    assert [picks.items[n].mask for n in picks.filtered(replace(ALL, overlap=0.5))] == [
        large,
        small,
    ]
    share = 1000 / 2000
    only_smaller = replace(ALL, overlap=0.5, max_area=share)
    assert [picks.items[n].mask for n in picks.filtered(only_smaller)] == [small]
    assert picks.filtered(replace(ALL, min_area=9 / 2000)).tolist() == [0, 1, 2]
    assert picks.filtered(replace(ALL, min_area=10 / 2000)).tolist() == [0, 1]


def test_what_is_labelled_or_left_out_is_not_shown_but_still_hides_its_duplicates() -> None:
    one, twin, other = rectangle(0, 0, 20, 20), rectangle(0, 0, 20, 19), rectangle(30, 5, 45, 25)
    picks = masks(one, twin, other)
    covered = Covered(picks, [annotation(rectangle(0, 0, 20, 18))])
    filters = replace(ALL, overlap=0.7, unlabelled_only=True)
    assert picks.filtered(filters).tolist() == [0, 2]
    assert picks.filtered(filters, covered).tolist() == [2]
    assert picks.filtered(replace(filters, unlabelled_only=False), covered).tolist() == [0, 2]
    assert picks.filtered(filters, None, [2]).tolist() == [0]
    assert picks.filtered(filters, None, [0]).tolist() == [2]


def test_a_pick_is_accepted_as_long_as_an_annotation_has_its_very_mask() -> None:
    one, other = rectangle(0, 0, 20, 20), rectangle(30, 5, 45, 25)
    picks = masks(one, other)
    again = Mask.from_array(other.to_array())
    assert picks.accepted([annotation(again), annotation(rectangle(0, 0, 20, 19), 2)]) == {1}
    assert picks.accepted([]) == frozenset()


def test_the_smallest_shown_mask_under_the_pointer_is_hit() -> None:
    large, hole, small = rectangle(0, 0, 40, 30), rectangle(5, 5, 15, 15), rectangle(8, 8, 10, 10)
    ring = large.subtract(hole)
    picks = masks(ring, small, large)
    shown = Shown(picks, picks.filtered(ALL))
    assert [shown.at(x, y) for x, y in ((9, 9), (6, 6), (20.9, 20.9), (45, 35), (-1, -1))] == [
        1, 2, 0, None, None,
    ]  # fmt: skip
    assert Shown(picks, np.array([0, 1])).at(6, 6) is None


@settings(deadline=None, max_examples=40)
@given(found=st.lists(boxes, max_size=12), corners=st.tuples(boxes, boxes))
def test_a_rectangle_takes_the_masks_that_lie_mostly_inside(
    found: list[Mask], corners: tuple[Mask, Mask]
) -> None:
    picks = masks(*found)
    box = corners[0].box
    inside = np.zeros(SIZE, dtype=bool)
    inside[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = True
    expected = {
        n for n, item in enumerate(picks.items)
        if np.count_nonzero(item.mask.to_array() & inside) >= 0.9 * item.mask.area
    }  # fmt: skip
    assert set(Shown(picks, picks.filtered(ALL)).inside(box)) == expected


def test_accepted_masks_come_largest_first_so_that_small_ones_lie_in_front() -> None:
    small, large = rectangle(8, 8, 10, 10), rectangle(0, 0, 40, 30)
    picks = masks(small, large)
    shown = Shown(picks, picks.filtered(ALL))
    assert [item.mask for item in shown.candidates([0, 1])] == [large, small]
    assert shown.in_sight(0, 0, 50, 40) == [1, 0]
    assert shown.in_sight(20, 20, 50, 40) == [1]
    assert shown.in_sight(40, 30, 50, 40) == []


def test_no_results_show_nothing() -> None:
    picks = masks()
    shown = Shown(picks, picks.filtered(PickFilters()))
    assert len(shown) == 0
    assert shown.at(3, 3) is None
    assert shown.inside(Box(0, 0, 50, 40)) == ()


def test_comparing_the_boxes_can_be_cancelled() -> None:
    raw = RawResults.of(
        KEY, raw_settings(), Candidates((Candidate(rectangle(0, 0, 2, 2), 1, 1),), "m")
    )
    stopped = CancelToken()
    stopped.cancel()
    with pytest.raises(Cancelled):
        PickList(raw, stopped)

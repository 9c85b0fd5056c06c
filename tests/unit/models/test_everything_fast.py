"""The fast mode asks fewer points and finds most of the same masks."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.core.prompt import Candidate
from segstudio.metrics.mask_matching import recall
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.coverage import Coverage, coarse_to_fine
from segstudio.models.prompt.everything import segment_everything
from segstudio.models.prompt.frame import ModelFrame

SIZE = (300, 400)
ASKED = EverythingSettings(points_per_side=16, stability=0.8)


class Parcels:
    """A decoder of an image of things in groups, each of parts: a click gives the three it hits.

    Edges differ a little from click to click, and so do the scores, as a network's do.
    """

    def __init__(self, seed: int, counts: tuple[int, int, int] = (40, 15, 5)) -> None:
        random = np.random.default_rng(seed)
        rows, columns = (length // 4 for length in ModelFrame(SIZE).size)
        y, x = np.mgrid[0:256, 0:256]
        self.labels: list[npt.NDArray[np.int64]] = []
        self.scores: list[npt.NDArray[np.float64]] = []
        places = np.stack((x, y), axis=-1).reshape(-1, 2).astype(float)
        owner = np.arange(len(places))
        for count in counts:
            centres = random.random((count, 2)) * [columns, rows]
            apart = ((places[:, None] - centres) ** 2).sum(axis=2)
            owner = apart.argmin(axis=1)[owner]
            self.labels.append(owner.reshape(256, 256))
            self.scores.append(random.uniform(0.8, 1.0, count))
            places = centres
        self.fields = [
            [depth(labels == hit) for hit in range(count)]
            for labels, count in zip(self.labels, counts, strict=True)
        ]
        self.asked = 0

    def __call__(
        self, points: npt.NDArray[np.float64], threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.asked += len(points)
        pairs = [self.answer(x, y) for x, y in points]
        logits = torch.from_numpy(np.stack([pair[0] for pair in pairs]))
        ious = torch.tensor([pair[1] for pair in pairs])
        kept = torch.nonzero((ious > threshold).any(dim=1)).flatten()
        return logits[kept], ious, kept

    def answer(self, x: float, y: float) -> tuple[npt.NDArray[np.float32], list[float]]:
        random = np.random.default_rng([int(x), int(y)])
        logits, scores = [], []
        parts = zip(self.labels, self.fields, self.scores, strict=True)
        for labels, fields, score in parts:
            hit = labels[int(y) // 4, int(x) // 4]
            logits.append(fields[hit] + np.float32(random.normal(0, 0.2)))
            scores.append(score[hit] + random.normal(0, 0.005))
        return np.stack(logits), scores


def depth(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Logits that grow with the distance from the edge."""
    within = inside.astype(np.uint8)
    far = cv2.distanceTransform(within, cv2.DIST_L2, 5)
    far -= cv2.distanceTransform(1 - within, cv2.DIST_L2, 5)
    return np.clip(4 * np.clip(far, -9, 9), -20, 20).astype(np.float32)


def run(decode: Parcels, asked: EverythingSettings) -> tuple[Candidate, ...]:
    return segment_everything(decode, SIZE, asked, ignore_progress, CancelToken())


@pytest.mark.parametrize("seed", [1, 2])
def test_half_of_the_points_find_most_of_the_masks(seed: int) -> None:
    exact, fast = Parcels(seed), Parcels(seed)
    whole, some = run(exact, ASKED), run(fast, replace(ASKED, fast=True))
    assert exact.asked == 16 * 16
    assert fast.asked < exact.asked / 2
    assert len(whole) > 12, "a case that shows nothing"
    assert recall([item.mask for item in whole], [item.mask for item in some]) >= 0.85


def test_fast_masks_are_some_of_the_exact_ones() -> None:
    raw = replace(ASKED, box_nms=1.0)
    whole = {(item.mask, item.point) for item in run(Parcels(4), raw)}
    some = run(Parcels(4), replace(raw, fast=True))
    assert len(some) > 12
    assert {(item.mask, item.point) for item in some} < whole


def test_fast_progress_ends_at_all_points_and_never_goes_back() -> None:
    seen: list[Progress] = []
    asked = replace(ASKED, fast=True)
    segment_everything(Parcels(1), SIZE, asked, seen.append, CancelToken())
    done = [step.done for step in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].total == 16 * 16
    assert done[-2] > done[0] + 16 * 4, "points that are left out count as done"


@pytest.mark.parametrize("side", [1, 2, 3, 8, 17, 32])
def test_the_order_goes_from_coarse_to_fine_and_has_every_point_once(side: int) -> None:
    order = coarse_to_fine(side)
    assert sorted(order) == list(range(side * side))
    coarse = order[: (side // 4 + (side % 4 > 1)) ** 2]
    assert (coarse // side % 4 == 1).all() and (coarse % side % 4 == 1).all()


def test_smallest_masks_speak_for_others_where_two_agree() -> None:
    frame = ModelFrame((1024, 1024))
    points = np.array([[100.0, 100.0], [104.0, 100.0], [108.0, 100.0], [300, 300], [900, 900]])
    logits = torch.full((1, 3, 256, 256), -1.0)
    logits[0, 1, 20:40, 20:40] = 1.0  # an empty mask is not the smallest
    logits[0, 2, 10:100, 10:100] = 1.0
    coverage = Coverage(points, frame)
    order = np.arange(5)
    coverage.asked(coverage.next(order, 1))
    assert coverage.answered(logits) == 0, "one mask alone may be a chance"
    coverage.asked(coverage.next(order, 1))
    assert coverage.answered(logits) == 1
    assert coverage.next(order, 9).tolist() == [3, 4]
    other = torch.full((1, 1, 256, 256), -1.0)
    other[0, 0, 70:80, 20:80] = 1.0
    assert coverage.answered(other) == 0, "it agrees with none but itself"
    assert coverage.answered(torch.cat((other, other))) == 1, "in one batch, too"
    assert (coverage.close(), coverage.close()) == (1, 0)


def test_fast_never_asks_more_than_its_share() -> None:
    """Even where no two answers agree, and so nothing can be left out."""
    asked = []

    def decode(points: npt.NDArray[np.float64], threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        asked.append(len(points))
        logits = torch.full((len(points), 1, 256, 256), -5.0)
        for index, (x, y) in enumerate((points / 4).astype(int)):
            logits[index, 0, y : y + 2, x : x + 2] = 5.0
        return logits, torch.full((len(points), 1), 0.99), torch.arange(len(points))

    fast = EverythingSettings(points_per_side=10, stability=0.0, fast=True)
    found = segment_everything(decode, SIZE, fast, ignore_progress, CancelToken())
    assert sum(asked) == 34, "a third of the points, rounded up"
    assert len(found) > 20

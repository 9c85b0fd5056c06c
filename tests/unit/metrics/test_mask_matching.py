"""Finding masks again, held to pycocotools' IoU of every pair."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from segstudio.core.mask import Mask
from segstudio.metrics.mask_matching import best_ious, recall

SIZE = (40, 60)


def spots(seed: int, count: int) -> list[Mask]:
    """Ellipses, some of them much alike, and now and then an empty mask."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        array = np.zeros(SIZE, dtype=np.uint8)
        centre = [int(v) for v in random.integers(5, [55, 35])]
        axes = [int(v) for v in random.integers(1, 12, 2)]
        cv2.ellipse(array, centre, axes, 0, 0, 360, 1, -1)
        found.append(Mask.from_array(array * (random.random() < 0.95)))
    return found


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 12))
def test_the_best_partner_is_the_best_of_all(seed: int, many: int, few: int) -> None:
    truth, found = spots(seed, many), spots(seed + 1, few)
    pairs = np.array([[mask.iou(other) for other in found] for mask in truth])
    np.testing.assert_array_equal(best_ious(truth, found), pairs.max(axis=1))
    reference = coco.iou([m.to_coco() for m in truth], [m.to_coco() for m in found], [0] * few)
    filled = [bool(mask.area) for mask in truth]
    np.testing.assert_allclose(best_ious(truth, found)[filled], reference.max(axis=1)[filled])


def test_recall_is_the_share_that_is_found_again() -> None:
    truth = [Mask.from_crop(np.ones((8, 10), dtype=bool), (x, 3), SIZE) for x in (0, 15, 30, 45)]
    shifted = Mask.from_crop(np.ones((8, 10), dtype=bool), (16, 3), SIZE)
    assert recall(truth, [truth[0], shifted]) == 0.25
    assert recall(truth, [truth[0], shifted], at=0.8) == 0.5
    assert recall(truth, truth) == 1.0
    assert recall(truth, []) == 0.0
    assert recall([], truth) == 1.0
    assert best_ious(truth[1:2], [shifted]) == pytest.approx(9 / 11)

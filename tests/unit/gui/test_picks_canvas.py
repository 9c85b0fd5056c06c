"""All picks as one picture: each device pixel shows the smallest pick under its centre."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Candidate, Candidates
from segstudio.engine.everything_results import RawResults, raw_settings
from segstudio.engine.picks import PickFilters, PickList, Shown
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.picks import label_map, picks_picture

SIZE = (40, 60)


def shown(*masks: Mask) -> Shown:
    items = tuple(Candidate(mask, 0.99, 1.0) for mask in masks)
    raw = RawResults.of("0123456789abcdef", raw_settings(), Candidates(items, "m"))
    picks = PickList(raw, CancelToken())
    return Shown(picks, picks.filtered(PickFilters(overlap=1.0, unlabelled_only=False)))


def patches(seed: int, count: int = 7) -> Shown:
    noise = np.random.default_rng(seed)
    masks = []
    for _ in range(count):
        high, wide = noise.integers(2, 25, 2)
        y, x = noise.integers(0, SIZE[0] - high), noise.integers(0, SIZE[1] - wide)
        crop = noise.random((high, wide)) > 0.2
        crop[0, 0] = True
        masks.append(Mask.from_crop(crop, (int(x), int(y)), SIZE))
    return shown(*masks)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    scale=st.sampled_from([0.3, 0.5, 1.0, 1.7, 3.0]),
    x=st.integers(-40, 20),
    y=st.integers(-40, 20),
)
def test_each_device_pixel_shows_what_a_click_there_means(
    seed: int, scale: float, x: int, y: int
) -> None:
    all_of_them, place = patches(seed), Place(scale, float(x), float(y), (50, 45))
    labels = label_map(all_of_them, place)
    for row, column in np.random.default_rng(seed).integers(0, 45, (60, 2)).tolist():
        at = (column + 0.5 - x) / scale, (row + 0.5 - y) / scale
        hit = all_of_them.at(*at)
        assert labels[row, column] == (0 if hit is None else hit + 1)


def test_a_picture_has_fills_and_outlines_and_says_whether_it_holds_all() -> None:
    one = Mask.from_crop(np.ones((20, 20), dtype=bool), (10, 10), SIZE)
    other = Mask.from_crop(np.ones((8, 8), dtype=bool), (45, 5), SIZE)
    picture = picks_picture(shown(one, other), Place(1.0, 0.0, 0.0, (60, 40)), 1.0)
    assert picture is not None
    assert picture.whole
    assert picture.corner == (10, 5)
    alpha = [
        picture.image.pixelColor(x - 10, y - 5).alpha() for x, y in ((20, 20), (10, 20), (40, 20))
    ]
    assert 0 < alpha[0] < alpha[1]
    assert alpha[2] == 0
    inside, elsewhere = picture.image.pixelColor(8, 13), picture.image.pixelColor(38, 4)
    assert inside.hue() != elsewhere.hue()
    part = picks_picture(shown(one, other), Place(1.0, 0.0, 0.0, (40, 40)), 1.0)
    assert part is not None
    assert not part.whole


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_nothing_in_sight_is_no_picture(ratio: float) -> None:
    one = Mask.from_crop(np.ones((5, 5), dtype=bool), (10, 10), SIZE)
    assert picks_picture(shown(one), Place(1.0, -30.0, 0.0, (20, 20)), ratio) is None
    assert picks_picture(shown(), Place(1.0, 0.0, 0.0, (20, 20)), ratio) is None
    assert picks_picture(shown(one), Place(1.0, 0.0, 0.0, (20, 20)), ratio) is not None

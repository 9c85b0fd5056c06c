"""Which square comes when, and the surveying of a set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_training import settings, write_training

from segstudio.core.errors import BadInputError
from segstudio.models.training.data import Batches, Squares, joined, survey
from segstudio.models.training.validation import WHOLE, windows


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 30), st.integers(0, 10))
def test_the_steps_of_all_devices_take_each_number_once(
    batch: int, world: int, steps: int, start: int
) -> None:
    taken = [
        number
        for rank in range(world)
        for numbers in Batches(start, steps, batch, rank, world)
        for number in numbers
    ]
    assert sorted(taken) == list(range(start * batch * world, max(start, steps) * batch * world))


def test_each_epoch_takes_every_image_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    data = write_training(tmp_path, settings(), sizes=((40, 48),) * 7, val=1)
    for n, one in enumerate(data.train):  # a colour tells which image it is
        Image.new("RGB", (48, 40), (n * 40, 0, 0)).save(tmp_path / one.image)
    squares = Squares(tmp_path, data, settings(augmentation=_plain()), per_epoch=8)
    orders = []
    for epoch in range(3):
        batch = joined([squares[8 * epoch + place] for place in range(8)])
        assert isinstance(batch, tuple)
        reds = (batch[0][:, 0, 16, 16] // 40).tolist()
        assert Counter(reds[:6]) == Counter(range(6))
        assert reds[6:] == reds[:2]  # the last batch is filled from the start
        orders.append(reds)
    assert len({tuple(order) for order in orders}) == 3


def test_a_square_is_the_same_whenever_it_is_asked_for(tmp_path: Path) -> None:
    data = write_training(tmp_path, settings())
    one, other = (Squares(tmp_path, data, settings(), 8) for _ in range(2))
    forward = [one[n] for n in range(20)]
    for n in reversed(range(20)):
        assert torch.equal(forward[n][0], other[n][0])
        assert torch.equal(forward[n][1], other[n][1])
    images = {forward[n][0].numpy().tobytes() for n in range(20)}
    assert len(images) == 20


def test_a_survey_counts_pixels(tmp_path: Path) -> None:
    data = write_training(tmp_path, settings())
    found = survey(tmp_path, data)
    maps = [np.array(Image.open(tmp_path / one.labels)) for one in data.train]
    np.testing.assert_array_equal(
        found.pixels, np.bincount(np.concatenate([one.ravel() for one in maps]), minlength=3)
    )
    having = [sum(one.size for one in maps if (one == c).any()) for c in range(3)]
    np.testing.assert_array_equal(found.of, having)
    assert found.data == data
    assert found.notes == ()


def test_maps_that_were_counted_are_not_read_again(tmp_path: Path) -> None:
    data = write_training(tmp_path, settings())
    first, *others = data.train
    pixels = np.bincount(np.array(Image.open(tmp_path / first.labels)).ravel(), minlength=3)
    known = replace(data, train=(replace(first, pixels=tuple(map(int, pixels))), *others))
    read = survey(tmp_path, data)
    whole = (tmp_path / first.labels).read_bytes()
    (tmp_path / first.labels).write_bytes(whole[:60])  # its size is there, its pixels are not
    np.testing.assert_array_equal(survey(tmp_path, known).pixels, read.pixels)
    with pytest.raises(BadInputError, match="cannot be read"):
        survey(tmp_path, data)


@pytest.mark.parametrize("size", [(1, 1), (480, 360), (3000, 500), (40, 30_000), (1500, 1501)])
@pytest.mark.parametrize("side", [33, 512])
def test_windows_cover_an_image_and_stay_inside(size: tuple[int, int], side: int) -> None:
    seen = np.zeros(size, bool)
    for ys, xs in windows(size, side):
        part = seen[ys, xs]
        assert part.size > 0
        assert (ys.stop <= size[0] and xs.stop <= size[1]) or min(size) < side
        assert part.size <= max(side * side, WHOLE)
        seen[ys, xs] = True
    assert seen.all()


def _plain():  # type: ignore[no-untyped-def]
    from segstudio.models.training.settings import Augmentation

    return Augmentation(scale=(1.0, 1.0), flip=0.0, colour=0.0)

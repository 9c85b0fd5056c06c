"""Windows cover the image on the network's grid, their weights sum to one, blocks fit together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segstudio.models.semantic.blending import Blend
from segstudio.models.semantic.tiling import (
    Span,
    batch_from,
    grid_unit,
    padded,
    padded_length,
    spans,
    window_pixels,
)

overlaps = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.95])


@settings(max_examples=50)
@given(st.integers(1, 3000), st.integers(1, 20), st.sampled_from([1, 8, 32, 57]), overlaps)
def test_windows_cover_all_on_the_grid_and_weigh_one_everywhere(length, units, unit, overlap):
    tile = unit * units
    found = spans(length, tile, overlap, unit)
    total = np.zeros(length)
    for span in found:
        assert 0 <= span.start <= span.first < span.last <= span.stop <= length
        assert span.start % unit == 0
        total[span.first : span.last] += span.weights()
    assert np.allclose(total, 1)
    assert (found[0].start, found[-1].stop) == (0, length)
    for left, right in pairwise(found):
        assert left.stop - left.start == tile
        assert left.start < right.start <= left.stop
        assert left.stop - right.start >= min(tile - unit, int(tile * overlap))
        assert left.fall == right.rise
        assert right.first == left.last - left.fall
        # The outer quarter of an overlap counts nothing.
        shared = (left.stop - right.start) // 4
        assert left.stop - left.last >= shared
        assert right.first - right.start >= shared
    assert found[-1].stop - found[-1].start > tile - unit or len(found) == 1


def test_an_image_no_longer_than_the_window_has_one() -> None:
    assert spans(512, 512, 0.25, 32) == (Span(0, 512, 0, 512),)
    assert len(spans(513, 512, 0.25, 32)) == 2


@pytest.mark.parametrize(
    ("scale", "unit"), [(1.0, 32), (0.5, 64), (2.0, 16), (0.75, 128), (1.5, 64), (0.37, 86)]
)
def test_steps_in_the_image_are_whole_steps_of_the_network(scale: float, unit: int) -> None:
    assert grid_unit(32, scale, 256) == unit


def test_small_windows_of_a_scaled_network_leave_no_gap_between_them() -> None:
    """Steps that are whole for the network may be larger than the window."""
    assert grid_unit(32, 1.75, 18) == 18
    assert grid_unit(32, 0.75, 42) == 42
    assert grid_unit(32, 1.0, 0) == 1


@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    overlaps,
    st.integers(0, 5),
)
def test_blocks_of_a_blend_tile_the_image_with_the_weighted_sum(size, tiles, overlap, seed):
    ys = spans(size[0], 8 * tiles[0], overlap, 8)
    xs = spans(size[1], 8 * tiles[1], overlap, 8)
    generator = torch.Generator().manual_seed(seed)
    blend = Blend(ys, xs)
    expected, made = torch.zeros(2, *size), torch.full((2, *size), torch.nan)
    for row, slow in enumerate(blend.slow):
        for column, fast in enumerate(blend.fast):
            y, x = (fast, slow) if blend.down else (slow, fast)
            part = torch.rand(2, y.stop - y.start, x.stop - x.start, generator=generator)
            inner = part[:, y.first - y.start : y.last - y.start, x.first - x.start :]
            weights = torch.outer(torch.tensor(y.weights()), torch.tensor(x.weights()))
            inner = inner[:, :, : x.last - x.first] * weights
            expected[:, y.first : y.last, x.first : x.last] += inner
            block = blend.add(row, column, part)
            _, height, width = block.probabilities.shape
            where = np.s_[:, block.top : block.top + height, block.left : block.left + width]
            assert bool(made[where].isnan().all())  # each pixel is finished once
            made[where] = block.probabilities
    assert torch.allclose(made, expected, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.75, 3.0])
def test_a_window_sees_what_the_whole_image_resized_would_show_there(scale: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    size = round(260 * scale), round(200 * scale)
    whole = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    ys, xs = Span(40, 140, 40, 140), Span(60, 260, 60, 260)
    seen = window_pixels(pixels, ys, xs, scale)
    top, left = round(40 * scale), round(60 * scale)
    there = whole[top : top + seen.shape[0], left : left + seen.shape[1]]
    assert np.abs(seen.astype(int) - there).max() <= 1


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 8, 16, 32]))
def test_what_is_missing_to_a_multiple_is_filled_by_reflection(height, width, multiple):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    made = padded(pixels, multiple)
    down, along = padded_length(height, multiple), padded_length(width, multiple)
    assert made.shape == (down, along, 3)
    assert down % multiple == 0
    assert down >= 33
    mode = ((0, down - height), (0, along - width), (0, 0))
    expected = np.pad(pixels, mode, mode="reflect" if min(height, width) > 1 else "edge")
    if min(height, width) > 1:
        assert np.array_equal(made, expected)
    else:
        assert np.array_equal(made[:height, :width], pixels)


def test_batches_hold_windows_of_one_size() -> None:
    row = spans(700, 256, 0.25, 32)
    lengths = [span.stop - span.start for span in row]
    assert lengths[-1] < 256
    groups: list[Sequence[Span]] = []
    while (done := sum(map(len, groups))) < len(row):
        groups.append(batch_from(row, done, 2))
    assert [span for group in groups for span in group] == list(row)
    assert max(map(len, groups)) == 2
    for group in groups:
        assert len({span.stop - span.start for span in group}) == 1


def test_a_batch_looks_at_no_more_windows_than_it_may_hold() -> None:
    """A row of many windows would else take as long as the square of their number."""

    class Row(tuple[Span, ...]):
        looked_at = 0

        def __getitem__(self, place):
            self.looked_at += 1
            return super().__getitem__(place)

    row = Row(spans(64_000, 64, 0.0, 32))
    assert len(row) == 1000
    for first in range(0, 1000, 8):
        assert len(batch_from(row, first, 8)) == 8
    assert row.looked_at < 4 * len(row)

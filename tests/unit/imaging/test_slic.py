"""The compiled SLIC: its steps against plain numpy, itself against scikit-image."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data
from skimage.color import rgb2lab

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken
from segstudio.imaging import slic_assignment, slic_lab, slic_parts, superpixels
from segstudio.imaging.read import read_image
from segstudio.imaging.slic import compiled_slic
from segstudio.imaging.superpixels import reference_slic, slic
from segstudio.metrics.superpixels import (
    achievable_accuracy,
    boundary_recall,
    undersegmentation_error,
)

CROSS = ndimage.generate_binary_structure(2, 1)


class Impatient(CancelToken):
    """Cancelled at the look after so many."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.cancel()
        super().check()


def test_lab_is_right_to_about_one_step():
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 52, 3)
    planes = np.zeros((3, len(rgb) + 2, 52), np.uint8)
    slic_lab.lab_rows(rgb, planes, 2)
    lab = rgb2lab(rgb)
    made = planes[:, 2:].astype(np.float64)
    assert np.abs(made[0] / slic_lab.L_STEPS - lab[..., 0]).max() < 0.3
    for channel in (1, 2):
        assert np.abs(made[channel] - 128 - lab[..., channel]).max() < 0.7
    assert not planes[:, :2].any()


# The last has cells that are wider than what is looked at in one piece.
@pytest.mark.parametrize(
    ("size", "grid"), [((37, 53), (4, 6)), ((9, 11), (9, 11)), ((3, 4300), (1, 2))]
)
@pytest.mark.parametrize("every", [1, 3])
def test_each_pixel_goes_to_the_nearest_of_nine_centres_and_is_summed_up_there(size, grid, every):
    (height, width), (rows, columns) = size, grid
    rng = np.random.default_rng(3)
    planes = rng.integers(0, 256, (3, height, width), dtype=np.uint8)
    xs, ys = np.arange(columns + 1) * width // columns, np.arange(rows + 1) * height // rows
    cells = rows * columns
    centres = rng.uniform(-60, 60, (cells, 5)).astype(np.float32)
    centres[:, 3] = np.tile((xs[:-1] + xs[1:]) / 2, rows) + rng.uniform(-2, 2, cells)
    centres[:, 4] = np.repeat((ys[:-1] + ys[1:]) / 2, columns) + rng.uniform(-2, 2, cells)
    space, phase = np.float32(3.5), every // 2
    sums, labels = np.zeros((cells, 6)), np.full((height, width), -1, np.int32)
    none = np.empty((0, 0), np.int32)
    which = np.array([0, rows, phase, every])
    slic_assignment.sweep(planes, xs, ys, centres, space, which, sums, none)
    which[2:] = 0, 1
    slic_assignment.sweep(planes, xs, ys, centres, space, which, np.zeros_like(sums), labels)

    y, x = np.mgrid[0:height, 0:width]
    light = (planes.astype(np.float64) - 128) * np.array([1 / slic_lab.L_STEPS, 1, 1])[
        :, None, None
    ]
    own = centres.astype(np.float64)
    own[:, 0] /= slic_lab.L_STEPS
    away = np.full((cells, height, width), np.inf)
    row, column = np.searchsorted(ys, y, "right") - 1, np.searchsorted(xs, x, "right") - 1
    for cell, (a, b, c, cx, cy) in enumerate(own):
        near = (np.abs(row - cell // columns) <= 1) & (np.abs(column - cell % columns) <= 1)
        far = sum((light[k] - v) ** 2 for k, v in enumerate((a, b, c)))
        away[cell] = np.where(near, far + space * ((x - cx) ** 2 + (y - cy) ** 2), np.inf)
    chosen = np.take_along_axis(away, labels[None], axis=0)[0]
    assert np.all(chosen <= away.min(axis=0) * (1 + 1e-4) + 0.05)

    looked_at = y % every == phase
    features = [*(planes.astype(np.float64) - 128), x, y, np.ones_like(x)]
    wanted = [np.bincount(labels[looked_at], v[looked_at], cells) for v in features]
    assert np.allclose(sums, np.stack(wanted, axis=1), rtol=1e-4, atol=0.5)


def test_a_seed_moves_to_the_flattest_place_around_it():
    planes = np.full((3, 9, 9), 100, np.uint8)
    planes[0, :, :5] = 200  # an edge between columns 4 and 5; the seed would be on column 4
    centres = np.zeros((1, 5), np.float32)
    slic_assignment.seeds(planes, np.array([0, 9]), np.array([0, 9]), centres)
    assert centres[0, 3] == 3
    assert centres[0, 0] == 72


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), colours=st.integers(1, 6), least=st.integers(0, 30))
def test_large_parts_stay_whole_and_apart_and_small_ones_join_them(seed, colours, least):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, colours, (5, 6))
    before = np.kron(coarse, np.ones((6, 7), int)).astype(np.int32)
    before[rng.random(before.shape) < 0.1] = 0
    labels = before.copy()
    centres = rng.uniform(-50, 50, (colours, 5)).astype(np.float32)
    parts = connect(labels, centres, least)
    assert np.array_equal(np.unique(labels), np.arange(parts))
    assert all(ndimage.label(labels == label, CROSS)[1] == 1 for label in range(parts))
    large = []
    for colour in range(colours):
        found, count = ndimage.label(before == colour, CROSS)
        for part in range(1, count + 1):
            here = found == part
            assert len(np.unique(labels[here])) == 1
            if here.sum() >= least:
                large.append(int(labels[here][0]))
    assert len(set(large)) == len(large)


def connect(labels: np.ndarray, centres: np.ndarray, least: int) -> int:
    """`slic._connect` two rows at a time, so that parts reach over several pieces."""
    height, width = labels.shape
    count = slic_parts.count_runs(labels)
    first = np.zeros(height + 1, np.int64)
    starts, parent, room = (np.empty(count, np.int32) for _ in range(3))
    number = np.zeros(count, np.int32)
    weights = np.ones(3, np.float32)
    runs, pieces = (starts, first, parent), [(top, top + 2) for top in range(0, height, 2)]
    for rows in pieces:
        slic_parts.find_runs(labels, starts, first, *rows)
        slic_parts.join_runs(labels, *runs, *rows)
    assert first[-1] == count
    for rows in pieces:
        slic_parts.measure_parts(*runs, number, width, *rows)
    assert number.sum() == labels.size
    parts = 0
    for rows in pieces:
        parts = slic_parts.number_parts(
            labels, *runs, centres, weights, least, number, room, parts, *rows
        )
    for rows in pieces:
        slic_parts.write_numbers(labels, *runs, number, *rows)
    return parts


def test_noise_does_not_collapse_into_one_superpixel():
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    labels = slic(noise, 200)
    assert 100 <= labels.max() + 1 <= 1000
    assert np.bincount(labels.ravel()).max() < 5000


def test_pixels_may_be_read_only_cut_out_or_on_disk(tmp_path: Path):
    photo = np.ascontiguousarray(data.coffee()[::4, ::4])
    wanted = slic(photo, 60)
    wide = np.concatenate((photo, photo), axis=1)
    assert np.array_equal(slic(wide[:, : photo.shape[1]], 60), wanted)
    np.save(tmp_path / "photo.npy", photo)
    mapped = np.load(tmp_path / "photo.npy", mmap_mode="r")
    assert np.array_equal(slic(mapped, 60), wanted)


def test_it_stops_at_whichever_look_the_token_is_set():
    photo = data.coffee()[::4, ::4]
    looks = Impatient(10_000)
    compiled_slic(photo, 60, 10.0, looks)
    used = 10_000 - looks.left
    assert used > 10
    for before in range(used):
        with pytest.raises(Cancelled):
            compiled_slic(photo, 60, 10.0, Impatient(before))


def test_scikit_image_takes_over_where_numba_does_not_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    photo = data.coffee()[::4, ::4]
    monkeypatch.setitem(sys.modules, "segstudio.imaging.slic", None)  # as if it failed to import
    superpixels._load.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            labels = slic(photo, 60)
    finally:
        superpixels._load.cache_clear()
    assert np.array_equal(labels, reference_slic(photo, 60, 10.0, CancelToken()))
    assert "numba" in caplog.text


def test_what_people_drew_is_kept_at_least_as_well_as_by_scikit_image(reference_data: Path):
    photos = sorted((reference_data / "bsds" / "val").glob("*.jpg"))[::12]
    ours, theirs = [], []
    for path in photos:
        image = read_image(path).pixels
        regions = np.load(path.with_suffix(".npz"))["segmentations"][0]
        other = reference_slic(image, 300, 10.0, CancelToken())
        own = slic(image, int(other.max()) + 1)
        for labels, table in ((own, ours), (other, theirs)):
            measures = (boundary_recall, achievable_accuracy, undersegmentation_error)
            table.append([labels.max() + 1, *(measure(labels, regions) for measure in measures)])
    (count, recall, accuracy, error), means = np.mean(ours, axis=0), np.mean(theirs, axis=0)
    assert count <= means[0] * 1.01  # no better for being more
    assert recall >= means[1]
    assert accuracy >= means[2]
    assert error <= means[3]

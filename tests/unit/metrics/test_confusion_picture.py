"""The confusion matrix as CSV and as picture."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np
import pytest

from segstudio.metrics.confusion import ConfusionMatrix
from segstudio.metrics.confusion_picture import DARK, confusion_csv, confusion_picture


def matrix(count: int) -> ConfusionMatrix:
    rng = np.random.default_rng(count)
    counts = rng.integers(0, 9, (count, count + 1))
    counts[np.arange(count), np.arange(count)] += 50
    return ConfusionMatrix(count, counts)


def test_csv_reads_back_as_the_counts():
    names = ["a, b", "naïve “木”", "c"]
    rows = list(csv.reader(StringIO(confusion_csv(matrix(3), names))))
    assert rows[0] == ["truth \\ predicted", *names, "nothing"]
    assert [row[0] for row in rows[1:]] == names
    assert np.array_equal([[int(v) for v in row[1:]] for row in rows[1:]], matrix(3).counts)
    with pytest.raises(ValueError, match="zip"):
        confusion_csv(matrix(3), ["one"])


def blue_and_orange(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the picture is more blue than red, and more red than blue."""
    red, blue = picture[::2, ::2, 0].astype(np.int16), picture[::2, ::2, 2].astype(np.int16)
    return blue - red > 40, red - blue > 40


@pytest.mark.parametrize("count", [1, 2, 11, 40, 150])
def test_right_pixels_are_blue_along_the_diagonal_and_the_rest_is_orange(count):
    counts = np.zeros((count, count + 1), int)
    counts[np.arange(count), np.arange(count)] = 1
    right = confusion_picture(ConfusionMatrix(count, counts), ["name"] * count)
    assert right.dtype == np.uint8
    assert 200 < min(right.shape[:2]) <= max(right.shape[:2]) < 3200
    below = right[: -(64 + 12)]  # without the scale
    blue, orange = blue_and_orange(below)
    assert blue.any()
    assert not orange.any()
    wrong = np.zeros_like(counts)
    wrong[:, -1] = 1
    blue, orange = blue_and_orange(
        confusion_picture(ConfusionMatrix(count, wrong), ["name"] * count)[: -(64 + 12)]
    )
    assert orange.any()
    assert not blue.any()


def test_every_cell_is_wide_enough_for_its_names_line():
    picture = confusion_picture(matrix(150), [f"category number {n}" for n in range(150)])
    # Names on the left: ink in each row of cells, which are at least as high as the letters.
    left = (picture[:, 30:150].min(axis=2) < 120).any(axis=1)
    lines = np.flatnonzero(np.diff(left.astype(int)) == 1)
    assert len(lines) >= 150
    assert np.median(np.diff(lines)) >= 16


def test_long_names_are_cut_and_dark_pictures_are_dark():
    names = ["x" * 500, "line\nbreak"]
    picture = confusion_picture(matrix(2), names, DARK)
    assert picture.shape[1] < 800
    assert np.median(picture) < 60
    counts = matrix(2).counts.copy()
    counts[1] = 0
    absent = confusion_picture(ConfusionMatrix(2, counts), names)
    assert (absent == (236, 237, 239)).all(axis=2).any()

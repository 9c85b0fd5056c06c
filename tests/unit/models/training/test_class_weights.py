"""Median frequency balancing against its definition, pixel by pixel."""

from __future__ import annotations

import numpy as np

from segstudio.models.training.class_weights import median_frequency


def test_weights_are_the_median_frequency_over_each_ones_own() -> None:
    maps = [np.random.default_rng(n).integers(0, 4, (9, 7)) * (n % 2 + 1) % 5 for n in range(6)]
    frequencies = []
    for category in range(5):
        having = [one for one in maps if (one == category).any()]
        inside = sum((one == category).sum() for one in having)
        frequencies.append(inside / sum(one.size for one in having))
    rows = np.stack([np.bincount(one.ravel(), minlength=5) for one in maps])
    of = ((rows > 0) * rows.sum(axis=1, keepdims=True)).sum(axis=0)
    expected = np.median(frequencies) / np.array(frequencies)
    np.testing.assert_allclose(median_frequency(rows.sum(axis=0), of), expected, rtol=1e-6)


def test_a_category_without_pixels_weighs_nothing_and_changes_no_other() -> None:
    pixels, of = np.array([10, 0, 40, 20]), np.array([100, 0, 100, 100])
    without = median_frequency(pixels[[0, 2, 3]], of[[0, 2, 3]])
    found = median_frequency(pixels, of)
    assert found[1] == 0
    np.testing.assert_array_equal(found[[0, 2, 3]], without)

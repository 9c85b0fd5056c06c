"""The temperature that makes a model as sure as it is right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from torch.nn import functional

from segstudio.core.errors import BadInputError
from segstudio.models.semantic.calibration import LEAST, MOST, fit_temperature


def drawn(count: int, categories: int, temperature: float, seed: int = 0):
    """Logits, and labels that truly have the chances softmax(logits / temperature)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, categories, generator=generator)
    chances = torch.softmax(logits / temperature, dim=1)
    return logits, torch.multinomial(chances, 1, generator=generator)[:, 0]


def calibration_error(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    """Expected calibration error in 15 bins (Guo et al. 2017, equation 3)."""
    confidence, told = torch.softmax(logits / temperature, dim=1).max(dim=1)
    bins = (confidence * 15).long().clamp(max=14)
    error = 0.0
    for number in range(15):
        inside = bins == number
        if inside.any():
            gap = (told[inside] == labels[inside]).float().mean() - confidence[inside].mean()
            error += abs(float(gap)) * float(inside.float().mean())
    return error


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_it_finds_the_temperature_that_labels_were_drawn_with(temperature: float) -> None:
    logits, labels = drawn(60_000, 8, temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.02)
    after = calibration_error(logits, labels, found)
    assert after < 0.01
    if temperature != 1.0:
        assert calibration_error(logits, labels, 1.0) > 5 * after


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 6), st.sampled_from([0.3, 1.0, 4.0]))
def test_no_other_temperature_is_more_likely(seed, categories, temperature):
    logits, labels = drawn(200, categories, temperature, seed)

    def loss(inverse: float) -> float:
        return float(functional.cross_entropy(logits.double() * inverse, labels))

    best = minimize_scalar(loss, bounds=(1 / MOST, 1 / LEAST), method="bounded")
    assert loss(1 / fit_temperature(logits, labels)) <= best.fun + 1e-6


def test_maps_count_like_rows_and_ignored_pixels_not_at_all() -> None:
    logits, labels = drawn(600, 5, 2.0)
    maps = logits.reshape(2, 15, 20, 5).permute(0, 3, 1, 2)
    truth = labels.reshape(2, 15, 20).to(torch.uint8)
    assert fit_temperature(maps, truth) == fit_temperature(logits, labels)
    truth[0] = 255
    assert fit_temperature(maps, truth) == fit_temperature(logits[300:], labels[300:])
    logits[0] = torch.nan
    assert fit_temperature(logits, labels) == fit_temperature(logits[1:], labels[1:])


def test_always_right_and_always_wrong_end_at_the_bounds_and_nothing_known_is_one() -> None:
    logits = 3 * torch.eye(4)
    assert fit_temperature(logits, torch.arange(4)) == pytest.approx(LEAST, rel=1e-2)
    assert fit_temperature(-logits, torch.arange(4)) == pytest.approx(MOST, rel=1e-2)
    assert fit_temperature(logits, torch.full((4,), 255)) == 1.0
    assert fit_temperature(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])) == 1.0
    assert fit_temperature(1e4 * logits, torch.tensor([0, 1, 2, 0])) == pytest.approx(MOST)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInputError, match="one for each pixel"):
        fit_temperature(torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(BadInputError, match="categories that the model has not"):
        fit_temperature(torch.zeros(4, 3), torch.full((4,), 3))
    assert np.isfinite(fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)))

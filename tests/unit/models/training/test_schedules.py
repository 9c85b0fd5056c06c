"""Learning rates against torch's own schedulers."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, PolynomialLR

from segstudio.models.training.schedules import rate_factor
from segstudio.models.training.settings import Schedule

STEPS = 40


@pytest.mark.parametrize("schedule", [Schedule.POLY, Schedule.COSINE])
def test_the_rate_falls_as_torchs_scheduler_lets_it(schedule: Schedule) -> None:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = (
        PolynomialLR(optimiser, STEPS, power=0.9)
        if schedule is Schedule.POLY
        else CosineAnnealingLR(optimiser, STEPS)
    )
    for step in range(STEPS):
        ours = 0.5 * rate_factor(schedule, 0, step, step / STEPS)
        assert ours == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        theirs.step()


def test_a_constant_rate_stays() -> None:
    factors = {rate_factor(Schedule.CONSTANT, 0, step, step / STEPS) for step in range(STEPS)}
    assert factors == {1.0}


@pytest.mark.parametrize("schedule", list(Schedule))
def test_warm_up_grows_linearly_to_the_full_rate(schedule: Schedule) -> None:
    warm = [rate_factor(schedule, 4, step, 0.0) for step in range(6)]
    assert warm == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


@pytest.mark.parametrize("schedule", [Schedule.POLY, Schedule.COSINE])
def test_beyond_the_end_the_rate_is_zero_and_never_less(schedule: Schedule) -> None:
    assert rate_factor(schedule, 0, 50, 1.25) == pytest.approx(0)

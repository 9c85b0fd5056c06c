"""Operations that take a number."""

from __future__ import annotations

import numpy as np
import pytest

from segstudio.config.settings import Settings, options
from segstudio.core.errors import Cancelled
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.engine.tuned_operations import (
    TUNED_OPERATIONS,
    TunedOperation,
    Tuning,
    tuned_operation,
)

SQUARE = Mask.from_crop(np.ones((10, 10), dtype=bool), (5, 5), (40, 40))
CRUMB = Mask.from_crop(np.ones((2, 2), dtype=bool), (30, 30), (40, 40))


@pytest.mark.parametrize("operation", TUNED_OPERATIONS, ids=lambda one: one.key)
def test_each_has_a_setting_with_its_bounds(operation: TunedOperation) -> None:
    option = options()[operation.setting]
    assert (option.low, option.high, option.shown) == (operation.low, operation.high, False)
    assert operation.low <= getattr(Settings(), operation.setting) <= operation.high
    assert "7" in operation.with_number(7)
    assert tuned_operation(operation.key) is operation


@pytest.mark.parametrize("operation", TUNED_OPERATIONS, ids=lambda one: one.key)
def test_each_can_be_cancelled(operation: TunedOperation) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        operation.work(SQUARE, operation.low, token)


@pytest.mark.parametrize(
    ("key", "number", "area"),
    [
        ("crumbs", 5, 100),
        ("crumbs", 4, 104),
        ("grow", 1, 140 + 12),
        ("shrink", 2, 36),
        ("open", 1, 96),
    ],
)
def test_they_do_what_they_say(key: str, number: int, area: int) -> None:
    both = SQUARE.union(CRUMB)
    assert Tuning(tuned_operation(key), number).of(both).area == area


def test_a_mask_is_worked_on_once() -> None:
    asked: list[Mask] = []

    def work(mask: Mask, number: int, cancel: CancelToken | None) -> Mask:
        asked.append(mask)
        return mask

    tuning = Tuning(TunedOperation("count", "{}", 1, 9, work), 3)
    again = Mask(SQUARE.size, SQUARE.runs.copy())
    assert tuning.of(SQUARE) is tuning.reshape(again)
    assert tuning.of(CRUMB) is CRUMB
    assert asked == [SQUARE, CRUMB]


def test_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(KeyError):
        tuned_operation("melt")

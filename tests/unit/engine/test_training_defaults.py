"""What a training does where nobody said otherwise."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.errors import WeightsError
from segstudio.core.image import ImageRecord
from segstudio.engine.training_defaults import adjusted, encoder_for, fitting
from segstudio.engine.training_space import require_known
from segstudio.models import weights
from segstudio.models.card import Weighed
from segstudio.models.semantic.registry import ARCHITECTURES


def photos(count: int, width: int = 4000, height: int = 3000) -> list[ImageRecord]:
    return [ImageRecord(n, f"{n}.jpg", width, height, "") for n in range(count)]


@given(st.integers(0, 5000))
def test_few_images_get_hundreds_of_steps_and_many_are_all_seen(count: int) -> None:
    found = fitting(photos(count), "cpu")
    require_known(found, 2)
    steps = ceil(max(1, count) / found.batch) * found.epochs
    assert steps >= 600
    assert found.epochs >= 10
    assert steps <= 2 * max(600 + 4 * count, 10 * ceil(count / found.batch))


@pytest.mark.parametrize(
    ("size", "side"), [((4000, 3000), 256), ((480, 200), 224), ((90, 50), 64), ((33, 900), 64)]
)
def test_squares_are_no_larger_than_the_images(size: tuple[int, int], side: int) -> None:
    assert fitting([*photos(3, 20, 30), *photos(1, *size)], "cpu").side == side


def test_on_a_cpu_the_first_small_encoder_whose_weights_are_here_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here: set[str] = set()

    def find(card: Weighed) -> object:
        if card.key == "efficientnet_lite0" and "damaged" in here:
            raise WeightsError("It is damaged.")
        return object() if card.key in here else None

    monkeypatch.setattr(weights, "find", find)
    assert fitting(photos(8), "cpu").encoder == "resnet18"  # none: what can be fetched
    here |= {"mobilenet_v2", "efficientnet_lite0"}
    assert fitting(photos(8), "cpu").encoder == "efficientnet_lite0"
    here.add("damaged")
    assert fitting(photos(8), "cpu").encoder == "mobilenet_v2"


def test_an_encoder_is_kept_where_the_architecture_takes_it() -> None:
    for row in ARCHITECTURES:
        chosen = encoder_for(row.key, "efficientnet_lite0")
        assert chosen == ("efficientnet_lite0" if "efficientnet_lite0" in row.encoders else "")


def test_more_images_than_last_time_train_as_long_unless_somebody_chose_the_epochs() -> None:
    last = fitting(photos(8), "cpu")
    assert adjusted(last, 8, 80) == replace(last, epochs=fitting(photos(80), "cpu").epochs)
    assert adjusted(last, 8, 80).epochs < last.epochs
    chosen = replace(last, epochs=17)
    assert adjusted(chosen, 8, 80) == chosen

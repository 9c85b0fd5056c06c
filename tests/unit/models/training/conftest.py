"""The tiny network in the registry, and trainings in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_training
import torch

from segstudio.models.training.control import Control
from segstudio.models.training.events import Event, Stepped, Validated
from segstudio.models.training.loop import run

Train = Callable[..., list[Event]]


@pytest.fixture(autouse=True)
def tiny_network() -> Iterator[None]:
    """One thread, as others compute beside; the registry has the tiny network."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tiny_training.registered():
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def train() -> Train:
    """Trains a folder here; `heard` is called with each event and the control."""

    def training(
        folder: Path, heard: Callable[[Event, Control], None] = lambda *_: None
    ) -> list[Event]:
        control, told = Control(), []

        def tell(event: Event) -> None:
            told.append(event)
            heard(event, control)

        last = run(folder, control, tell)
        assert told[-1] == last
        return told

    return training


@pytest.fixture
def curve() -> Callable[[list[Event]], list[tuple[object, ...]]]:
    """What equal trainings tell equally: all but times; of steps told twice, the later."""

    def numbers(events: list[Event]) -> list[tuple[object, ...]]:
        found: dict[tuple[str, int], tuple[object, ...]] = {}
        for event in events:
            if isinstance(event, Stepped):
                key = "stepped", event.step
                found[key] = (*key, event.epoch, event.loss, event.rate)
            elif isinstance(event, Validated):
                key = "validated", event.step
                scores = (event.loss, event.miou, event.pixel_accuracy, event.best)
                found[key] = (*key, event.epoch, *scores, *event.iou.items(), event.worst)
        return [found[key] for key in sorted(found)]

    return numbers

"""What a training tells: one JSON object a line, on its standard output and in `events.jsonl`."""

from __future__ import annotations

from typing import Any

import msgspec


class Waiting(msgspec.Struct, frozen=True, tag="waiting", tag_field="event"):
    """It cannot begin yet; `text` is the sentence on what it waits for."""

    text: str


class Started(msgspec.Struct, frozen=True, tag="started", tag_field="event"):
    """The training begins, or goes on after `step` of `steps` optimiser steps.

    `notes` are sentences on what the user should know of it: categories without pixels, images that
    are left out, weights that did not fit.
    """

    step: int
    steps: int
    epochs: int
    device: str
    precision: str
    parameters: int
    at: float
    notes: tuple[str, ...] = ()


class Stepped(msgspec.Struct, frozen=True, tag="stepped", tag_field="event"):
    """Some steps are done: the mean loss since the last such event, and the learning rate now.

    `seconds` is the training time so far, over all sessions; `left` what is left, as it looks.
    """

    step: int
    epoch: int
    loss: float
    rate: float
    seconds: float
    left: float


class Example(msgspec.Struct, frozen=True):
    """A validation image: its mIoU over the categories in it, and pictures in the run's folder.

    `labels` is the PNG of what was predicted, of the image's size.
    """

    name: str
    image: str
    truth: str
    labels: str
    miou: float
    image_id: int = 0


class Validated(msgspec.Struct, frozen=True, tag="validated", tag_field="event"):
    """The validation images were looked at after `epoch` epochs; `best` says it was never better.

    `iou` is by category's name, None for one in neither truth nor prediction. `worst` are the worst
    images first.
    """

    step: int
    epoch: int
    loss: float
    miou: float
    pixel_accuracy: float
    iou: dict[str, float | None]
    best: bool
    worst: tuple[Example, ...] = ()


class Paused(msgspec.Struct, frozen=True, tag="paused", tag_field="event"):
    """It waits, and all is saved."""

    step: int


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="event"):
    """It is over. `reason` is "done", "early", "time", "stopped" or "failed".

    `message` is the sentence for a person where it failed; `miou` the best one.
    """

    reason: str
    step: int
    message: str = ""
    miou: float | None = None
    details: dict[str, Any] = {}


Event = Waiting | Started | Stepped | Validated | Paused | Ended

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """One line of JSON, without its end."""
    return msgspec.json.encode(event)


def decode(line: bytes) -> Event:
    """The inverse of `encode`. Raises ValueError for what is no event."""
    return _DECODER.decode(line)

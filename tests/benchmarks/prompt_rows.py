"""Asking a segmenter for real objects, click by click, and keeping what it answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
from prompt_segmenters import ModelSegmenter, Segmenter
from prompt_targets import Bools, Target, iou, next_click

from segstudio.core.mask import Mask
from segstudio.core.prompt import Prompt
from segstudio.imaging.read import read_image
from segstudio.models.prompt.contract import PromptModel

MOST_CLICKS = 20
ALWAYS = 5  # clicks that every object gets
GOAL = 0.85  # IoU
PROTOCOL = 1  # raised when rows mean something else; old ones are then measured anew


class Answer(msgspec.Struct, frozen=True):
    """The masks of one answer: their predicted IoU, and their IoU with the truth.

    `drawn` is with the segment that the prompt was made from; `any` the best with it or with what
    other annotators drew around the first click. `chosen` is the mask of the highest predicted IoU.
    `seconds` is CPU time.
    """

    chosen: int
    predicted: tuple[float, ...]
    drawn: tuple[float, ...]
    any: tuple[float, ...]
    seconds: float


class Row(msgspec.Struct, frozen=True):
    """What one segmenter made of one target.

    `clicks` are the answers after one click, two, ...: five or more until the chosen mask's IoU
    was 0.85 once, at most `most`, fewer where a mask was perfect. `encoding` is the CPU seconds
    of looking at the photo, for the first of its targets.
    """

    target: str
    dataset: str
    image: str
    share: float
    most: int
    clicks: tuple[Answer, ...]
    box: Answer | None
    encoding: float | None = None


def measure(
    model: PromptModel,
    objects: Sequence[Target],
    *,
    most_clicks: int = MOST_CLICKS,
    prior: bool = False,
) -> list[Row]:
    """Ask `model` for every object; `prior` hands the mask chosen before on with a next click.

    With `most_clicks` 5 it takes about a third of the time, and clicks are not counted.
    """
    segmenter = ModelSegmenter(model, most_clicks)
    return [row for group in by_photo(objects) for row in measured(segmenter, group, prior)]


def by_photo(objects: Iterable[Target]) -> Iterator[list[Target]]:
    """Neighbours of one photo together."""
    for _, group in groupby(objects, key=lambda target: target.image):
        yield list(group)


def measured(segmenter: Segmenter, objects: Sequence[Target], prior: bool) -> list[Row]:
    """The rows of one photo's targets; the photo is read and looked at once."""
    encoding: float | None = segmenter.look(read_image(objects[0].image))
    rows = []
    for target in objects:
        rows.append(_row(segmenter, target, prior, encoding))
        encoding = None
    return rows


def _row(segmenter: Segmenter, target: Target, prior: bool, encoding: float | None) -> Row:
    truth = target.truth.to_array()
    others = [other.to_array() for other in target.others]
    clicks: list[Answer] = []
    prompt = Prompt((target.first_click,), (1,))
    while len(clicks) < segmenter.clicks:
        answer, mask = _ask(segmenter, prompt, truth, others)
        clicks.append(answer)
        following = next_click(truth, mask)
        if following is None or (len(clicks) >= ALWAYS and reached(clicks)):
            break
        prompt = prompt.with_point(*following[0], following[1])
        if prior and mask.any():
            prompt = replace(prompt, prior=Mask.from_array(mask))
    box = None
    if segmenter.boxes:
        box, _ = _ask(segmenter, Prompt(box=target.box), truth, others)
    return Row(
        target=target.key,
        dataset=target.dataset,
        image=str(Path(target.image.parent.name, target.image.name)),
        share=round(target.share, 5),
        most=segmenter.clicks,
        clicks=tuple(clicks),
        box=box,
        encoding=encoding,
    )


def _ask(
    segmenter: Segmenter, prompt: Prompt, truth: Bools, others: Sequence[Bools]
) -> tuple[Answer, Bools]:
    masks, predicted, seconds = segmenter.answer(prompt, truth)
    if not masks:
        masks, predicted = [np.zeros_like(truth)], [0.0]
    drawn = [iou(mask, truth) for mask in masks]
    best = [
        max([own, *(iou(mask, other) for other in others)])
        for mask, own in zip(masks, drawn, strict=True)
    ]
    columns = [tuple(round(value, 5) for value in column) for column in (predicted, drawn, best)]
    chosen = int(np.argmax(predicted))
    return Answer(chosen, *columns, seconds=round(seconds, 5)), masks[chosen]


def reached(clicks: Iterable[Answer], goal: float = GOAL) -> int | None:
    """After how many clicks the chosen mask's IoU was at least `goal`; None if it never was."""
    return next(
        (count for count, answer in enumerate(clicks, 1) if answer.drawn[answer.chosen] >= goal),
        None,
    )


class RowFile:
    """Rows kept on disk as JSON lines, by segmenter and target, so that work can go on later.

    Without a path nothing is kept. A line cut short by a crash counts as not there.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[tuple[str, str], Row] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        for line in content.splitlines():
            try:
                kept = msgspec.json.decode(line, type=_Line)
            except msgspec.DecodeError:
                continue
            self._known[kept.by, kept.row.target] = kept.row
        if content and not content.endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")

    def get(self, by: str, target: str) -> Row | None:
        return self._known.get((by, target))

    def put(self, by: str, row: Row) -> None:
        self._known[by, row.target] = row
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(_Line(by, row)) + b"\n")


class _Line(msgspec.Struct, frozen=True):
    by: str
    row: Row


def asked_how(segmenter: Segmenter, prior: bool) -> str:
    """By what rows are known: the segmenter and all else that changes them, but the target."""
    return f"{segmenter.key}/{PROTOCOL}/{segmenter.clicks}{'/prior' if prior else ''}"

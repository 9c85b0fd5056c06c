"""One of our models beside another of ours, each as a person has it: how long they take.

They answer differently, so nothing but time is compared, and `equal` is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.core.prompt import Embedding, Prompt
from segstudio.models.benchmarks.click import CLICKS
from segstudio.models.benchmarks.comparison import Verdict, row
from segstudio.models.benchmarks.pair import Pair, Row
from segstudio.models.benchmarks.timing import Side, median, take_turns
from segstudio.models.prompt.contract import EverythingSettings, PromptModel


def beside_rows(
    what: str,
    pairs: tuple[Pair, Pair],
    images: Sequence[RgbImage],
    repeats: int,
    *,
    settings: EverythingSettings,
    report: ProgressSink,
) -> Iterator[Row]:
    """A row for each image of the first pair's model, with the second's for its baseline.

    `what` is "encode", "click" (three of them, with the masks' runs) or "everything" (of an image
    that is encoded). The two take turns; the first turn warms them up and is not counted.
    """
    first, second = pairs
    own, other = (pair.model for pair in pairs)
    for image in images:
        calls = [_call(what, pair.model, image, settings) for pair in pairs]
        sides = [Side(call, pair.threads) for call, pair in zip(calls, pairs, strict=True)]
        ours: list[float] = []
        theirs: list[float] = []
        for number, turn in enumerate(take_turns(sides, repeats + 1, first.clock)):
            report(Progress(number, repeats, f"{own.card.title} beside {other.card.title}"))
            if number:
                ours.append(turn.seconds[0])
                theirs.append(turn.seconds[1])
        name = f"{what} {own.card.key} beside {other.card.key} {image.size[1]}x{image.size[0]}"
        facts: Row = {**first.facts, "baseline_weights": second.weights}
        facts["baseline_threads"] = second.threads
        made = row(
            name, ours, Verdict(None), facts, baseline=f"our {other.card.key}", theirs=theirs
        )
        yield {**made, "ratio": round(median(theirs) / median(ours), 3)}


def _call(
    what: str, model: PromptModel, image: RgbImage, settings: EverythingSettings
) -> Callable[[], Any]:
    encode = partial(model.encode, image, CancelToken())
    if what == "encode":
        return encode
    embedding = encode()
    if what == "click":
        return partial(_clicks, model, embedding)
    return partial(model.everything, embedding, settings, ignore_progress, CancelToken())


def _clicks(model: PromptModel, embedding: Embedding) -> None:
    height, width = embedding.image_size
    for x, y in CLICKS:
        prompt = Prompt(points=((x * width, y * height),), labels=(1,))
        for item in model.predict(embedding, prompt).items:
            _ = item.mask.runs

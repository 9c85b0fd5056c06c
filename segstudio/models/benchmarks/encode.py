"""An image to its embedding: ours against the official predictor, which is eager torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy.typing as npt

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.models.benchmarks.comparison import Verdict, compare_embeddings, row
from segstudio.models.benchmarks.pair import Pair, Row
from segstudio.models.benchmarks.timing import Side, take_turns
from segstudio.models.prompt.sam_model import IMAGE_EMBEDDING, SamModel

BASELINE = "segment_anything SamPredictor.set_image (eager torch)"


def encode_rows(
    pair: Pair, images: Sequence[RgbImage], repeats: int, report: ProgressSink
) -> Iterator[Row]:
    """A row for each image. Both sides start from the image's pixels, and scale them."""
    for image in images:
        name = f"encode {pair.model.card.key} {image.size[1]}x{image.size[0]}"
        sides = [Side(partial(pair.model.encode, image, CancelToken()), pair.threads)]
        if pair.official is not None:
            encode = _official(pair, image)
            sides.append(Side(encode, pair.official_threads))
        ours: list[float] = []
        theirs: list[float] = []
        verdict = Verdict(None)
        for number, turn in enumerate(take_turns(sides, repeats + 1, pair.clock)):
            report(Progress(number, repeats, f"Encoding with {pair.model.card.title}"))
            if number:
                ours.append(turn.seconds[0])
                theirs += turn.seconds[1:]
            elif len(turn.answers) > 1:  # the first warms up, and is compared
                verdict = compare_embeddings(
                    turn.answers[0].arrays[IMAGE_EMBEDDING], turn.answers[1]
                )
        baseline = BASELINE if pair.official is not None else None
        facts = {**_runtime(pair), **pair.facts}
        yield row(name, ours, verdict, facts, baseline=baseline, theirs=theirs)


def _official(pair: Pair, image: RgbImage) -> Any:
    predictor = pair.predictor()

    def encode() -> npt.NDArray[Any]:
        predictor.set_image(image.pixels)
        features: npt.NDArray[Any] = predictor.features.cpu().numpy()
        return features

    return encode


def _runtime(pair: Pair) -> Row:
    """What computed ours, and why not something faster."""
    model = pair.model
    if not isinstance(model, SamModel):
        return {}
    encoder = model.encoder
    return {
        "runtime": encoder.runtime,
        "runtime_obstacle": encoder.obstacle,
        "precision": encoder.precision.name,
    }

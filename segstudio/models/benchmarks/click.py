"""One click on an image that is encoded: ours against the official predictor, three masks each.

Ours gives three candidates with stability scores and the run-length masks of all three; the
official predictor three arrays. The window makes a candidate's runs when they are wanted, so that
it shows a mask sooner than this tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.models.benchmarks.comparison import Verdict, compare_click, encode_rle, row
from segstudio.models.benchmarks.pair import Pair, Row
from segstudio.models.benchmarks.timing import Side, median, take_turns
from segstudio.models.prompt.sam_model import IMAGE_EMBEDDING

BASELINE = "segment_anything SamPredictor.predict"
CLICKS = ((0.30, 0.40), (0.52, 0.45), (0.71, 0.63))  # parts of the width and height


def click_rows(
    pair: Pair, images: Sequence[RgbImage], repeats: int, report: ProgressSink
) -> Iterator[Row]:
    """A row for each image, then one for how far a click depends on the image's size.

    Images are clicked in turn, so that a busy machine slows all of them.
    """
    benches = [_Bench(pair, image) for image in images]
    for turn in range(repeats):
        report(Progress(turn, repeats, f"Clicking with {pair.model.card.title}"))
        for bench in benches:
            bench.click()
    for bench in benches:
        yield bench.row()
    if len(benches) > 1:
        small, *_, large = sorted(benches, key=lambda bench: bench.pixels)
        yield _size_row(pair, small, large)


class _Bench:
    """The clicks on one image."""

    def __init__(self, pair: Pair, image: RgbImage) -> None:
        self._pair = pair
        self._image = image
        self.pixels = image.size[0] * image.size[1]
        self._embedding = pair.model.encode(image, CancelToken())
        self._predictor = None
        if pair.official is not None:
            self._predictor = _official_predictor(pair, image, self._embedding)
        self.ours: list[float] = []
        self.theirs: list[float] = []
        # Not counted: these warm both sides up and are compared.
        answers = self._click_all()
        self._first_s = self.ours[0]
        self._verdict = _verdict(answers)
        self.ours, self.theirs = [], []

    def click(self) -> None:
        self._click_all()

    @property
    def name(self) -> str:
        height, width = self._image.size
        return f"click {self._pair.model.card.key} {width}x{height}"

    def row(self) -> Row:
        baseline = BASELINE if self._predictor is not None else None
        facts = {"first_click_s": round(self._first_s, 5), **self._pair.facts}
        return row(
            self.name, self.ours, self._verdict, facts, baseline=baseline, theirs=self.theirs
        )

    def _click_all(self) -> list[tuple[Any, ...]]:
        height, width = self._image.size
        return [self._click(x * width, y * height) for x, y in CLICKS]

    def _click(self, x: float, y: float) -> tuple[Any, ...]:
        pair, predictor = self._pair, self._predictor
        prompt = Prompt(points=((x, y),), labels=(1,))

        def ours() -> Candidates:
            candidates = pair.model.predict(self._embedding, prompt)
            for item in candidates.items:
                _ = item.mask.runs
            return candidates

        sides = [Side(ours, pair.threads)]
        if predictor is not None:
            points, labels = np.array([[x, y]]), np.array([1])
            sides.append(
                Side(
                    lambda: predictor.predict(points, labels, multimask_output=True),
                    pair.official_threads,
                )
            )
        (turn,) = take_turns(sides, 1, pair.clock)
        self.ours.append(turn.seconds[0])
        self.theirs += turn.seconds[1:]
        return turn.answers


def _verdict(answers: Sequence[tuple[Any, ...]]) -> Verdict:
    """The worst of several clicks."""
    if len(answers[0]) == 1:
        return Verdict(None)
    verdicts = []
    for candidates, (masks, _, _) in answers:
        assert isinstance(candidates, Candidates)
        ours = [item.mask for item in candidates.items]
        verdicts.append(compare_click(ours, [encode_rle(mask) for mask in masks]))
    return min(verdicts, key=lambda verdict: (verdict.equal, verdict.facts.get("iou_min", 0.0)))


def _size_row(pair: Pair, small: _Bench, large: _Bench) -> Row:
    name = f"click {pair.model.card.key}: {large.name.split()[-1]} over {small.name.split()[-1]}"
    made = row(name, large.ours, Verdict(None), pair.facts)
    return {
        **made,
        "over_s": round(median(small.ours), 5),
        "times_as_long": round(median(large.ours) / median(small.ours), 3),
    }


def _official_predictor(pair: Pair, image: RgbImage, embedding: Embedding) -> Any:
    """The official predictor with our embedding, so that only the click is compared."""
    predictor = pair.predictor()
    height, width = image.size
    predictor.original_size = image.size
    predictor.input_size = predictor.transform.get_preprocess_shape(height, width, 1024)
    array = np.array(embedding.arrays[IMAGE_EMBEDDING])
    predictor.features = torch.from_numpy(array).to(pair.model.device)
    predictor.is_image_set = True
    return predictor

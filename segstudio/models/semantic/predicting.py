"""A semantic model's label map of a whole image, however large, in memory that stays level.

A window slides over the image. What windows say is blended, and each block of the image becomes
labels, confidence and entropy, a byte each, as soon as no further window adds to it: held are one
window's probabilities and those of the strip that two rows of windows share, never the image's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from segstudio.core.errors import BadInputError, DeviceError
from segstudio.core.image import RgbImage
from segstudio.core.mapped import release
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.semantic.blending import Blend, Block
from segstudio.models.semantic.contract import PredictSettings, SemanticModel
from segstudio.models.semantic.reducing import Reduced
from segstudio.models.semantic.refining import Refinement
from segstudio.models.semantic.registry import architecture
from segstudio.models.semantic.test_time import Asking, window_probabilities
from segstudio.models.semantic.tiling import Span, batch_from, grid_unit, padded_length, spans

_MULTIPLE = 32  # of networks that the registry does not know
_BATCH = 8  # windows at once on a graphics card
_BATCH_BYTES = 1 << 28  # of their logits, at most

_TEXT = "Predicting"

Windows = Sequence[tuple[Span, Span]]


def predict(
    model: SemanticModel,
    image: RgbImage,
    settings: PredictSettings,
    report: ProgressSink,
    cancel: CancelToken,
) -> SemanticPrediction:
    """The label map of `image`, with confidence and entropy, as `settings` says.

    Scales and mirror images are averaged within each window. With a CRF, the whole image is refined
    at once where its probabilities take up to 128 MiB (1.6 megapixels of 21
    categories), else each window's are, before the blend.
    Where the device is short of memory, fewer windows go through the network at once.

    Raises Cancelled between two passes of the network, and between steps of what follows;
    DeviceError if one window is too much for the device; BadInputError for settings that mean
    nothing; WeightsError if the model answers no numbers.
    """
    height, width = image.size
    if height * width == 0:
        raise BadInputError("The image has no pixels; choose another.")
    run = _Run(model, image, settings, report, cancel)
    found = Reduced(image.size)
    with torch.inference_mode(), memory_errors(model.device):
        run.write(found)
    return SemanticPrediction(
        model.card.categories,
        found.labels,
        found.confidence,
        found.entropy,
        model.model_key,
        settings.key,
    )


class _Run:
    """One prediction."""

    def __init__(
        self,
        model: SemanticModel,
        image: RgbImage,
        settings: PredictSettings,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> None:
        multiple = _multiple(model)
        self._model, self._pixels, self._cancel = model, image.pixels, cancel
        self._asking = Asking.of(model, settings, multiple)
        ys, xs = _windows(image.size, model, settings, multiple)
        self._blend = Blend(ys, xs)
        self._refinement = Refinement(settings.crf, image.size, len(model.card.categories), cancel)
        self._report = report
        self._done, self._total = 0, len(ys) * len(xs)
        self._most = self._batch()
        self._short = False

    def write(self, found: Reduced) -> None:
        """Predict all, and write it to `found`."""
        for block in self._blocks():
            if self._refinement.whole:
                self._refinement.keep(block.top, block.left, block.probabilities)
            else:
                found.write(block.top, block.left, block.probabilities, self._cancel)
        if self._refinement.whole:
            self._tell("Refining the borders")
            refined = self._refinement.whole_image(self._pixels)
            found.write(0, 0, torch.from_numpy(refined), self._cancel)
        self._tell(_TEXT)

    def _blocks(self) -> Iterator[Block]:
        blend = self._blend
        for row in range(len(blend.slow)):
            column = 0
            while column < len(blend.fast):
                group = batch_from(blend.fast, column, self._most)
                for probabilities in self._answered(row, group):
                    self._cancel.check()
                    yield blend.add(row, column, probabilities)
                    column += 1
            release(self._pixels)

    def _answered(self, row: int, group: Sequence[Span]) -> list[Tensor]:
        """(C, h, w) for each window of a group in a row; of fewer if memory runs out on the way."""
        self._cancel.check()
        self._tell(_TEXT)
        slow = self._blend.slow[row]
        windows = [(fast, slow) if self._blend.down else (slow, fast) for fast in group]
        while True:
            answer = self._tried(windows)
            if answer is not None:
                break
            self._short = True
            self._most = max(1, len(windows) // 2)
            windows = windows[: self._most]
        self._done += len(windows)
        return list(answer)

    def _tried(self, windows: Windows) -> Tensor | list[Tensor] | None:
        """None if memory ran out on more than one window."""
        try:
            answer = window_probabilities(
                self._model, self._pixels, windows, self._asking, self._cancel
            )
            if self._refinement.by_window:
                return [self._refined(*pair) for pair in zip(answer, windows, strict=True)]
            return answer
        except (torch.OutOfMemoryError, DeviceError) as error:
            if len(windows) == 1 or not _short_of_memory(error):
                raise
        # Here the error is gone, and with it what its traceback held on to.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    def _refined(self, probabilities: Tensor, window: tuple[Span, Span]) -> Tensor:
        ys, xs = window
        pixels = self._pixels[ys.start : ys.stop, xs.start : xs.stop]
        return torch.from_numpy(self._refinement.window(probabilities, pixels))

    def _batch(self) -> int:
        """How many windows go through the network at once to begin with."""
        if self._model.device == "cpu":
            return 1  # more fall out of the cache
        slow, fast = self._blend.slow[0], self._blend.fast[0]
        area = (slow.stop - slow.start) * (fast.stop - fast.start)
        larger = max(1.0, *self._asking.scales) ** 2
        most = int(_BATCH_BYTES / (4 * len(self._model.card.categories) * area * larger))
        return min(_BATCH, max(1, most))

    def _tell(self, text: str) -> None:
        if self._short:
            text = f"{text}, {self._most} at a time as the device's memory is short"
        self._report(Progress(self._done, self._total, text))


def _windows(
    size: tuple[int, int], model: SemanticModel, settings: PredictSettings, multiple: int
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The rows and columns of the sliding window over an image of `size` (H, W).

    Raises BadInputError for a tile or an overlap that means nothing.
    """
    if settings.tile < 0 or not 0 <= settings.overlap < 1:
        raise BadInputError(
            "The window of a prediction has a side above 0 and an overlap from 0 to below 1; "
            "choose others."
        )
    scale = model.card.scale
    tile = padded_length(settings.tile or model.card.side, multiple) / scale
    # Rounded down: a pixel more than the tile would be filled up to the next multiple.
    side = max(1, int(tile))
    unit = grid_unit(multiple, scale, side // 2)
    ys, xs = (spans(length, side, settings.overlap, unit) for length in size)
    return ys, xs


def _multiple(model: SemanticModel) -> int:
    with suppress(BadInputError):
        return architecture(model.card.spec.architecture).multiple
    return _MULTIPLE


def _short_of_memory(error: Exception) -> bool:
    """Whether it, or what it was raised from, says that the device's memory ran out."""
    told = error.__cause__ or error
    return isinstance(told, torch.OutOfMemoryError) or "out of memory" in str(told)

"""Grid points to the decoder in batches, which get smaller where memory is short."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.models.prompt.sam_decoder import PointDecoder

# Prompts at once. Larger batches fall out of a CPU's cache and are slower there.
BATCH = 16

_TEXT = "Segmenting everything"

Points = npt.NDArray[np.float64]


class PointBatches:
    """One run over `total` points: counts them, tells how far it is, looks at `cancel`.

    After the device ran out of memory on a batch, that one and all later ones are half as large.
    """

    def __init__(self, total: int, report: ProgressSink, cancel: CancelToken) -> None:
        self._total = total
        self._done = 0
        self._size = BATCH
        self._report = report
        self._cancel = cancel

    @property
    def size(self) -> int:
        """How many points go to the decoder at once, as of now."""
        return self._size

    def skip(self, count: int) -> None:
        """Count points as done that need no decoding."""
        self._done += count

    def finish(self) -> None:
        self._report(Progress(self._total, self._total, self._text()))

    def decoded(
        self, decode: PointDecoder, points: Points, threshold: float
    ) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
        """For each batch which of `points` it held, and what `decode` says to them.

        Raises Cancelled between batches, torch.OutOfMemoryError if not even one point fits.
        """
        start = 0
        while start < len(points):
            self._cancel.check()
            self._report(Progress(self._done, self._total, self._text()))
            stop = min(start + self._size, len(points))
            answer = self._tried(decode, points[start:stop], threshold)
            if answer is None:
                continue
            yield slice(start, stop), *answer
            self._done += stop - start
            start = stop

    def _tried(
        self, decode: PointDecoder, points: Points, threshold: float
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """None if memory ran out; the batch size is then smaller."""
        try:
            return decode(points, threshold)
        except torch.OutOfMemoryError:
            if len(points) == 1:
                raise
        # Here the error is gone, and with it what its traceback held on to.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._size = max(1, len(points) // 2)
        return None

    def _text(self) -> str:
        if self._size == BATCH:
            return _TEXT
        return f"{_TEXT}, in batches of {self._size} as the device's memory is short"

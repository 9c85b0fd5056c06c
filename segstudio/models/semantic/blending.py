"""Windows' probabilities to those of the image, block by block, holding only what overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segstudio.models.semantic.tiling import Span


@dataclass(frozen=True)
class Block:
    """(C, h, w) finished probabilities of the image from row `top` and column `left` on."""

    top: int
    left: int
    probabilities: Tensor


class Blend:
    """Takes the windows row by row and gives, for each, what is finished with it.

    Between rows it holds (C, ramp, W) floats in main memory, where a window's weight falls and that
    of the one below rises; rows run along the shorter side of the image, be it down.
    """

    def __init__(self, ys: Sequence[Span], xs: Sequence[Span]) -> None:
        self.down = ys[-1].last < xs[-1].last  # rows of windows run down the image
        self.slow, self.fast = (xs, ys) if self.down else (ys, xs)
        self._beside: Tensor | None = None
        self._above: Tensor | None = None

    def add(self, row: int, column: int, probabilities: Tensor) -> Block:
        """What is finished with window `column` (of `fast`) in row `row` (of `slow`).

        `probabilities` (C, h, w) float32 are of all that it sees; they are changed in place.
        """
        slow, fast = self.slow[row], self.fast[column]
        part = probabilities.transpose(1, 2) if self.down else probabilities
        part = part[
            :,
            slow.first - slow.start : slow.last - slow.start,
            fast.first - fast.start : fast.last - fast.start,
        ]
        _fade(part.transpose(1, 2), slow)
        _fade(part, fast)
        if self._beside is not None:
            part[:, :, : fast.rise] += self._beside
        height, width = part.shape[1] - slow.fall, part.shape[2] - fast.fall
        self._beside = part[:, :, width:].clone() if fast.fall else None
        part = part[:, :, :width]
        self._join_rows(part, slow, fast.first)
        done = part[:, :height]
        top, left = (fast.first, slow.first) if self.down else (slow.first, fast.first)
        return Block(top, left, done.transpose(1, 2) if self.down else done)

    def _join_rows(self, part: Tensor, slow: Span, left: int) -> None:
        """Add what is held of the row above, and hold what the row below needs, in its place."""
        columns = slice(left, left + part.shape[2])
        if self._above is not None and slow.rise:
            part[:, : slow.rise] += self._above[:, : slow.rise, columns].to(part.device)
        if slow.fall:
            if self._above is None:
                most = max(span.fall for span in self.slow)
                self._above = torch.zeros(part.shape[0], most, self.fast[-1].last)
            self._above[:, : slow.fall, columns] = part[:, part.shape[1] - slow.fall :].cpu()


def _fade(part: Tensor, span: Span) -> None:
    """Multiply (C, h, w) by the span's weights along w, in place, where they are not 1."""
    weights = torch.from_numpy(span.weights()).to(part.device)
    for columns in (slice(0, span.rise), slice(len(weights) - span.fall, len(weights))):
        part[:, :, columns] *= weights[columns]

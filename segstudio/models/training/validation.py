"""How good a network is on the validation images, whole ones, and where it is worst."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.metrics.confusion import ConfusionMatrix
from segstudio.models.semantic.calibration import fit_temperature
from segstudio.models.training.data import read_pair
from segstudio.models.training.events import Example
from segstudio.models.training.settings import TrainingImage

WHOLE = 1 << 20  # pixels of an image that goes through the network in one piece
_LEAST = 33  # pixels a side that a network takes
_SAMPLED = 20_000  # pixels whose logits are kept, of all images together

Logits = Callable[[Tensor], Tensor]
LossOf = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Looked:
    """One image: its number, its mIoU over the categories in it (NaN: none), what was predicted."""

    index: int
    miou: float
    labels: LabelMap = field(repr=False)


@dataclass(eq=False)
class Scores:
    """What was found so far. `logits` (n, C) and `truth` (n,) are of some labelled pixels."""

    confusion: ConfusionMatrix
    loss: float = 0.0
    pixels: int = 0
    worst: list[Looked] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    truth: list[Tensor] = field(default_factory=list)

    @property
    def mean_loss(self) -> float:
        return self.loss / max(1, self.pixels)

    def merge(self, other: Scores, worst: int) -> None:
        """Take over what another process found; `worst` images are kept."""
        self.confusion.merge(other.confusion)
        self.loss += other.loss
        self.pixels += other.pixels
        self.logits += other.logits
        self.truth += other.truth
        for looked in other.worst:
            _keep_worst(self.worst, looked, worst)

    def temperature(self) -> float:
        """What logits are to be divided by, so that probabilities are true on these pixels."""
        if not self.truth:
            return 1.0
        return fit_temperature(torch.cat(self.logits), torch.cat(self.truth))


class Validator:
    """Looks at images one by one, so that the training can heed words in between.

    `logits` gives (1, C, H, W) float32 of (1, 3, H, W) uint8 RGB on the device; `loss_of` the loss
    of such logits and (1, H, W) int64 truth. Images above `WHOLE` pixels go through in squares of
    `side`.
    """

    def __init__(
        self,
        folder: Path,
        images: tuple[TrainingImage, ...],
        categories: int,
        side: int,
        worst: int = 6,
    ) -> None:
        self._folder, self._images = folder, images
        self._categories, self._side, self._worst = categories, max(side, _LEAST), worst

    def begin(self) -> Scores:
        return Scores(ConfusionMatrix(self._categories))

    def merged(self, parts: Iterable[Scores]) -> Scores:
        """What several processes found, each of its own images."""
        whole = self.begin()
        for part in parts:
            whole.merge(part, self._worst)
        return whole

    def look(
        self, index: int, scores: Scores, logits: Logits, loss_of: LossOf, device: torch.device
    ) -> None:
        """Add image number `index` to the scores. Raises BadInputError if it cannot be read."""
        pixels, truth = read_pair(self._folder, self._images[index], self._categories)
        labels = np.zeros_like(truth)
        chance = np.random.default_rng((2, index))
        share = _SAMPLED / (len(self._images) * truth.size)
        for ys, xs in windows((truth.shape[0], truth.shape[1]), self._side):
            part = torch.from_numpy(np.ascontiguousarray(pixels[ys, xs]))
            told = _padded(logits, part.to(device).permute(2, 0, 1).unsqueeze(0))
            wanted = torch.from_numpy(np.ascontiguousarray(truth[ys, xs])).to(device).long()
            known = int((wanted != IGNORE).sum())
            scores.loss += float(loss_of(told, wanted.unsqueeze(0))) * known
            scores.pixels += known
            labels[ys, xs] = told[0].argmax(0).to(torch.uint8).cpu().numpy()
            picked = _picked(truth[ys, xs], share, chance)
            if len(picked):
                at = torch.from_numpy(picked).to(device)
                scores.logits.append(told[0].flatten(1)[:, at].T.float().cpu())
                scores.truth.append(wanted.flatten()[at].cpu())
        alone = scores.confusion.added(truth, labels)
        _keep_worst(scores.worst, Looked(index, _miou(alone), labels), self._worst)

    def example(self, looked: Looked, labels: str) -> Example:
        """As it is told, with the path of its predicted label map."""
        one = self._images[looked.index]
        return Example(one.name, one.image, one.labels, labels, looked.miou, one.image_id)


def windows(size: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of pieces that cover an image: the whole, or squares if it is large.

    The last square of a row or column is moved back inside, over its neighbour.
    """
    if size[0] * size[1] <= WHOLE:
        yield slice(0, size[0]), slice(0, size[1])
        return
    for top in _starts(size[0], side):
        for left in _starts(size[1], side):
            yield slice(top, top + side), slice(left, left + side)


def _starts(length: int, side: int) -> list[int]:
    last = max(0, length - side)
    return [min(n * side, last) for n in range(max(1, math.ceil(length / side)))]


def _padded(logits: Logits, image: Tensor) -> Tensor:
    """Logits of an image that may be smaller than networks take."""
    height, width = image.shape[-2:]
    if min(height, width) >= _LEAST:
        return logits(image)
    border = (0, max(0, _LEAST - width), 0, max(0, _LEAST - height))
    return logits(functional.pad(image, border))[..., :height, :width]


def _picked(truth: LabelMap, share: float, chance: np.random.Generator) -> npt.NDArray[np.int64]:
    """Places of some labelled pixels, in the flat array."""
    known = np.flatnonzero(truth != IGNORE)
    count = min(len(known), math.ceil(share * truth.size))
    return np.sort(chance.choice(known, count, replace=False)) if count else known


def _miou(alone: ConfusionMatrix) -> float:
    """Over the categories in the truth: those only said to be there count by what they take."""
    scores = alone.iou()[alone.pixels() > 0]
    return float(scores.mean()) if len(scores) else math.nan


def _keep_worst(worst: list[Looked], looked: Looked, count: int) -> None:
    if not math.isnan(looked.miou):
        worst[:] = heapq.nsmallest(count, [*worst, looked], key=lambda one: (one.miou, one.index))

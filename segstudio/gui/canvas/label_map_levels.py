"""A prediction at full size and halved again and again, to draw it quickly at any scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.prediction import IGNORE, LabelMap, ModelCategory, SemanticPrediction
from segstudio.core.progress import CancelToken
from segstudio.imaging.pyramid import SMALLEST_LEVEL

_ROWS = 1 << 22  # pixels that are counted at a time: OpenCV counts in float32
Values = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Level:
    """Three (h, w) uint8 maps, as in `SemanticPrediction`, at one of its halves."""

    labels: LabelMap
    confidence: Values
    entropy: Values


@dataclass(frozen=True)
class Share:
    """How much of an image has a category, by its place in the model's list.

    `pixels` are those that are sure enough, `confidence` is their mean probability, 0 to 1; `held`
    is how many the model gave it before the threshold.
    """

    index: int
    category: ModelCategory
    pixels: int
    held: int
    confidence: float


@dataclass(frozen=True, eq=False)
class LabelMapLevels:
    """`levels[n]` has the scale 2**-n, like a `Pyramid`'s; level 0 is the prediction's own.

    A label stands for most of its four of the level above, or the first of them; confidence and
    entropy are their means. `counts` is (256, 256) int64: the pixels of each label by confidence,
    both in 255ths.
    """

    prediction: SemanticPrediction
    levels: tuple[Level, ...] = field(repr=False)
    counts: npt.NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(
        cls, prediction: SemanticPrediction, cancel: CancelToken | None = None
    ) -> LabelMapLevels:
        """Build all levels: some milliseconds a megapixel, so off the GUI thread."""
        token = cancel or CancelToken()
        levels = [Level(prediction.labels, prediction.confidence, prediction.entropy)]
        while max(levels[-1].labels.shape) > SMALLEST_LEVEL:
            token.check()
            above = levels[-1]
            levels.append(
                Level(mostly(above.labels), halved(above.confidence), halved(above.entropy))
            )
        token.check()
        return cls(prediction, tuple(levels), _counted(prediction))

    def index_for(self, device_scale: float) -> int:
        """The number of the smallest level that still has a pixel for each device pixel."""
        index = 0
        while index + 1 < len(self.levels) and device_scale <= 0.5 ** (index + 1):
            index += 1
        return index

    def shares(self, least: Values) -> tuple[Share, ...]:
        """Those of all categories, in the model's order; `least` is (256,): confidence by label."""
        found = []
        steps = np.arange(256)
        for index, category in enumerate(self.prediction.categories):
            row = self.counts[index]
            kept = row[least[index] :]
            pixels = int(kept.sum())
            total = float((kept * steps[least[index] :]).sum())
            mean = total / pixels / 255 if pixels else 0.0
            found.append(Share(index, category, pixels, int(row.sum()), mean))
        return tuple(found)

    def at(self, x: float, y: float) -> tuple[ModelCategory, float] | None:
        """Category and its probability at an image point; None where there is none."""
        height, width = self.prediction.size
        column, row = math.floor(x), math.floor(y)
        if not (0 <= column < width and 0 <= row < height):
            return None
        label = int(self.prediction.labels[row, column])
        if label == IGNORE or label >= len(self.prediction.categories):
            return None
        return self.prediction.categories[label], float(
            self.prediction.confidence[row, column]
        ) / 255


def mostly(labels: LabelMap) -> LabelMap:
    """(h, w) uint8 at half the size, rounded up: of each four the label that most of them have."""
    padded = _evened(labels)
    a, b, c, d = padded[::2, ::2], padded[::2, 1::2], padded[1::2, ::2], padded[1::2, 1::2]
    alone = (a != b) & (a != c) & (a != d)
    result = a.copy()
    of_b = (b == c) | (b == d)
    np.copyto(result, b, where=alone & of_b)
    np.copyto(result, c, where=alone & ~of_b & (c == d))
    return result


def halved(values: Values) -> Values:
    """(h, w) uint8 means at half the size, rounded up; odd edges count twice."""
    padded = _evened(values)
    half = padded.shape[1] // 2, padded.shape[0] // 2
    return np.asarray(cv2.resize(padded, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _evened(values: Values) -> Values:
    rows, columns = (length % 2 for length in values.shape)
    if not (rows or columns):
        return values
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.copyMakeBorder(values, 0, rows, 0, columns, edge), dtype=np.uint8)


def _counted(prediction: SemanticPrediction) -> npt.NDArray[np.int64]:
    counts = np.zeros((256, 256), dtype=np.int64)
    height, width = prediction.size
    step = max(1, _ROWS // max(1, width))
    for top in range(0, height, step):
        maps = [
            np.ascontiguousarray(one[top : top + step])
            for one in (prediction.labels, prediction.confidence)
        ]
        counted = cv2.calcHist(maps, [0, 1], None, [256, 256], [0, 256, 0, 256])
        counts += np.asarray(counted).astype(np.int64)
    return counts

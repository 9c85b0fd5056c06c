"""What a semantic model says of an image: a category for each pixel, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IGNORE = 255  # in a label map: no category, neither in training nor in a score
MOST_CATEGORIES = 255  # of one model: 0 to 254

_BAND = 1 << 22  # pixels at once

LabelMap = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ModelCategory:
    """A category as a model knows it; its place in the model's list is its value in label maps.

    `background` says that it stands for all that is nothing else, of which no annotation is made.
    `isthing` as in `Category`; `colour` is "#rrggbb".
    """

    name: str
    colour: str
    isthing: bool = False
    background: bool = False


@dataclass(frozen=True, eq=False)
class SemanticPrediction:
    """A label map and how sure the model is of it, in image pixels.

    `labels` is (H, W) uint8, an index into `categories` or IGNORE. `confidence` is (H, W) uint8,
    the probability of the label in 255ths. `entropy` is (H, W) uint8, the entropy of all
    categories' probabilities over its largest value (log C), in 255ths. `model_key` names the
    model together with its weights; `settings_key` how it was asked.
    """

    categories: tuple[ModelCategory, ...]
    labels: LabelMap
    confidence: npt.NDArray[np.uint8]
    entropy: npt.NDArray[np.uint8]
    model_key: str
    settings_key: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def above(self, thresholds: Mapping[str, float]) -> LabelMap:
        """The label map without labels less probable than their category's threshold (by name).

        (H, W) uint8; thresholds are 0 to 1, and 0 for categories that have none.
        """
        least = np.zeros(256, dtype=np.uint8)
        for index, category in enumerate(self.categories):
            least[index] = round(255 * min(1.0, max(0.0, thresholds.get(category.name, 0.0))))
        kept = self.labels.copy()
        rows = max(1, _BAND // max(1, self.size[1]))
        for top in range(0, self.size[0], rows):  # indices take 8 bytes a pixel
            band = slice(top, top + rows)
            kept[band][self.confidence[band] < least[self.labels[band]]] = IGNORE
        return kept

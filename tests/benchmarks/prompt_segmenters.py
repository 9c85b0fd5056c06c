"""What `prompt_quality.py` asks: prompt models as the app asks them, and simple means beside them.

A segmenter looks at a photo once and then answers prompts on it with masks and their predicted IoU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from prompt_targets import Bools

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Embedding, Prompt
from segstudio.imaging.superpixels import slic
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.registry import prompt_model
from segstudio.models.weights import find, missing_weights

GRABCUT_SIDE, GRABCUT_ROUNDS = 512, 2

Answered = tuple[list[Bools], list[float], float]  # masks, their predicted IoU, CPU seconds


class Segmenter(Protocol):
    """`key` names it together with all that changes its answers. `clicks` is the most that it is
    asked with (0: none), `boxes` whether it takes one, `promises` whether its scores mean anything.
    """

    key: str
    clicks: int
    boxes: bool
    promises: bool

    def look(self, image: RgbImage) -> float:
        """Make ready for prompts on this image; the CPU seconds that it took."""
        ...

    def answer(self, prompt: Prompt, truth: Bools) -> Answered:
        """Masks for the prompt. Only upper bounds look at the truth."""
        ...


class ModelSegmenter:
    """A prompt model through its contract, as the app asks it: on the whole image."""

    boxes = promises = True

    def __init__(self, model: PromptModel, clicks: int = 20) -> None:
        self.key, self.clicks = model.model_key, clicks
        self._model = model
        self._embedding: Embedding | None = None

    def look(self, image: RgbImage) -> float:
        start = time.process_time()
        self._embedding = self._model.encode(image, CancelToken())
        return time.process_time() - start

    def answer(self, prompt: Prompt, truth: Bools) -> Answered:
        """The time is that of the answer and of the mask that is shown, the best one."""
        assert self._embedding is not None
        start = time.process_time()
        found = self._model.predict(self._embedding, prompt)
        if found.items:
            found.items[found.best].mask.to_array()
        seconds = time.process_time() - start
        masks = [item.mask.to_array() for item in found.items]
        return masks, [item.predicted_iou for item in found.items], seconds


@dataclass(frozen=True)
class Asked:
    """A model by the registry's key, and its weights' file where it has any."""

    model: str
    weights: Path | None = None

    @classmethod
    def parsed(cls, text: str, weights: Path | None) -> Asked:
        """KEY or KEY=FILE. Raises what `find` raises, and WeightsError where there are none."""
        key, _, file = text.partition("=")
        card = prompt_model(key)
        given = Path(file) if file else weights
        if card.weights is None:
            return cls(key)
        path = given or find(card)  # a file that is named may be a candidate: it is not verified
        if path is None:
            raise missing_weights(card)
        return cls(key, path)

    def load(self) -> PromptModel:
        return prompt_model(self.model).load(self.weights, "cpu")


# -- simple means ----------------------------------------------------------------------------------


class _Simple:
    clicks, boxes, promises = 20, True, False

    def __init__(self, key: str) -> None:
        self.key = key
        self._size = (0, 0)

    def look(self, image: RgbImage) -> float:
        start = time.process_time()
        self._size = image.size
        self.begin(image)
        return time.process_time() - start

    def answer(self, prompt: Prompt, truth: Bools) -> Answered:
        start = time.process_time()
        mask = self.mask(prompt, truth)
        return [mask], [1.0], time.process_time() - start

    def begin(self, image: RgbImage) -> None:
        """What is done once for a photo: nothing, mostly."""

    def mask(self, prompt: Prompt, truth: Bools) -> Bools:
        raise NotImplementedError


class FilledBox(_Simple):
    clicks = 0

    def mask(self, prompt: Prompt, truth: Bools) -> Bools:
        assert prompt.box is not None
        x0, y0, x1, y1 = (round(value) for value in prompt.box)
        filled = np.zeros(self._size, bool)
        filled[y0:y1, x0:x1] = True
        return filled


class EllipseInBox(_Simple):
    """Pixels whose centres lie in the ellipse that touches the box's four sides."""

    clicks = 0

    def mask(self, prompt: Prompt, truth: Bools) -> Bools:
        assert prompt.box is not None
        x0, y0, x1, y1 = prompt.box
        ys, xs = np.ogrid[: self._size[0], : self._size[1]]
        across = (xs + 0.5 - (x0 + x1) / 2) / ((x1 - x0) / 2)
        down = (ys + 0.5 - (y0 + y1) / 2) / ((y1 - y0) / 2)
        return np.asarray(across**2 + down**2 <= 1)


class ClickedSuperpixels(_Simple):
    """The SLIC superpixels under the clicks that add; one that removes takes none of those away."""

    boxes = False

    def __init__(self, key: str, segments: int) -> None:
        super().__init__(key)
        self._segments = segments
        self._labels = np.zeros((1, 1), np.int32)

    def begin(self, image: RgbImage) -> None:
        self._labels = slic(image.pixels, self._segments)

    def mask(self, prompt: Prompt, truth: Bools) -> Bools:
        pairs = zip(prompt.points, prompt.labels, strict=True)
        chosen = {int(self._labels[int(y), int(x)]) for (x, y), label in pairs if label}
        return np.isin(self._labels, list(chosen))


class BestSuperpixels(ClickedSuperpixels):
    """The union of superpixels with the highest IoU that there is: what no clicking can surpass."""

    clicks, boxes = 1, True

    def mask(self, prompt: Prompt, truth: Bools) -> Bools:
        labels = self._labels.ravel()
        area = np.bincount(labels)
        inside = np.bincount(labels, truth.ravel())
        # IoU is a ratio of sums, so the best union takes all above some share inside.
        order = np.argsort(-inside / np.maximum(area, 1), kind="stable")
        hit, taken = np.cumsum(inside[order]), np.cumsum(area[order])
        best = int(np.argmax(hit / (truth.sum() + taken - hit)))
        return np.isin(self._labels, order[: best + 1])


class GrabCut(_Simple):
    """OpenCV's GrabCut on a small copy, seeded by disks around clicks or by the filled box."""

    _scale = 1.0
    _small: Any = None

    def begin(self, image: RgbImage) -> None:
        height, width = image.size
        self._scale = min(1.0, GRABCUT_SIDE / max(height, width))
        size = max(1, round(width * self._scale)), max(1, round(height * self._scale))
        self._small = cv2.resize(image.pixels[..., ::-1], size, interpolation=cv2.INTER_AREA)

    def mask(self, prompt: Prompt, truth: Bools) -> Bools:
        seeds = np.full(self._small.shape[:2], cv2.GC_PR_BGD, np.uint8)
        places = [(int(x * self._scale), int(y * self._scale)) for x, y in prompt.points]
        if prompt.box is not None:
            self._seed_box(seeds, prompt.box)
        pairs = list(zip(places, prompt.labels, strict=True))
        for place in (place for place, label in pairs if label):
            cv2.circle(seeds, place, int(max(seeds.shape) * 0.12), cv2.GC_PR_FGD, -1)
        for place, label in pairs:
            value = cv2.GC_FGD if label else cv2.GC_BGD
            cv2.circle(seeds, place, max(2, int(max(seeds.shape) * 0.012)), value, -1)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)
        with suppress(cv2.error):  # it refuses seeds of one kind only, as a box of the whole image
            cv2.grabCut(self._small, seeds, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
        mask = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
        if prompt.box is None:
            _, parts = cv2.connectedComponents(mask)
            wanted = {int(parts[y, x]) for (x, y), label in pairs if label} - {0}
            mask = np.isin(parts, list(wanted)).astype(np.uint8)
        height, width = self._size
        return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0)

    def _seed_box(self, seeds: Any, box: Box) -> None:
        seeds[:] = cv2.GC_BGD
        x0, y0, x1, y1 = (round(value * self._scale) for value in box)
        seeds[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = cv2.GC_PR_FGD


SIMPLE: dict[str, Callable[[], Segmenter]] = {
    "box_filled": lambda: FilledBox("box_filled"),
    "ellipse": lambda: EllipseInBox("ellipse"),
    "slic_200": lambda: ClickedSuperpixels("slic_200", 200),
    "slic_50": lambda: ClickedSuperpixels("slic_50", 50),
    "best_of_slic_200": lambda: BestSuperpixels("best_of_slic_200", 200),
    "best_of_slic_50": lambda: BestSuperpixels("best_of_slic_50", 50),
    "grab_cut": lambda: GrabCut("grab_cut"),
}
CHEAP = tuple(name for name in SIMPLE if name != "grab_cut")

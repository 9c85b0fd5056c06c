"""A small semantic model of real convolutions with set weights: each category has a colour.

The logits of a pixel are its nearness to each colour, k (2 c.x - c.c), which differs from
-k |x - c|^2 by what all categories share: so the nearest colour wins, and how clearly says k.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from segstudio.core.category import parse_colour
from segstudio.core.errors import DeviceError
from segstudio.core.image import Rgb8, RgbImage
from segstudio.core.prediction import ModelCategory, SemanticPrediction
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.project_session import new_project
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.semantic.contract import PredictSettings
from segstudio.store.project import ProjectStore

CATEGORIES = (
    ModelCategory("nothing", "#000000", background=True),
    ModelCategory("sky", "#4080ff"),
    ModelCategory("car", "#ff0000", isthing=True),
    ModelCategory("pole", "#ffff00", isthing=True),
)


def colour_card(
    categories: Sequence[ModelCategory] = CATEGORIES, key: str = "colours"
) -> SemanticCard:
    return SemanticCard(
        key=key,
        title="Colours",
        description="The category whose colour is nearest.",
        spec=NetworkSpec("nearest-colour", "", len(categories)),
        categories=tuple(categories),
        licence="Apache-2.0",
    )


class ColourModel:
    """A `SemanticModel`. `asked` counts predictions; `broken` makes the device fail."""

    def __init__(
        self, card: SemanticCard | None = None, sharpness: float = 8.0, device: str = "cpu"
    ) -> None:
        self.card = card or colour_card()
        self.device = device
        self.model_key = f"{self.card.key}-{sharpness:g}"
        self.asked = 0
        self.broken = False
        colours = torch.tensor([parse_colour(one.colour) for one in self.card.categories]) / 255
        self.convolution = nn.Conv2d(3, len(colours), 1).requires_grad_(False)
        self.convolution.weight.copy_((2 * sharpness * colours)[:, :, None, None])
        self.convolution.bias.copy_(-sharpness * (colours**2).sum(dim=1))  # type: ignore[union-attr]

    def logits(self, images: Tensor) -> Tensor:
        answers: Tensor = self.convolution(images)
        return answers

    def predict(
        self, image: RgbImage, settings: PredictSettings, report: ProgressSink, cancel: CancelToken
    ) -> SemanticPrediction:
        self.asked += 1
        if self.broken:
            raise DeviceError("The device has no memory left; close other programs.")
        cancel.check()
        report(Progress(0, 2, "Predicting"))
        pixels = torch.from_numpy(image.pixels.astype(np.float32) / 255).permute(2, 0, 1)
        probabilities = self.logits(pixels[None])[0].softmax(dim=0).numpy()
        report(Progress(1, 2, "Predicting"))
        cancel.check()
        entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=0)
        return SemanticPrediction(
            self.card.categories,
            probabilities.argmax(axis=0).astype(np.uint8),
            np.rint(255 * probabilities.max(axis=0)).astype(np.uint8),
            np.rint(255 * entropy / np.log(len(probabilities))).astype(np.uint8),
            self.model_key,
            settings.key,
        )


def scene() -> Rgb8:
    """Sky above nothing; two cars, the left one with a hole of 9 pixels; a slanting thin pole.

    (60, 80, 3) uint8. Cars are rows 30 to 45, columns 5 to 25 and 45 to 60; the pole goes down from
    (62, 5) by one pixel right each row, so that its pixels meet at corners only.
    """
    pixels = np.zeros((60, 80, 3), dtype=np.uint8)
    pixels[:20] = parse_colour("#4080ff")
    pixels[30:45, 5:25] = pixels[30:45, 45:60] = parse_colour("#ff0000")
    pixels[35:38, 10:13] = 0
    for step in range(12):
        pixels[5 + step, 62 + step] = parse_colour("#ffff00")
    return pixels


def scene_store(folder: Path, *names: str) -> ProjectStore:
    """A project, FOLDER/scenes.segstudio, of photos of the scene that differ in a pixel each."""
    for number, name in enumerate(names):
        pixels = scene()
        pixels[-1, -1] = number
        path = folder / "scenes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    project = folder / "scenes.segstudio"
    new_project(project, folder / "scenes", ignore_progress, CancelToken())
    return ProjectStore.open(project)

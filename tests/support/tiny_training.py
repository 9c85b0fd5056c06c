"""Trainings that take seconds: synthetic images, a network of a few thousand parameters.

Run as a script, it is the training process with that network in its registry.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor, nn

from segstudio.core.prediction import ModelCategory
from segstudio.models.semantic import registry
from segstudio.models.semantic.card import Architecture, NetworkSpec
from segstudio.models.semantic.network import Body, SizedNet
from segstudio.models.training import folder as training_folder
from segstudio.models.training.settings import (
    Augmentation,
    Precision,
    TrainingImage,
    TrainingSet,
    TrainingSettings,
)

CATEGORIES = (
    ModelCategory("ground", "#101010", background=True),
    ModelCategory("disc", "#e04040", isthing=True),
    ModelCategory("bar", "#4060e0", isthing=True),
)
COLOURS = np.array(((70, 120, 60), (200, 60, 50), (60, 80, 210)))


class TinyBody(Body):
    """Three convolutions with batch norm and dropout, and an auxiliary head."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.middle = nn.Sequential(
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout2d(0.1)
        )
        self.head = nn.Conv2d(16, categories, 1)
        self.aux = nn.Conv2d(8, categories, 1)

    @property
    def backbone(self) -> nn.Module:
        return self.stem

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        low = self.stem(images)
        found = {"out": self.head(self.middle(low))}
        if self.training:
            found["aux"] = self.aux(low)
        return found


def build_tiny(spec: NetworkSpec) -> SizedNet:
    return SizedNet(TinyBody(spec.categories), 2, {"aux": 0.4}, least=34)


TINY = Architecture(
    "tiny", "Tiny", "For tests.", "none", "tiny_training:build_tiny", "Apache-2.0", multiple=2
)


@contextmanager
def registered() -> Iterator[None]:
    """The tiny network is in this process's registry."""
    sys.modules.setdefault("tiny_training", sys.modules[__name__])
    known = registry._ARCHITECTURES
    assert isinstance(known, dict)
    known[TINY.key] = TINY
    try:
        yield
    finally:
        del known[TINY.key]


def settings(**changes: object) -> TrainingSettings:
    """For the tiny network on 32-pixel squares, on the CPU."""
    given: dict[str, object] = {
        "architecture": "tiny",
        "side": 32,
        "batch": 4,
        "epochs": 3,
        "learning_rate": 0.02,
        "warmup": 2,
        "device": "cpu",
        "precision": Precision.FULL,
        "augmentation": Augmentation(scale=(0.8, 1.25)),
        "workers": 0,
        "validate_steps": 1,
    }
    return TrainingSettings(**{**given, **changes})  # type: ignore[arg-type]


def scene(size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) and (H, W) uint8: a disc and a bar on noisy ground."""
    chance = np.random.default_rng(seed)
    height, width = size
    ys, xs = np.mgrid[:height, :width] + 0.5
    labels = np.zeros(size, dtype=np.uint8)
    top = chance.uniform(0, height * 0.7)
    labels[(ys > top) & (ys < top + height / 5)] = 2
    y, x = chance.uniform(0.2, 0.8, 2) * size
    labels[(ys - y) ** 2 + (xs - x) ** 2 < (min(size) / 4) ** 2] = 1
    pixels = COLOURS[labels] + chance.normal(0, 20, (*size, 3))
    return pixels.clip(0, 255).astype(np.uint8), labels


def write_image(folder: Path, name: str, pixels: np.ndarray, labels: np.ndarray) -> TrainingImage:
    """An image and its label map in the folder, by relative paths."""
    Image.fromarray(pixels).save(folder / f"{name}.png")
    Image.fromarray(labels).save(folder / f"{name}_labels.png")
    return TrainingImage(name, f"{name}.png", f"{name}_labels.png")


def write_training(
    folder: Path,
    chosen: TrainingSettings,
    sizes: Sequence[tuple[int, int]] = ((40, 48),) * 8,
    val: int = 2,
) -> TrainingSet:
    """A folder that can be trained: one image of each size, the last `val` for validation."""
    folder.mkdir(parents=True, exist_ok=True)
    images = [write_image(folder, f"scene{n}", *scene(size, n)) for n, size in enumerate(sizes)]
    split = len(images) - val
    data = TrainingSet(CATEGORIES, tuple(images[:split]), tuple(images[split:]))
    training_folder.write(folder, chosen, data)
    return data


if __name__ == "__main__":
    from segstudio.models.training.__main__ import main

    sys.modules["torchmetrics"] = None  # type: ignore[assignment] # Fabric would import all of it
    with registered():
        sys.exit(main(sys.argv[1:]))

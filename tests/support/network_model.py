"""A semantic model around any torch network, which counts what it is asked."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segstudio.core.image import RgbImage
from segstudio.core.prediction import ModelCategory, SemanticPrediction
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.semantic.contract import PredictSettings
from segstudio.models.semantic.predicting import predict


class NetworkModel:
    """A `SemanticModel`. `network` gives logits (N, C, H, W) of RGB of 0 to 1, (N, 3, H, W).

    `shapes` are those of the batches that it saw; `memory` is how many pixels a batch may have
    before the device says that it has no memory left (0: any number).
    """

    device = "cpu"
    model_key = "network-0"

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        categories: int,
        *,
        side: int = 128,
        scale: float = 1.0,
        temperature: float = 1.0,
        architecture: str = "unet",
        memory: int = 0,
    ) -> None:
        self.network, self.memory = network, memory
        self.shapes: list[tuple[int, ...]] = []
        self.card = SemanticCard(
            key="network",
            title="Network",
            description="A network of a test.",
            spec=NetworkSpec(architecture, "", categories),
            categories=tuple(ModelCategory(f"c{n}", "#808080") for n in range(categories)),
            licence="Apache-2.0",
            side=side,
            scale=scale,
            temperature=temperature,
        )

    def logits(self, images: Tensor) -> Tensor:
        self.shapes.append(tuple(images.shape))
        if self.memory and images.numel() // 3 > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.network(images)

    def predict(
        self, image: RgbImage, settings: PredictSettings, report: ProgressSink, cancel: CancelToken
    ) -> SemanticPrediction:
        return predict(self, image, settings, report, cancel)

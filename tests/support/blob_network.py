"""A SAM whose masks are smooth blobs, as trained masks are: random weights answer with noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from seeded_weights import seeded_state
from torch import Tensor, nn
from torch.nn import functional

from segstudio.models.prompt.mobile_sam import build_mobile_sam


class BlobDecoder(nn.Module):
    """Stands for the mask decoder: smooth blobs that depend on the prompt, as trained masks do.

    With random weights a real decoder answers with noise; this one gives duplicates, holes,
    islands and a range of scores.
    """

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.shape = torch.randn(256, 3 * 10 * 10, generator=generator)
        self.score = torch.randn(256, 3, generator=generator)
        self.centre = torch.randn(256, 2, generator=generator)
        self.radius = torch.tensor([25.0, 45.0, 80.0]).view(1, 3, 1, 1)

    def forward(
        self, sparse_prompt_embeddings: Tensor, multimask_output: bool, **_: Tensor
    ) -> tuple[Tensor, Tensor]:
        assert multimask_output
        point = sparse_prompt_embeddings[:, 0] / 16
        coarse = (point @ self.shape).view(-1, 3, 10, 10)
        logits = functional.interpolate(coarse, (256, 256), mode="bicubic", align_corners=False)
        x, y = (torch.sigmoid(point @ self.centre * 2) * torch.tensor([256.0, 164.0])).T
        cells = torch.arange(256.0)
        across = (cells - x[:, None])[:, None, None, :] ** 2
        down = (cells - y[:, None])[:, None, :, None] ** 2
        bump = 16 - 16 * (across + down) / self.radius**2
        return bump + 12 * logits, 0.9 + 0.08 * torch.tanh(point @ self.score)


class NoEncoder(nn.Module):
    """Stands for the image encoder, whose answer the blobs do not need."""

    img_size = 1024

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 256, 64, 64)


class BlobAnswers:
    """A point decoder with the real prompt encoder and blobs for a mask decoder."""

    def __init__(self, network: Any) -> None:
        self.prompt_encoder = network.prompt_encoder
        self.blobs = BlobDecoder()
        self.asked = 0

    def __call__(
        self, points: npt.NDArray[np.float64], threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.asked += len(points)
        labels = torch.ones((len(points), 1), dtype=torch.int)
        sparse, _ = self.prompt_encoder((torch.from_numpy(points[:, None]), labels), None, None)
        logits, ious = self.blobs(sparse, multimask_output=True)
        kept = torch.arange(len(ious))
        if threshold > 0:
            kept = torch.nonzero((ious > threshold).any(dim=1)).flatten()
        return logits[kept], ious, kept


def blob_network() -> Any:
    """The official package's network with a real prompt encoder, and blobs for the rest."""
    network = build_mobile_sam()
    network.prompt_encoder.load_state_dict(seeded_state(network.prompt_encoder))
    network.image_encoder, network.mask_decoder = NoEncoder(), BlobDecoder()
    return network.eval().requires_grad_(False)

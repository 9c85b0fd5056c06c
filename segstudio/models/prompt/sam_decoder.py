"""SAM's mask decoder, with what all prompts on one image share computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# What cells outside the image hold at most: no mask, at any level that is asked for.
OUTSIDE = -100.0


class PointDecoder(Protocol):
    """Answers grid points of one image, each a prompt of its own with one foreground point.

    `points` is (B, 2) float64 xy in the model's frame. Returns

    - logits (n, 3, 256, 256) float32 of the kept prompts, in the order of `points`; cells that lie
      outside the image hold no more than `OUTSIDE`;
    - predicted IoU (B, 3) float32 of all prompts, kept or not;
    - the kept prompts' indices, (n,) int64: those with at least one predicted IoU above
      `threshold`. A threshold of 0 or less keeps all.

    All three lie on the model's device. The memory that a call takes grows with B; lets
    torch.OutOfMemoryError out, after which a call with fewer points may succeed.
    """

    def __call__(
        self, points: npt.NDArray[np.float64], threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]: ...


@dataclass(frozen=True, eq=False)
class ImageKeys:
    """What all prompts on one image share; for the decoder that made it."""

    features: Tensor


class SamDecoder:
    """The mask decoder of a `segment_anything` network. Holds weights only."""

    def __init__(self, network: Any) -> None:
        self._network = network
        with torch.inference_mode():
            self._dense_pe: Tensor = network.prompt_encoder.get_dense_pe()

    def prepare(self, features: Tensor) -> ImageKeys:
        """`features` is (1, 256, 64, 64), the image's embedding on the device."""
        return ImageKeys(features)

    def decode(
        self, keys: ImageKeys, sparse: Tensor, dense: Tensor, *, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, K, 256, 256) and predicted IoU (B, K); K is 3 with `multimask`, else 1."""
        logits, ious = self._network.mask_decoder(
            image_embeddings=keys.features,
            image_pe=self._dense_pe,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )
        return logits, ious

    def decode_points(
        self, keys: ImageKeys, points: npt.NDArray[np.floating[Any]], threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `PointDecoder`."""
        device = keys.features.device
        labels = torch.ones((len(points), 1), dtype=torch.int, device=device)
        if device.type == "mps":  # has no float64, in which the official generator starts
            points = points.astype(np.float32)
        coordinates = torch.from_numpy(points[:, None]).to(device)
        sparse, dense = self._network.prompt_encoder((coordinates, labels), None, None)
        logits, ious = self.decode(keys, sparse, dense, multimask=True)
        kept = torch.arange(len(ious), device=device)
        if threshold > 0:
            kept = torch.nonzero((ious > threshold).any(dim=1)).flatten()
        return logits[kept], ious, kept

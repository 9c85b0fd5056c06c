"""Half precision for the image encoder on a graphics card, only where masks stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LEAST_IOU = 0.99

_GRID = 4  # points per side that the trial prompts with
_STEADY = 0.9  # a mask whose edge is nowhere says nothing about precision
_LEAST_MASKS = 4
_STABILITY_OFFSET = 1.0


@dataclass(frozen=True)
class Precision:
    """What the encoder computes in, and why, in a few words."""

    dtype: torch.dtype
    why: str

    @property
    def name(self) -> str:
        """ "float32", "float16" or "bfloat16"."""
        return str(self.dtype).removeprefix("torch.")


FULL = Precision(torch.float32, "float32 is the fastest that this device has")


def candidates(device: str) -> tuple[torch.dtype, ...]:
    """Half precisions that are fast on that device, the more exact one first.

    float16 has units of its own from compute capability 7.0 on (Volta), bfloat16 from 8.0 (Ampere).
    """
    if not device.startswith("cuda"):
        return ()
    major, _ = torch.cuda.get_device_capability(device)
    return (torch.float16, torch.bfloat16)[: max(0, min(major - 6, 2))]


def choose_precision(
    network: Any, encode: Callable[[torch.dtype], Tensor], dtypes: Sequence[torch.dtype]
) -> Precision:
    """The first of `dtypes` whose masks keep IoU >= LEAST_IOU to float32's, else float32.

    `encode(dtype)` gives the embedding (1, 256, h, w) of one photo, computed in `dtype`. The masks
    are those of a grid of points, decoded in float32 by `network`, whose parts are SAM's. Errors of
    a precision that the device does not take count against it.
    """
    if not dtypes:
        return FULL
    with torch.inference_mode():
        expected = _logits(network, encode(torch.float32))
        steady = _stability(expected) >= _STEADY
        if int(steady.sum()) < _LEAST_MASKS:
            return Precision(torch.float32, "the trial photo gave too few masks to compare")
        found = []
        for dtype in dtypes:
            try:
                iou = _least_iou(_logits(network, encode(dtype))[steady], expected[steady])
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:
                continue
            if iou >= LEAST_IOU:
                return Precision(dtype, f"its masks keep IoU {iou:.4f} to float32's on a photo")
            found.append(f"{iou:.3f}")
    told = f" (IoU {', '.join(found)} on a photo)" if found else ""
    return Precision(torch.float32, f"half precision changes the masks{told}")


def _logits(network: Any, embedding: Tensor) -> Tensor:
    """(N, 1024, 1024) float32 logits: three masks for each point of a grid."""
    embedding = embedding.float()
    side = network.prompt_encoder.input_image_size[0]
    ticks = (torch.arange(_GRID, device=embedding.device) + 0.5) * (side / _GRID)
    points = torch.cartesian_prod(ticks, ticks)[:, None]
    labels = torch.ones(points.shape[:2], dtype=torch.int, device=embedding.device)
    sparse, dense = network.prompt_encoder(points=(points, labels), boxes=None, masks=None)
    low, _ = network.mask_decoder(
        image_embeddings=embedding,
        image_pe=network.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    high = functional.interpolate(low, (side, side), mode="bilinear", align_corners=False)
    return high.flatten(0, 1)


def _stability(logits: Tensor) -> Tensor:
    inner = (logits > _STABILITY_OFFSET).flatten(1).sum(1)
    outer = (logits > -_STABILITY_OFFSET).flatten(1).sum(1)
    return inner / outer.clamp(min=1)


def _least_iou(found: Tensor, expected: Tensor) -> float:
    ours, theirs = (found > 0).flatten(1), (expected > 0).flatten(1)
    both, any_ = (ours & theirs).sum(1), (ours | theirs).sum(1)
    return float((both / any_.clamp(min=1)).min())

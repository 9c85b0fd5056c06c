"""Networks of the SAM family with seeded random weights, for tests and timings without downloads.

Every tensor differs from its default (norms, batch statistics, position biases too), so that a
wrong order or a left-out branch shows. Timing does not depend on the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from segstudio.models.nets import tiny_vit

# Makes the mask logits as large as a trained network's, about -20 to 20.
_MASK_GAIN = 16.0
_MEAN_IOU = 0.8


def seeded_state(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """A state dict of the network's names and shapes, which may be on the meta device."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, like in network.state_dict().items():
        noise = torch.randn(like.shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(like.shape, dtype=torch.long)
        elif name.endswith("running_var"):
            state[name] = 1.0 + 0.3 * noise.clamp(-2, 2)
        elif like.ndim <= 1:
            state[name] = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
        elif "attention_biases" in name or "gaussian" in name:
            state[name] = noise
        else:
            state[name] = noise / math.sqrt(like[0].numel())
            if "output_hypernetworks_mlps" in name and "layers.2" in name:
                state[name] *= _MASK_GAIN
        if name.endswith("iou_prediction_head.layers.2.bias"):
            state[name] += _MEAN_IOU
    return state


def write_checkpoint(network: nn.Module, path: Path, seed: int = 0) -> Path:
    torch.save(seeded_state(network, seed), path)
    return path


@contextmanager
def shallow_encoders(depth: int = 2, narrower: int = 1) -> Iterator[None]:
    """Official ViTs that are built meanwhile have `depth` blocks; all but the first are global.

    And so many times fewer channels, those of each ViT still other than those of the next. A whole
    one takes half a minute to encode an image on a CPU.
    """
    # The package has a function of the same name as its module.
    module = import_module("segment_anything.build_sam")
    whole = module.ImageEncoderViT

    def cut(**settings: Any) -> Any:
        smaller = {
            "depth": depth,
            "global_attn_indexes": range(1, depth),
            "embed_dim": settings["embed_dim"] // narrower,
            "num_heads": settings["num_heads"] // max(1, narrower // 2),
        }
        return whole(**settings | smaller)

    with mock.patch.object(module, "ImageEncoderViT", cut):
        yield


@contextmanager
def small_mobile_sam() -> Iterator[None]:
    """MobileSAMs that are built meanwhile have one block in each stage, a quarter of the channels.

    A whole one takes two seconds to encode an image, this one a fifth of that.
    """
    dims = tuple(dim // 4 for dim in tiny_vit.DIMS)
    with mock.patch.multiple(tiny_vit, DIMS=dims, DEPTHS=(1,) * len(dims)):
        yield
